"""The small object that says which layers a cache is made of. What is read is checked to the last field."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from executor.cache.remote.failures import Untrustworthy
from executor.cache.store import trees
from executor.cache.store.failures import UnsafePath
from executor.cache.store.model import Maker, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
LARGEST = 2 * 1024 * 1024
MOST_LAYERS = 64
MOST_ROOTS = 10_000
LONGEST = 4096
LONGEST_KEY = 1024 * 1024
# No count of saves, job or file and no size gets here; what is larger would stay the newest version for ever.
HIGHEST = 1 << 48
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class RemoteLayer:
    """A layer in the bucket: its archive's sha256, size and size before compression, and what a layer's facts are."""

    blob: str
    size: int
    tar_bytes: int
    bytes: int
    files: int


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """One version of a cache in the bucket; the fields of a snapshot, but for its layers, the top one first."""

    place: Place
    layers: tuple[RemoteLayer, ...]
    prefix: str
    roots: tuple[str, ...]
    bytes: int
    files: int
    generation: int
    saved: float
    maker: Maker

    def shows_same(self, other: Pointer) -> bool:
        """Whether a job would see the same of both."""
        blobs, others = ([layer.blob for layer in each.layers] for each in (self, other))
        return (blobs, self.prefix, self.roots) == (others, other.prefix, other.roots)


def pointer_name(place: Place) -> str:
    """Where the pointer of a place is in the bucket."""
    digest = hashlib.sha256(place.key.encode(errors="surrogateescape")).hexdigest()
    return f"{place.project_id}/{place.trust}/keys/{digest}.json"


def blob_name(place: Place, blob: str) -> str:
    """Where a blob of a place is in the bucket."""
    return f"{place.project_id}/{place.trust}/blobs/{blob}.tar.zst"


def written(pointer: Pointer) -> bytes:
    """The pointer as an object's content."""
    return json.dumps({"version": VERSION, **asdict(pointer)}).encode()


def read(content: bytes, place: Place) -> Pointer:
    """The pointer that an object holds, which was found at `place`; `Untrustworthy` if it is anything else."""
    try:
        facts = json.loads(content)
        if not isinstance(facts, dict) or facts.get("version") != VERSION:
            raise Untrustworthy("The pointer is of another version.")
        pointer = _pointer(facts)
    except (ValueError, TypeError, KeyError, RecursionError, UnsafePath) as error:
        raise Untrustworthy("The pointer cannot be read.") from error
    if pointer.place != place:
        raise Untrustworthy("The pointer is another cache's.")
    return pointer


def _pointer(facts: Mapping[str, Any]) -> Pointer:
    place, maker = facts["place"], facts["maker"]
    return Pointer(
        place=Place(project_id=_number(place["project_id"]), trust=_text(place["trust"]), key=_key(place["key"])),
        layers=_layers(facts["layers"]),
        prefix=_path(facts["prefix"]),
        roots=_roots(facts["roots"]),
        bytes=_number(facts["bytes"]),
        files=_number(facts["files"]),
        generation=_number(facts["generation"]),
        saved=_moment(facts["saved"]),
        maker=Maker(
            job_id=_number(maker["job_id"]), job_name=_text(maker["job_name"]), project=_text(maker["project"])
        ),
    )


def _layers(entries: Any) -> tuple[RemoteLayer, ...]:
    layers = tuple(_layer(entry) for entry in _list(entries, MOST_LAYERS))
    if not layers or len({layer.blob for layer in layers}) != len(layers):
        raise ValueError("no layers, or one twice")
    return layers


def _layer(entry: Any) -> RemoteLayer:
    if not DIGEST.fullmatch(entry["blob"]):
        raise ValueError("no digest")
    numbers = {name: _number(entry[name]) for name in ("size", "tar_bytes", "bytes", "files")}
    return RemoteLayer(blob=entry["blob"], **numbers)


def _roots(entries: Any) -> tuple[str, ...]:
    """None above or below another: what is removed of one must not take the other with it."""
    roots = tuple(_path(entry) for entry in _list(entries, MOST_ROOTS))
    joined = {trees.join(root) for root in roots}
    if not roots or any(path in joined for root in joined for path in _parents(root)):
        raise ValueError("no roots, or one in another")
    return roots


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts))] if path else []


def _path(value: Any) -> str:
    trees.parts_of(_text(value))
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise TypeError("no text")
    return value


def _key(value: Any) -> str:
    """A job's author may have made it of anything."""
    if not isinstance(value, str) or len(value) > LONGEST_KEY:
        raise TypeError("no key")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < HIGHEST:
        raise ValueError("no number")
    return int(value)


def _moment(value: Any) -> float:
    """Another host's clock may be ahead of this one's."""
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise ValueError("no time")
    return min(float(value), time.time())


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("no list, or too long")
    return value
