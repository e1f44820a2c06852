"""The driver's own folders: state, sources, records."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from typing import TYPE_CHECKING

from executor.doctor.model import Repair, Skip, Verdict, check, error, note, passed, warning
from executor.errors import ExecutorError
from executor.settings.folders import audit_file

if TYPE_CHECKING:
    from sqlite3 import Connection

    from executor.doctor.scene import Scene
    from executor.sandbox.garbage import Garbage

PRIVATE = 0o700
SLOW_KINDS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "vboxsf")
PASSING_KINDS = ("tmpfs", "ramfs")
MOST_NAMED = 3


@check("state.folder.writable", "The account that runs jobs can keep its state")
def folder_writable(scene: Scene) -> Verdict:
    """The folder, or where it will be made."""
    path = scene.state_dir
    if os.path.lexists(path) and not os.path.isdir(path):
        return error(
            f"The state folder {path} is not a folder.",
            expected="a folder",
            why="Nothing can be noted of a job: each fails in config.",
            fix=f"mv {path} {path}.old",
        )
    place = _existing(path)
    if scene.world.may(place, os.W_OK | os.X_OK):
        return passed(path)
    _require_writable_mount(scene, place)
    own = place == path
    return error(
        f"{scene.account.name} may not write in {place}{'' if own else f', where {path} is to be made'}.",
        expected=f"a folder of {scene.account.name}",
        why="Nothing can be noted of a job: each fails in config.",
        fix=f"chown -R {scene.account.name} {path}" if own else f"install -d -m 700 -o {scene.account.name} {path}",
    )


@check("state.folder.mode", "Nobody else may look into the state folder")
def folder_mode(scene: Scene) -> Verdict:
    """0700, and so its folder of jobs."""
    paths = [path for path in (scene.state_dir, f"{scene.state_dir}/jobs") if os.path.isdir(path)]
    if not paths:
        raise Skip("there is no state folder yet")
    loose = [path for path in paths if stat.S_IMODE(os.stat(path).st_mode) & 0o077]
    if not loose:
        return passed()
    path = loose[0]
    return warning(
        f"{path} is {stat.S_IMODE(os.stat(path).st_mode):04o}.",
        expected="0700",
        why="Other users of this host can reach into running jobs and their sources.",
        fix=f"chmod 700 {' '.join(loose)}",
        repair=Repair(what=f"chmod 700 {' '.join(loose)}", do=lambda: _close(loose)),
    )


@check("state.folder.owner", "The driver's folders belong to the account that runs jobs")
def folder_owner(scene: Scene) -> Verdict:
    """A call as another user leaves files that the service cannot use."""
    _require_state(scene)
    entries = [scene.state_dir, *_entries(scene.state_dir)]
    foreign = [path for path in entries if _uid(path) not in (None, scene.account.uid)]
    if not foreign:
        return passed()
    verdict = warning if scene.account.uid == 0 else error
    return verdict(
        f"{foreign[0]} belongs to uid {_uid(foreign[0])}, not to {scene.account.name}"
        f"{f', and {len(foreign) - 1} more' if len(foreign) > 1 else ''}.",
        expected=f"all of {scene.state_dir} owned by {scene.account.name}",
        why="The service cannot write there, or another account can: jobs fail, or are not safe from it.",
        fix=f"chown -R {scene.account.name} {scene.state_dir}",
    )


@check("state.folder.filesystem", "The state folder is on a disk of this host")
def folder_filesystem(scene: Scene) -> Verdict:
    """Not on the network, not in memory."""
    mount = scene.world.mount(scene.state_dir)
    if not mount or mount.kind not in (*SLOW_KINDS, *PASSING_KINDS):
        return passed(mount.kind if mount else "")
    passing = mount.kind in PASSING_KINDS
    if passing:
        return note(
            f"The state folder {scene.state_dir} is in memory ({mount.kind} at {mount.target}).",
            why="After a reboot kept sources and records are gone.",
            fix="set state_dir under [storage] in executor.toml",
        )
    return warning(
        f"The state folder {scene.state_dir} is on {mount.kind} ({mount.target}).",
        expected="ext4, xfs or another disk of this host",
        why="Locks and FIFOs of jobs are slow there, or do not work for root.",
        fix="set state_dir under [storage] in executor.toml",
    )


@check("state.folders.distinct", "Builds, caches and state have folders of their own")
def folders_distinct(scene: Scene) -> Verdict:
    """Two uses of one folder destroy each other's things."""
    uses = {
        "state_dir": scene.state_dir,
        "builds_dir": scene.builds_dir,
        "cache_dir": scene.cache_dir,
        "store": scene.cache_store,
    }
    seen: dict[str, str] = {}
    for key, path in uses.items():
        other = seen.setdefault(os.path.realpath(path), key)
        if other != key:
            return error(
                f"{other} and {key} are both {path}.",
                expected="a folder for each",
                why="The driver removes what it does not know there: sources or caches of other jobs.",
                fix="editor executor.toml   # leave one of the two out",
            )
    return passed()


