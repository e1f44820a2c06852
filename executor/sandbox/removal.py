"""Removing folders that containers wrote in: their files may belong to any user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.engine.client import Engine


def remove_tree(
    path: str, engine: Engine | None = None, image: str = "", labels: Mapping[str, str] | None = None
) -> None:
    """Remove a folder; what this account may not remove goes through a container of `image` with `labels`, as root.

    Never follows links. A folder that is gone already is fine.
    """
    if not os.path.lexists(path):
        return
    _remove(path)
    if os.path.lexists(path) and engine and image:
        _remove_in_container(path, engine, image, labels or {})
        _remove(path)


def _remove(path: str) -> None:
    """By `rm`: Python's own way gives up where a job made folders a thousand deep. What is mounted below stays."""
    import subprocess

    subprocess.run(
        ["rm", "-rf", "--one-file-system", "--", path], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )


def _remove_in_container(path: str, engine: Engine, image: str, labels: Mapping[str, str]) -> None:
    """Empty the folder from inside a container, where we are root."""
    body = {
        "Image": image,
        "User": "0",
        "Labels": dict(labels),
        "Entrypoint": ["find", "/virida-removal", "-xdev", "-mindepth", "1", "-delete"],
        "HostConfig": {"NetworkMode": "none", "Binds": [f"{path}:/virida-removal"]},
    }
    container = str(engine.ask("POST", "/containers/create", body).value()["Id"])
    engine.start_container(container).settle()
    engine.wait_container(container).settle()
    engine.remove_container(container).settle()
