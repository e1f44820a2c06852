"""Mounting layers below the folder that a job works in, and taking them away again."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from executor.cache.store.failures import CacheFailure, told
from executor.cache.store.removing import remove_tree
from executor.cache.store.trees import folder_at, is_whiteout

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Sequence

# The kernel takes one page of options, with its end mark.
LONGEST_OPTIONS = 4095

# Explicit where a kernel may have another default; from the best to what any kernel takes.
OPTIONS = (
    ("redirect_dir=on", "metacopy=off", "index=off", "volatile"),
    ("redirect_dir=on", "metacopy=off", "index=off"),
    ("redirect_dir=on",),
    (),
)
MS_BIND, MS_SHARED, UMOUNT_NOFOLLOW = 4096, 1 << 20, 8


class StillInUse(CacheFailure):
    """A process sits in what is to be unmounted, or has a file of it open."""


def mount(target: str, layers: Sequence[str], upper: str, work: str) -> tuple[str, ...]:
    """Mount an overlay at `target`: `layers` (paths, the top one first) below `upper`, with the new folder `work`.

    `upper` may be `target` itself. `work` must not be there; it has to lie on the file system of `upper`. Gives the
    options that the kernel took. `CacheFailure` if it takes none; then `work` is gone again.
    """
    with told("The folder for the mount cannot be made."):
        os.mkdir(work, 0o700)
    descriptors: list[int] = []
    try:
        lowers = _lowers(layers, f",upperdir={_escaped(upper)},workdir={_escaped(work)}", descriptors)
        return _mount_with(target, f"lowerdir={lowers},upperdir={_escaped(upper)},workdir={_escaped(work)}")
    except CacheFailure:
        remove_work(work)
        raise
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _lowers(layers: Sequence[str], rest: str, descriptors: list[int]) -> str:
    lowers = ":".join(_escaped(layer, ":") for layer in layers)
    if len(lowers) + len(rest) + len("lowerdir=,") + len(",".join(OPTIONS[0])) < LONGEST_OPTIONS:
        return lowers
    # Names in an open folder are shorter than any path; layers of one store share it.
    opened: dict[str, int] = {}
    names = []
    for layer in layers:
        folder, _, name = layer.rpartition("/")
        if folder not in opened:
            opened[folder] = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            descriptors.append(opened[folder])
        names.append(f"/proc/self/fd/{opened[folder]}/{_escaped(name, ':')}")
    return ":".join(names)


def _mount_with(target: str, places: str) -> tuple[str, ...]:
    first = 0
    for options in OPTIONS:
        data = ",".join((places, *options))
        if len(os.fsencode(data)) > LONGEST_OPTIONS:
            first = first or errno.E2BIG
            continue
        error = _call("mount", b"overlay", os.fsencode(target), b"overlay", 0, os.fsencode(data))
        if not error:
            return options
        first = first or error
        if error != errno.EINVAL:
            break
    raise CacheFailure("The cache cannot be mounted.", cause=_cause(first))


def _cause(error: int) -> str:
    if error == errno.E2BIG:
        return "Its layers and their paths are more than the kernel's 4095 bytes of options."
    return f"The kernel says: {os.strerror(error)}."


def unmount(target: str) -> None:
    """Unmount what is on top at `target`. `StillInUse` while a process sits in it; `CacheFailure` otherwise."""
    error = _call("umount2", os.fsencode(target), UMOUNT_NOFOLLOW)
    if error == errno.EBUSY:
        raise StillInUse("The folder of the job is still in use.", cause="A process sits in it or has a file open.")
    if error:
        raise CacheFailure("The cache cannot be unmounted.", cause=_cause(error))


def remove_work(work: str) -> None:
    """Remove the work folder of an overlay that is not mounted any more. What cannot be removed stays."""
    parent, _, name = work.rpartition("/")
    with told("The folder of a mount cannot be removed."), folder_at(parent or "/") as folder:
        remove_tree(folder, name)


def mounted(target: str) -> bool:
    """Whether an overlay is on top at `target`."""
    kinds = [line.kind for line in mount_lines() if line.target == target]
    return bool(kinds) and kinds[-1] == "overlay"


class MountLine:
    """A line of /proc/self/mountinfo: where (`target`), what (`kind`), its `peers` and `options`."""

    def __init__(self, line: str) -> None:
        before, _, after = line.rstrip("\n").partition(" - ")
        fields = before.split(" ")
        self.target = _plain(fields[4])
        self.peers = fields[6:]
        self.kind, _, self.options = after.split(" ", 2)

    def layers(self) -> set[str]:
        """The names of the folders that an overlay has below."""
        # Commas and backslashes in paths are octal here; after that, colons in them have a backslash.
        values = (option.partition("=") for option in self.options.split(","))
        lowers = (_plain(value) for name, _, value in values if name in ("lowerdir", "lowerdir+"))
        return {path.rpartition("/")[2] for lower in lowers for path in re.split(r"(?<!\\):", lower)}


def mount_lines() -> list[MountLine]:
    """What is mounted for this process, the latest last."""
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        return [MountLine(line) for line in file]


def layers_in_use() -> set[str]:
    """The names of all folders that are below an overlay somewhere on this host."""
    return {layer for line in mount_lines() if line.kind == "overlay" for layer in line.layers()}


def make_shared(path: str) -> bool:
    """See to it that what is mounted below `path` later is seen in containers that have `path` as a volume (rslave).

    Gives whether that took a mount of its own: nothing is done where `path` lies under a shared mount already.
    """
    path = os.path.realpath(path)
    above = [line for line in mount_lines() if f"{path}/".startswith(f"{line.target.rstrip('/')}/")]
    nearest = max(above, key=lambda line: len(line.target))
    nearest = [line for line in above if line.target == nearest.target][-1]
    if any(peer.startswith("shared:") for peer in nearest.peers):
        return False
    if nearest.target != path:
        _checked(_call("mount", os.fsencode(path), os.fsencode(path), b"none", MS_BIND, None), path)
    _checked(_call("mount", b"none", os.fsencode(path), b"none", MS_SHARED, None), path)
    return True


def _checked(error: int, path: str) -> None:
    if error:
        raise CacheFailure(f"Mounts below {path} cannot be shared with containers.", cause=_cause(error))


def probe(store: str, builds: str) -> str:
    """Why layers in the folder `store` cannot be mounted below folders in `builds`, in plain words; "" if they can."""
    if os.geteuid() != 0:
        return "The executor does not run as root, and only root may mount."
    name = f".probe-{os.urandom(6).hex()}"
    try:
        os.makedirs(f"{store}/{name}/layer/folder")
        os.makedirs(f"{builds}/{name}/upper")
        return _try(f"{store}/{name}", f"{builds}/{name}")
    except OSError as error:
        return f"{error.filename or builds} cannot be written: {error.strerror}."
    except CacheFailure as failure:
        return failure.one_line()
    finally:
        for folder in (store, builds):
            with suppress(CacheFailure):
                remove_work(f"{folder}/{name}")


def _try(store: str, builds: str) -> str:
    upper = f"{builds}/upper"
    os.mkdir(f"{store}/staged")
    try:
        os.rename(f"{store}/staged", f"{builds}/moved")
    except OSError as error:
        if error.errno == errno.EXDEV:
            return "Caches and builds are not on one file system (or not in one mount of it)."
        raise
    with open(f"{store}/layer/file", "w") as file:
        file.write("below")
    options = mount(upper, [f"{store}/layer"], upper, f"{builds}/work")
    try:
        seen = os.path.exists(f"{upper}/file")
        os.unlink(f"{upper}/file")
        os.rename(f"{upper}/folder", f"{upper}/renamed")
    except OSError as error:
        return f"The kernel mounts overlays of this file system, but not fully: {error.strerror} ({options})."
    finally:
        unmount(upper)
    if not seen or not is_whiteout(os.lstat(f"{upper}/file")):
        return "The kernel mounts overlays of this file system, but does not keep what they change as it should."
    return ""


def _escaped(path: str, more: str = "") -> str:
    return re.sub(rf"([\\,{more}])", r"\\\1", path)


def _plain(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def _call(function: str, *arguments: bytes | int | None) -> int:
    import ctypes

    library = _library()
    values = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    return ctypes.get_errno() if getattr(library, function)(*values) else 0


@cache
def _library() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def sync_file_system(path: str) -> None:
    """Wait until the disk has all that was written to the file system of `path`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        error = _call("syncfs", descriptor)
    finally:
        os.close(descriptor)
    if error:
        raise OSError(error, os.strerror(error), path)