@check("state.builds.writable", "The account that runs jobs can make folders for sources and caches")
def builds_writable(scene: Scene) -> Verdict:
    """`builds_dir`, `cache_dir` of [storage]."""
    for key, path in (("builds_dir", scene.builds_dir), ("cache_dir", scene.cache_dir)):
        if path.startswith(f"{scene.state_dir}/") and not os.path.isdir(path):
            continue
        if path.startswith(f"{scene.state_dir}/"):
            _require_state(scene)
        place = _existing(path)
        if not os.path.isdir(place) or not scene.world.may(place, os.W_OK | os.X_OK):
            _require_writable_mount(scene, place)
            return error(
                f"{scene.account.name} may not write in {place} ({key}).",
                expected=f"a folder of {scene.account.name}",
                why="No job gets a folder for its sources: each fails in prepare.",
                fix=f"install -d -m 700 -o {scene.account.name} {path}",
            )
    return passed()


@check("state.builds.mode", "Nobody else may put things among sources and caches")
def builds_mode(scene: Scene) -> Verdict:
    """Where they lie outside of the state folder, which is private."""
    for path in (scene.builds_dir, scene.cache_dir):
        inside = path.startswith(f"{scene.state_dir}/")
        if not inside and os.path.isdir(path) and os.stat(path).st_mode & 0o002:
            return warning(
                f"{path} is {stat.S_IMODE(os.stat(path).st_mode):04o}.",
                expected="0700",
                why="Other users of this host can plant code in jobs.",
                fix=f"chmod 700 {path}",
                repair=_private(path),
            )
    return passed()


def _private(path: str) -> Repair:
    return Repair(what=f"chmod 700 {path}", do=lambda: os.chmod(path, PRIVATE))


@check("state.builds.filesystem", "Sources lie on a disk of this host")
def builds_filesystem(scene: Scene) -> Verdict:
    """Not on the network."""
    mount = scene.world.mount(scene.builds_dir)
    if not mount or mount.kind not in SLOW_KINDS:
        return passed(mount.kind if mount else "")
    if mount == scene.world.mount(scene.state_dir):
        raise Skip("the state folder is there as well")
    return warning(
        f"{scene.builds_dir} is on {mount.kind} ({mount.target}).",
        expected="ext4, xfs or another disk of this host",
        why="Clones and builds are many times slower, and jobs may not own their files.",
        fix="set builds_dir under [storage] in executor.toml",
    )


@check("state.leftovers", "Nothing is left over of dead jobs")
def leftovers(scene: Scene) -> Verdict:
    """What `executor gc` would remove."""
    scene.answering_version()
    if crowd := _crowd(scene):
        return crowd
    try:
        found = scene.world.garbage(scene.settings, scene.endpoint)
    except PermissionError:
        raise Skip("the state folder is closed to this account") from None
    except ExecutorError:
        raise Skip("the Docker Engine does not tell") from None
    if not found:
        return passed()
    named = ", ".join(f"{one.kind} {os.path.basename(one.path)}" for one in found[:MOST_NAMED])
    things = sum(len(one.things) for one in found)
    return warning(
        f"Left over: {named}{' and more' if len(found) > MOST_NAMED else ''} "
        f"({len(found)} with {things} containers, networks and volumes).",
        expected="nothing of jobs that no longer live",
        why="They take memory, disk and addresses from the jobs to come.",
        fix=f"executor gc --config {scene.config}",
        repair=Repair(
            what=f"executor gc: remove {named}{' and more' if len(found) > MOST_NAMED else ''}",
            do=lambda: _remove(found, scene.world.now()),
        ),
    )


def _crowd(scene: Scene) -> Verdict | None:
    """Many dead jobs: to ask the Engine for the things of each takes too long."""
    from executor.sandbox.janitor import MOST_AT_ONCE, dead_jobs

    dead = dead_jobs(scene.state_dir) if os.access(scene.state_dir, os.R_OK | os.X_OK) else []
    if len(dead) <= MOST_AT_ONCE:
        return None
    return warning(
        f"{len(dead)} dead jobs are left over.",
        expected="nothing of jobs that no longer live",
        why="They take memory, disk and addresses from the jobs to come.",
        fix=f"executor gc --config {scene.config}",
    )


@check("state.version", "What is noted of jobs is of this version")
def version(scene: Scene) -> Verdict:
    """An update while jobs run."""
    from executor.sandbox.state import VERSION, load_of_any_version

    foreign, broken = [], []
    for folder in _entries(f"{scene.state_dir}/jobs"):
        try:
            if load_of_any_version(folder).get("version") != VERSION:
                foreign.append(os.path.basename(folder))
        except ExecutorError:
            if os.path.exists(f"{folder}/state.json") and not os.path.exists(f"{folder}/ended"):
                broken.append(os.path.basename(folder))
    if not foreign and not broken:
        return passed()
    which, what = (foreign, "by another version") if foreign else (broken, "in a way that cannot be read")
    return warning(
        f"State of {len(which)} jobs was written {what}: {', '.join(which[:MOST_NAMED])}.",
        expected=f"version {VERSION}",
        why="These jobs end with a system failure at their next stage.",
        fix=("retry them in GitLab", f"executor gc --config {scene.config}   # once they have ended"),
    )


