"""Disks and folders that jobs fill."""

from __future__ import annotations

import contextlib
import glob
import os
from typing import TYPE_CHECKING

from executor.doctor.checks.words import size
from executor.doctor.model import Repair, Skip, Verdict, check, error, passed, warning

if TYPE_CHECKING:
    from executor.doctor.scene import Scene
    from executor.doctor.world import Space

GIB = 1024**3
# Free space: an absolute amount, and a share for disks that are small altogether.
LITTLE_SPACE, LITTLE_SHARE = 5 * GIB, 0.10
NO_SPACE, NO_SHARE = GIB, 0.02
LITTLE_INODES, NO_INODES = 0.05, 0.01
OLD_SECONDS = 172_800
STICKY_OPEN = 0o1777
CLEAN_UP = ("executor gc --older-than 7d", "docker system df", "docker image prune   # images without a name")
_NO_TMP = "gitlab-runner makes a folder there for every attempt at a job: each fails before the driver is called."


def folders(scene: Scene) -> dict[str, str]:
    """The folders that jobs fill, by what they are."""
    found = {
        "state": scene.state_dir,
        "builds": scene.builds_dir,
        "archives": scene.cache_dir,
        "caches": scene.cache_store,
        "the runner's TMPDIR": scene.temporary_dir,
    }
    with contextlib.suppress(Skip):
        found["Docker's data"] = scene.docker_root
    return found


@check("host.disk.space", "There is room where jobs work")
def disk_space(scene: Scene) -> Verdict:
    """Of each file system once."""
    worst, low = "ok", []
    for path, users, space in _file_systems(scene):
        if space.free < min(NO_SPACE, space.total * NO_SHARE):
            worst = "error"
        elif space.free < min(LITTLE_SPACE, space.total * LITTLE_SHARE):
            worst = "error" if worst == "error" else "warning"
        else:
            continue
        low.append(f"{size(space.free)} of {size(space.total)} left at {path} ({users})")
    if not low:
        return passed()
    verdict = error if worst == "error" else warning
    return verdict(
        "; ".join(low) + ".",
        expected=f"{size(LITTLE_SPACE)}, or a tenth of a small disk",
        why="`no space left on device`: pulls, clones, caches and builds fail half way.",
        fix=CLEAN_UP,
    )


@check("host.disk.inodes", "There are inodes left where jobs work")
def disk_inodes(scene: Scene) -> Verdict:
    """A disk with room can be full all the same: of files."""
    worst, low = "ok", []
    for path, users, space in _file_systems(scene):
        share = space.inodes_free / space.inodes if space.inodes else 1.0
        if share < LITTLE_INODES:
            worst = "error" if share < NO_INODES or worst == "error" else "warning"
            low.append(f"{space.inodes_free} of {space.inodes} inodes left at {path} ({users})")
    if not low:
        return passed()
    verdict = error if worst == "error" else warning
    return verdict(
        "; ".join(low) + ".",
        expected="5 % or more",
        why="`no space left on device` with room on the disk: no file can be made.",
        fix=("executor gc --older-than 7d", "du --inodes -x -d2 / | sort -n | tail   # where the files are"),
    )


@check("host.disk.readonly", "The file systems that jobs work on can be written")
def disk_readonly(scene: Scene) -> Verdict:
    """A disk with errors is mounted anew, read-only."""
    for use, path in folders(scene).items():
        mount = scene.world.mount(path)
        if mount and "ro" in mount.options:
            return _readonly(use, path, mount.target)
    return passed()


def _readonly(use: str, path: str, target: str) -> Verdict:
    return error(
        f"{target} is mounted read-only; {path} ({use}) is on it.",
        expected="a mount that can be written",
        why="Nothing can be made there: every job fails in prepare.",
        fix=("dmesg | tail -50   # errors of the disk?", f"mount -o remount,rw {target}"),
    )


