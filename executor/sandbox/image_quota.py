"""Keeping the images that jobs had pulled within the operator's quota: the ones used least recently go first.

Never an image of another's pull, one that a container is made of, one with more names than a pull gave it, or one that
a job has just looked up and may be about to use.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.engine.client import EngineError
from executor.sandbox.image_uses import ImageUses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.engine.client import Engine

# What a job looks up it uses within this time, or it pulls again.
JUST_USED_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class PulledImage:
    """An image of ours: its bytes, without the layers that it shares where the Engine knows, and its last use."""

    id: str
    bytes: int
    last_use: float


def keep_within(quota: int, engine: Engine, state_dir: str) -> list[str]:
    """Remove images until those that jobs had pulled take at most `quota` bytes; the ids of the removed ones."""
    uses = ImageUses(state_dir)
    pulled = _pulled(engine, uses)
    excess = sum(image.bytes for image in pulled) - quota
    removed = []
    for image in sorted(pulled, key=lambda image: image.last_use):
        if excess > 0 and _removed(image, engine, uses):
            excess -= image.bytes
            removed.append(image.id)
    return removed


def _pulled(engine: Engine, uses: ImageUses) -> list[PulledImage]:
    """Our images that the Engine still has; notes of others go."""
    noted = set(uses.images())
    if not noted:
        return []
    there = {str(image["Id"]): image for image in _images(engine)}
    for gone in noted - there.keys():
        uses.forget(gone)
    return [_described(there[image], uses) for image in sorted(noted & there.keys())]


def _images(engine: Engine) -> list[dict[str, Any]]:
    return list(engine.ask("GET", "/images/json?shared-size=1").value() or [])


def _described(image: Mapping[str, Any], uses: ImageUses) -> PulledImage:
    return PulledImage(
        id=str(image["Id"]),
        bytes=int(image["Size"]) - max(int(image.get("SharedSize", 0)), 0),
        last_use=uses.last_use(str(image["Id"])),
    )


def _removed(image: PulledImage, engine: Engine, uses: ImageUses) -> bool:
    """Remove one image, if nobody uses it; the Engine itself refuses what has containers or several names."""
    try:
        if uses.last_use(image.id) > time.time() - JUST_USED_SECONDS:
            return False
        engine.ask("DELETE", f"/images/{image.id}").value()
    except (EngineError, FileNotFoundError):
        return False
    uses.forget(image.id)
    return True
