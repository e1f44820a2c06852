"""Where a container's control group lies, and its files, read through descriptors that stay open.

Three layouts: v2 alone, v1 alone, and hybrid (v1 with the v2 tree at `unified/`, for pressure). Any file may be absent:
it is then not read, and what it would tell is not known.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUPS = "/sys/fs/cgroup"
PROC = "/proc"
READ_SIZE = 1 << 16


class Gone(Exception):
    """The container has ended: its control group's files say nothing any more."""


class Group:
    """Folders of one container's control group, below `root`. `version` is 1 or 2.

    `unified` is its folder of the v2 tree, `controllers` those of v1 by controller; "" and none where there is no such.
    """

    def __init__(self, root: str, version: int, unified: str, controllers: dict[str, str]) -> None:
        self.root = root
        self.version = version
        self.unified = unified
        self.controllers = controllers

    def path(self, controller: str, name: str) -> str:
        """Where the file `name` would be; `controller` matters under v1 alone."""
        return f"{self.unified if self.version == 2 else self.controllers.get(controller, '')}/{name}"

    def processes(self) -> Iterator[int]:
        """The processes in the group and in those below it."""
        top = self.unified if self.version == 2 else self.controllers.get("memory", "")
        for folder, _, _ in os.walk(top):
            for word in read_file(f"{folder}/cgroup.procs").split():
                yield int(word)


def cgroup_version(root: str = CGROUPS) -> int:
    """2 where the host has control groups v2 alone, else 1."""
    return 2 if os.path.exists(f"{root}/cgroup.controllers") else 1


def find_group(pid: int, container: str, *, root: str = CGROUPS, proc: str = PROC) -> Group | None:
    """The control group of the container with the id `container`, whose first process is `pid`.

    None where the process is none of this container's, as with an Engine on another host, or cannot be seen.
    """
    version, unified, controllers = cgroup_version(root), "", {}
    for line in read_file(f"{proc}/{pid}/cgroup").decode(errors="replace").splitlines():
        _, names, path = line.split(":", 2)
        below = _own_part(path, container)
        if below and names:
            controllers.update(_folders(root, names, below))
        elif below:
            unified = _existing(f"{root}{below}" if version == 2 else f"{root}/unified{below}")
    found = unified if version == 2 else controllers.get("memory") or controllers.get("cpuacct")
    return Group(root, version, unified, controllers) if found else None


def read_file(path: str) -> bytes:
    """The whole of a small file, b"" where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, READ_SIZE)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


class OpenFile:
    """One file, kept open. What the host does not have reads as b""."""

    def __init__(self, path: str) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1

    @property
    def exists(self) -> bool:
        """Whether there is such a file."""
        return self._descriptor >= 0

    def read(self) -> bytes:
        """What it says now; raises `Gone` where its container has ended."""
        if self._descriptor < 0:
            return b""
        try:
            return os.pread(self._descriptor, READ_SIZE, 0)
        except OSError as error:
            raise Gone from error

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def number(data: bytes) -> int | None:
    """The number that a file of one number holds; None for `max` and for nothing."""
    word = data.strip()
    return int(word) if word.isdigit() else None


def field(data: bytes, name: bytes) -> int | None:
    """The number behind `name` in a file of `name number` lines."""
    label = name + b" "
    at = 0 if data.startswith(label) else data.find(b"\n" + label) + 1
    if not data.startswith(label, at):
        return None
    at += len(label)
    end = data.find(b"\n", at)
    return number(data[at:] if end < 0 else data[at:end])


def keyed_sum(data: bytes, key: bytes) -> int | None:
    """The sum of `key=number` over the lines of a file such as io.stat; a device without numbers counts nothing."""
    values = [word[len(key) + 1 :] for word in data.split() if word.startswith(key + b"=")]
    return sum(int(value) for value in values if value.isdigit()) if data else None


def _own_part(path: str, container: str) -> str:
    """The path up to the part that names the container: what runs in it may have made groups below."""
    parts = path.split("/")
    if ".." in parts:
        return ""
    last = next((index for index, part in enumerate(parts) if container and container in part), None)
    return "" if last is None else "/".join(parts[: last + 1])


def _folders(root: str, names: str, below: str) -> dict[str, str]:
    """The folders of a v1 hierarchy that several controllers may share: under its name, else under each one's."""
    found = {}
    for name in names.split(","):
        folder = _existing(f"{root}/{names}{below}") or _existing(f"{root}/{name}{below}")
        if folder:
            found[name] = folder
    return found


def _existing(folder: str) -> str:
    return folder if os.path.isdir(folder) else ""
