"""Jobs that work in a mounted cache, without containers: what they see, and what is saved of it."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from executor.cache.store import overlay, trees, uppers
from executor.cache.store.model import Maker, Place, Snapshot
from executor.cache.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PREFIX = "group/project"
MAKER = Maker(job_id=1, job_name="build", project=PREFIX)
PLACE = Place(project_id=7, trust="p", key="default")


class Host:
    """A store and a builds folder on one file system."""

    def __init__(self, folder: str) -> None:
        self.store = Store(f"{folder}/store")
        self.builds = f"{folder}/builds"
        os.makedirs(self.builds, exist_ok=True)
        self._works = 0

    def new_job(self, name: str) -> str:
        """The builds folder of a job, with its sources."""
        os.makedirs(f"{self.builds}/{name}/{PREFIX}/src")
        return f"{self.builds}/{name}"

    @contextmanager
    def mounted(self, job: str, layers: Sequence[str], work: str = "") -> Iterator[str]:
        """A job's folder with layers below it; gives its project's folder. `work` names the kernel's folder."""
        self._works += 1
        work = f"{self.builds}/wk{work}{self._works}"
        overlay.mount(job, [self.store.layer_path(layer) for layer in layers], job, work)
        try:
            yield f"{job}/{PREFIX}"
        finally:
            overlay.unmount(job)
            overlay.remove_work(work)

    def save(
        self,
        job: str,
        roots: Sequence[str],
        base: Snapshot | None,
        *,
        place: Place = PLACE,
        mounted: Sequence[str] = (),
        lease: str = "job",
    ) -> Snapshot:
        """Save what a job's folder has at `roots`, as after the job's last script."""
        staged = self.store.stage(lease)
        with trees.folder_at(job) as upper, trees.folder_at(staged) as target:
            uppers.take_roots(upper, PREFIX, roots, target)
        return self.store.publish(
            place, staged, lease=lease, base=base, prefix=PREFIX, roots=roots, maker=MAKER, mounted=mounted
        )

    def copied(self, snapshot: Snapshot, name: str) -> str:
        """A new job's project folder into which a snapshot was copied."""
        job = self.new_job(name)
        with trees.folder_at(job) as target:
            self.store.materialise(snapshot, target, PREFIX)
        return f"{job}/{PREFIX}"


def seen(folder: str) -> dict[str, tuple[object, ...]]:
    """All that can be seen in a folder: kinds, modes, owners, times of files, contents, link targets, attributes."""
    found = {".": _facts(folder)} if os.path.lexists(folder) else {}
    for parent, names, others in os.walk(folder):
        for name in (*names, *others):
            path = f"{parent}/{name}"
            found[os.path.relpath(path, folder)] = _facts(path)
    return found


def _facts(path: str) -> tuple[object, ...]:
    facts = os.lstat(path)
    common = (oct(facts.st_mode), facts.st_uid, facts.st_gid)
    if stat.S_ISLNK(facts.st_mode):
        return (*common, facts.st_mtime_ns, os.readlink(path))
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    if stat.S_ISDIR(facts.st_mode):
        return (*common, tuple(sorted(attributes.items())))
    with open(path, "rb") as file:
        content = hashlib.sha256(file.read()).hexdigest()
    return (*common, facts.st_mtime_ns, facts.st_size, content, tuple(sorted(attributes.items())))


def do_anything(folder: str, dice: random.Random, steps: int) -> None:
    """What jobs do to a cached folder, at random; what cannot be done is not."""
    os.makedirs(folder, exist_ok=True)
    for _ in range(steps):
        with suppress(OSError):
            dice.choice(DEEDS)(folder, dice)


def _any(folder: str, dice: random.Random, kind: str) -> str:
    parents = [(parent, names, files) for parent, names, files in os.walk(folder)]
    if kind == "parent":
        return dice.choice(parents)[0]
    paths = [f"{p}/{n}" for p, names, files in parents for n in (names if kind == "folder" else files)]
    return dice.choice(paths) if paths else f"{folder}/none"


def _name(folder: str, dice: random.Random) -> str:
    return f"{_any(folder, dice, 'parent')}/{dice.choice('abcdefgh')}"


def _write(folder: str, dice: random.Random) -> None:
    with open(_name(folder, dice), "wb") as file:
        file.write(dice.randbytes(dice.randrange(5000)))


def _append(folder: str, dice: random.Random) -> None:
    with open(_any(folder, dice, "file"), "ab") as file:
        file.write(b"more")


def _make_folder(folder: str, dice: random.Random) -> None:
    os.mkdir(_name(folder, dice))


def _remove_file(folder: str, dice: random.Random) -> None:
    os.unlink(_any(folder, dice, "file"))


def _remove_folder(folder: str, dice: random.Random) -> None:
    shutil.rmtree(_any(folder, dice, "folder"))


def _renew_folder(folder: str, dice: random.Random) -> None:
    path = _any(folder, dice, "folder")
    shutil.rmtree(path)
    os.mkdir(path)
    with open(f"{path}/new", "w") as file:
        file.write("new")


def _rename(folder: str, dice: random.Random) -> None:
    os.rename(_any(folder, dice, dice.choice(["file", "folder"])), _name(folder, dice))


def _link(folder: str, dice: random.Random) -> None:
    os.link(_any(folder, dice, "file"), _name(folder, dice))


def _symlink(folder: str, dice: random.Random) -> None:
    """Its target is never there: other deeds follow links, and the host is not theirs."""
    os.symlink(dice.choice(["no", "../no", "/dev/null/no"]), _name(folder, dice))


def _change_mode(folder: str, dice: random.Random) -> None:
    os.chmod(_any(folder, dice, dice.choice(["file", "folder"])), dice.choice([0o600, 0o755, 0o4755, 0o777]))


def _change_owner(folder: str, dice: random.Random) -> None:
    os.chown(_any(folder, dice, dice.choice(["file", "folder"])), dice.choice([0, 1000]), 1000, follow_symlinks=False)


def _attribute(folder: str, dice: random.Random) -> None:
    os.setxattr(_any(folder, dice, dice.choice(["file", "folder"])), "user.note", dice.randbytes(4))


DEEDS = (
    [_write] * 5
    + [_append, _make_folder, _make_folder, _make_folder, _remove_file, _remove_folder, _renew_folder]
    + [_rename, _rename, _rename, _link, _symlink, _change_mode, _change_owner, _attribute]
)