@check("state.audit.writable", "It can be noted which jobs were allowed")
def audit_writable(scene: Scene) -> Verdict:
    """The audit log."""
    if not scene.settings.audit.enabled:
        raise Skip("[audit] is off")
    path = audit_file(scene.settings)
    if path.startswith(f"{scene.state_dir}/"):
        _require_state(scene)
    if path.startswith(f"{scene.state_dir}/") and not os.path.isdir(scene.state_dir):
        raise Skip("there is no state folder yet")
    problem = _unwritable(scene, path)
    if problem:
        return warning(
            problem,
            expected=f"a file that {scene.account.name} alone may write",
            why="Nobody can tell later which jobs ran here with which rights; every job warns of it.",
            fix=f"rm -r {path}" if os.path.isdir(path) else f"chown {scene.account.name} {path} && chmod 600 {path}",
        )
    if os.path.exists(path) and os.stat(path).st_mode & 0o077:
        return warning(
            f"{path} is {stat.S_IMODE(os.stat(path).st_mode):04o}.",
            expected="0600",
            why="Other users of this host can read or change who ran what.",
            fix=f"chmod 600 {path}",
            repair=Repair(what=f"chmod 600 {path}", do=lambda: os.chmod(path, 0o600)),
        )
    return passed(path)


def _unwritable(scene: Scene, path: str) -> str:
    if os.path.isdir(path):
        return f"The audit log {path} is a folder."
    place = path if os.path.exists(path) else os.path.dirname(path)
    if not os.path.exists(place):
        return f"The folder of the audit log {path} is not there."
    if place != path and place == scene.state_dir:
        return ""
    return "" if scene.world.may(place, os.W_OK) else f"{scene.account.name} may not write the audit log {path}."


@check("state.history", "The history of jobs can be read")
def history(scene: Scene) -> Verdict:
    """Opened without writing."""
    from executor.usage.history.file import history_file

    path = history_file(scene.state_dir)
    if not os.path.exists(path):
        raise Skip("there is no history yet")
    problem = _history_problem(path)
    if not problem:
        return passed(path)
    newer = "newer" in problem
    return warning(
        problem,
        expected="a history of this version",
        why="Jobs are not compared with earlier ones, and limits are not suggested.",
        fix="update virida-executor on this host" if newer else f"mv {path} {path}.damaged",
    )


def _history_problem(path: str) -> str:
    import sqlite3

    from executor.usage.history.schema import MIGRATIONS

    try:
        with closing(_opened_to_read(path)) as connection:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            (intact,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as failure:
        return "" if "locked" in str(failure) else f"The history {path} cannot be opened: {failure}."
    except sqlite3.Error as failure:
        return f"The history {path} is damaged: {failure}."
    if found > len(MIGRATIONS):
        return f"The history {path} has version {found}, newer than {len(MIGRATIONS)}, which this driver knows."
    return "" if intact == "ok" else f"The history {path} is damaged: {intact}."


def _opened_to_read(path: str) -> Connection:
    """The database, in a way that makes no files beside it: the service could not write those of root."""
    import sqlite3
    from pathlib import Path

    in_use = os.path.exists(f"{path}-shm")
    options = "mode=ro" if in_use else "mode=ro&immutable=1"
    return sqlite3.connect(f"{Path(path).as_uri()}?{options}", uri=True, timeout=0.5)


@check("state.kept", "Failed jobs that are kept for a look are gone in time")
def kept(scene: Scene) -> Verdict:
    """Worth knowing: they hold memory."""
    from executor.sandbox.keeping import seconds_left

    folders = [folder for folder in _entries(f"{scene.state_dir}/jobs") if (seconds_left(folder) or 0) > 0]
    if not folders:
        return passed()
    return note(
        f"{len(folders)} failed jobs are kept for a look: {', '.join(map(os.path.basename, folders[:MOST_NAMED]))}.",
        fix="executor gc --kept   # where their memory is wanted",
    )


def _close(folders: list[str]) -> None:
    for folder in folders:
        os.chmod(folder, PRIVATE)


def _remove(garbage: list[Garbage], now: float) -> None:
    for one in garbage:
        one.remove(now)


def _require_writable_mount(scene: Scene, place: str) -> None:
    """Skip where the whole file system is read-only: that is told once."""
    mount = scene.world.mount(place)
    if mount and "ro" in mount.options:
        raise Skip(f"{mount.target} is mounted read-only")


def _require_state(scene: Scene) -> None:
    """Skip where the state folder itself is closed: that is told once."""
    if os.path.lexists(scene.state_dir) and not scene.world.may(scene.state_dir, os.W_OK | os.X_OK):
        raise Skip("the state folder itself is closed to the account")


def _existing(path: str) -> str:
    while path not in ("", "/") and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path or "/"


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder))
    except OSError:
        return []


def _uid(path: str) -> int | None:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return None