@check("host.disk.noexec", "Programs may be run from where jobs work")
def disk_noexec(scene: Scene) -> Verdict:
    """Containers inherit the option with the mounted folder."""
    for use, path in folders(scene).items():
        mount = scene.world.mount(path)
        # No program ever lies in the state folder itself.
        if mount and "noexec" in mount.options and path != scene.state_dir:
            temporary = path == scene.temporary_dir
            return (warning if temporary else error)(
                f"{mount.target} is mounted noexec; {path} ({use}) is on it.",
                expected="a mount with exec",
                why="Wrappers that gitlab-runner or you put there do not run."
                if temporary
                else "Jobs cannot run programs that they build: `permission denied`.",
                fix=f"mount -o remount,exec {mount.target}   # and in /etc/fstab",
            )
    return passed()


@check("host.tmp.leftovers", "The runner's folders for jobs go with the jobs")
def tmp_leftovers(scene: Scene) -> Verdict:
    """What a killed runner leaves; each holds a job's variables."""
    found = [path for path in glob.glob(f"{scene.temporary_dir}/custom-executor*") if _is_old(scene, path)]
    if not found:
        return passed()
    return warning(
        f"{len(found)} folders of jobs of two days ago or before are left: {found[0]}"
        f"{' ...' if len(found) > 1 else ''}.",
        expected="none older than two days",
        why="They hold the variables and tokens of those jobs, and take room.",
        fix=f"find {scene.temporary_dir} -maxdepth 1 -name 'custom-executor*' -mtime +1 -exec rm -r {{}} +",
    )


def _is_old(scene: Scene, path: str) -> bool:
    return scene.world.now() - scene.world.modified(path) > OLD_SECONDS


@check("host.tmp.writable", "The runner can make its folders for jobs")
def tmp_writable(scene: Scene) -> Verdict:
    """TMPDIR of the service, else /tmp."""
    path = scene.temporary_dir
    if not os.path.isdir(path):
        found = f"TMPDIR of the service is {path}, which is not there."
        fix = f"mkdir -p -m 1777 {path}"
        return error(
            found,
            expected="a folder",
            why=_NO_TMP,
            fix=f"{fix}   # or unset TMPDIR",
            repair=None if os.path.lexists(path) else Repair(what=fix, do=lambda: _make_open(path)),
        )
    if not scene.world.may(path, os.W_OK | os.X_OK):
        return _closed_tmp(scene, path)
    loose = os.stat(path).st_mode
    if loose & 0o002 and not loose & 0o1000:
        return warning(
            f"{path} is {loose & 0o7777:04o}: every user may replace the files of others.",
            expected="1777",
            why="The runner's scripts lie there, with the jobs' secrets.",
            fix=f"chmod 1777 {path}",
            repair=Repair(what=f"chmod 1777 {path}", do=lambda: os.chmod(path, STICKY_OPEN)),
        )
    return passed(path)


def _make_open(path: str) -> None:
    os.makedirs(path)
    os.chmod(path, STICKY_OPEN)


def _closed_tmp(scene: Scene, path: str) -> Verdict:
    shared = path in ("/tmp", "/var/tmp")  # noqa: S108 (compared only)
    repair = Repair(what=f"chmod 1777 {path}", do=lambda: os.chmod(path, STICKY_OPEN)) if shared else None
    return error(
        f"{scene.account.name} may not write in {path} ({os.stat(path).st_mode & 0o7777:04o}).",
        expected="1777" if shared else f"a folder of {scene.account.name}",
        why=_NO_TMP,
        fix=f"chmod 1777 {path}" if shared else f"chown {scene.account.name} {path}",
        repair=repair,
    )


def _file_systems(scene: Scene) -> list[tuple[str, str, Space]]:
    """Each file system that jobs fill: a path on it, what uses it, and its room."""
    found: dict[int, tuple[str, list[str], Space]] = {}
    for use, path in folders(scene).items():
        space = scene.world.space(path)
        if space and space.total:
            found.setdefault(space.device, (path, [], space))[1].append(use)
    return [(path, ", ".join(users), space) for path, users, space in found.values()]
