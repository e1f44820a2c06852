"""The store's small files: pointers, facts of layers, leases, counts of hits; each replaced in one step or appended to.

A record that cannot be read says nothing: a disk that lost power may leave one half-written, and that is a miss.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from executor.cache.store.model import Layer, Maker, Place, Snapshot
from executor.cache.store.processes import own_lease

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True)
class Use:
    """How often a cache was restored, and when it was last restored or saved (seconds since the epoch)."""

    hits: int
    last: float


class Records:
    """The records in a store's folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.stages = os.path.join(folder, "tmp")

    def layer(self, layer: str) -> Layer | None:
        """What is known of a layer; None if nothing readable is."""
        facts = _read(f"{self._folder}/meta/{layer}.json")
        try:
            return Layer(**facts) if facts else None
        except TypeError:
            return None

    def layers(self) -> list[Layer]:
        """All layers that something readable is known of."""
        names = sorted(os.listdir(f"{self._folder}/meta"))
        return [layer for name in names if (layer := self.layer(name.removesuffix(".json")))]

    def note_layer(self, layer: Layer, *, durable: bool = False) -> None:
        """Keep the facts of a layer; `durable` waits until the disk has them."""
        self._write(f"meta/{layer.id}.json", asdict(layer), durable=durable)

    def forget_layer(self, layer: str) -> None:
        """Drop the facts of a layer."""
        _unlink(f"{self._folder}/meta/{layer}.json")

    def snapshot(self, place: Place) -> Snapshot | None:
        """What the pointer at a place says; None if there is none, or none that is readable."""
        snapshot = _snapshot_in(self.pointer_path(place))
        return snapshot if snapshot and snapshot.place == place else None

    def snapshots(self) -> Iterator[Snapshot]:
        """What all readable pointers say."""
        for path in self.pointer_files():
            if snapshot := _snapshot_in(path):
                yield snapshot

    def pointer_files(self) -> Iterator[str]:
        """The paths of all pointers."""
        for folder, _, names in os.walk(f"{self._folder}/keys"):
            yield from (f"{folder}/{name}" for name in names if name.endswith(".json"))

    def pointer_path(self, place: Place) -> str:
        """Where the pointer of a place is, if it is there."""
        return f"{self._folder}/{_pointer(place)}.json"

    def sync_layers(self) -> None:
        """Wait until the disk has the names of all layers."""
        sync_folder(f"{self._folder}/l")

    def point(self, snapshot: Snapshot, *, durable: bool = False) -> None:
        """Make a snapshot the one that is found at its place; readers see the old pointer or the new one."""
        pointer = _pointer(snapshot.place)
        trust = os.path.dirname(pointer)
        for folder in (os.path.dirname(trust), trust):
            private_folder(f"{self._folder}/{folder}")
        self._write(f"{pointer}.json", asdict(snapshot), durable=durable)

    def forget(self, place: Place) -> None:
        """Drop the pointer at a place."""
        self.forget_pointer(self.pointer_path(place))

    def forget_pointer(self, path: str) -> None:
        """Drop a pointer, and its folders if they are empty now. Only for who has the store alone, or a known place."""
        _unlink(path)
        _unlink(f"{path.removesuffix('.json')}.hits")

    def forget_empty_folders(self) -> None:
        """Drop folders of projects without caches. Only for who has the store alone."""
        for folder, _, _ in os.walk(f"{self._folder}/keys", topdown=False):
            if folder != f"{self._folder}/keys":
                with suppress(OSError):
                    os.rmdir(folder)

    def use(self, snapshot: Snapshot) -> Use:
        """How a cache was used. Hits are the bytes of a file, the last one its time: nothing cheaper can be noted."""
        try:
            facts = os.stat(f"{self._folder}/{_pointer(snapshot.place)}.hits")
        except FileNotFoundError:
            return Use(0, snapshot.saved)
        return Use(facts.st_size, max(facts.st_mtime, snapshot.saved))

    def note_hit(self, place: Place) -> None:
        """Count a hit, if the disk has room for it."""
        with suppress(OSError):
            _append(f"{self._folder}/{_pointer(place)}.hits", b".")

    def note_miss(self) -> None:
        """Count a look-up that found nothing, if the disk has room for it."""
        with suppress(OSError):
            _append(f"{self._folder}/.misses", b".")

    def misses(self) -> int:
        """How many look-ups found nothing."""
        try:
            return os.stat(f"{self._folder}/.misses").st_size
        except FileNotFoundError:
            return 0

    def pin(self, lease: str, layers: Iterable[str]) -> None:
        """Keep layers from being collected for as long as the lease is there."""
        _append(f"{self._folder}/leases/{lease}", "".join(f"{layer}\n" for layer in layers).encode())

    def pinned(self, lease: str) -> set[str]:
        """The layers that a lease keeps."""
        try:
            with open(f"{self._folder}/leases/{lease}") as file:
                return set(file.read().split())
        except FileNotFoundError:
            return set()

    def leases(self) -> list[str]:
        """The names of all leases."""
        return os.listdir(f"{self._folder}/leases")

    def release(self, lease: str) -> None:
        """Drop a lease."""
        _unlink(f"{self._folder}/leases/{lease}")

    def _write(self, path: str, facts: Mapping[str, object], *, durable: bool) -> None:
        temporary = f"{self.stages}/{own_lease()}-{os.urandom(6).hex()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "w") as file:
                json.dump(facts, file)
                file.flush()
                if durable:
                    os.fsync(descriptor)
            os.replace(temporary, f"{self._folder}/{path}")
        except OSError:
            _unlink(temporary)
            raise
        if durable:
            sync_folder(os.path.dirname(f"{self._folder}/{path}"))


def private_folder(path: str) -> None:
    """Make a folder that is closed to others, in one that is there, unless it is there too."""
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)


def sync_folder(path: str) -> None:
    """Wait until the disk has the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pointer(place: Place) -> str:
    if place.trust not in ("p", "u"):
        raise ValueError(f"no such trust: {place.trust!r}")
    digest = hashlib.sha256(place.key.encode(errors="surrogateescape")).hexdigest()
    return f"keys/{int(place.project_id)}/{place.trust}/{digest}"


def _snapshot_in(path: str) -> Snapshot | None:
    facts = _read(path)
    try:
        if not facts:
            return None
        place, maker = Place(**facts.pop("place")), Maker(**facts.pop("maker"))
        layers, roots = tuple(facts.pop("layers")), tuple(facts.pop("roots"))
        return Snapshot(place=place, maker=maker, layers=layers, roots=roots, **facts)
    except (TypeError, KeyError, AttributeError):
        return None


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path) as file:
            facts = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _append(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
