"""Caches of jobs: the store on this host, and the object store behind the runner's own archives."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from executor.doctor import s3
from executor.doctor.checks.words import size
from executor.doctor.model import Repair, Skip, Verdict, check, error, note, passed, warning
from executor.doctor.web import Unreachable

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

ARCHIVES = "archive"
KINDS = ("", "s3", "gcs", "azure")
FULL = 1.1
# What trying takes, with some to spare.
LEAST_ROOM, LEAST_INODES = 1024 * 1024, 50
SLOWER = "Caches are copied into jobs instead of mounted (about 60 times slower)."
# What S3 says, and whether it is the key, the clock or the bucket.
REFUSALS = {
    "InvalidAccessKeyId": ("does not know the access key", "renew AccessKey and SecretKey"),
    "SignatureDoesNotMatch": ("does not accept the secret key", "renew AccessKey and SecretKey"),
    "RequestTimeTooSkewed": ("finds this host's clock wrong", "timedatectl set-ntp true"),
    "NoSuchBucket": ("has no such bucket", "make the bucket, or correct BucketName"),
    "AccessDenied": ("lets this key read nothing there", "give the key s3:GetObject and s3:PutObject on the bucket"),
    "ExpiredToken": ("finds the session token expired", "renew SessionToken"),
    "InvalidToken": ("does not accept the session token", "renew SessionToken"),
    "AllAccessDisabled": ("has disabled the bucket", "enable the bucket"),
    "AccountProblem": ("has a problem with the account", "see the account at the provider"),
}


@check("cache.filesystem.split", "Caches and builds are on one file system")
def split(scene: Scene) -> Verdict:
    """A layer can only become part of a job on the file system of its folder."""
    _mounted(scene)
    store, builds = scene.world.space(scene.cache_store), scene.world.space(scene.builds_dir)
    if not store or not builds:
        raise Skip("the folders cannot be looked at")
    if store.device == builds.device:
        return passed()
    own = scene.settings.storage.builds_dir
    key = "store under [cache]" if own else "builds_dir under [storage]"
    return warning(
        f"The store is at {_place(scene, scene.cache_store)}, job folders are at {_place(scene, scene.builds_dir)}.",
        expected="one file system for both",
        why=SLOWER,
        fix=f"set {key} in executor.toml to a folder on the other's file system",
    )


@check("cache.mount.root", "Caches can be mounted into jobs")
def root(scene: Scene) -> Verdict:
    """Only root may mount; others get their caches all the same."""
    _mounted(scene)
    if scene.account.uid == 0:
        return passed()
    return note(
        f"gitlab-runner runs as {scene.account.name}, and only root may mount.",
        why=SLOWER,
        fix="run the service as root, where that is acceptable",
    )


@check("cache.mount.overlay", "The kernel mounts caches as overlays")
def overlay(scene: Scene) -> Verdict:
    """Tried for a moment, beside the folders."""
    _mounted(scene)
    if scene.account.uid != 0:
        raise Skip("only root may mount")
    store, builds = (_existing(path) for path in (scene.cache_store, scene.builds_dir))
    if os.stat(store).st_dev != os.stat(builds).st_dev or not os.access(store, os.W_OK):
        raise Skip("caches and builds are not on one file system that can be written")
    room = scene.world.space(builds)
    if room and (room.free < LEAST_ROOM or (room.inodes and room.inodes_free < LEAST_INODES)):
        raise Skip("there is no room to try")
    problem = scene.world.overlay_problem(store, builds)
    if problem is None:
        raise Skip("only root can try")
    if not problem:
        return passed()
    return warning(
        problem,
        expected="a file system that overlays can lie on, such as ext4 or xfs",
        why=SLOWER,
        fix="put state_dir (executor.toml, [storage]) on a disk with ext4 or xfs",
    )


@check("cache.store.mode", "Nobody but the driver may change caches")
def store_mode(scene: Scene) -> Verdict:
    """Owner and mode of the store."""
    _mounted(scene)
    path = scene.cache_store
    if not os.path.lexists(path):
        raise Skip("there is no store yet")
    if not os.path.isdir(path):
        return error(
            f"{path} is not a folder.", expected="a folder", why="No cache is kept.", fix=f"mv {path} {path}.old"
        )
    status = os.stat(path)
    if status.st_uid != scene.account.uid:
        return warning(
            f"{path} belongs to uid {status.st_uid}, not to {scene.account.name}.",
            expected=f"owned by {scene.account.name}",
            why="Caches are not kept, or somebody else can plant code in jobs.",
            fix=f"chown -R {scene.account.name} {path}",
        )
    if not status.st_mode & 0o077:
        return passed()
    return warning(
        f"{path} is {stat.S_IMODE(status.st_mode):04o}.",
        expected="0700",
        why="Other users of this host can read what projects cache, or plant code in jobs.",
        fix=f"chmod 700 {path}",
        repair=Repair(what=f"chmod 700 {path}", do=lambda: os.chmod(path, 0o700)),
    )


@check("cache.store.writable", "The driver can keep caches")
def store_writable(scene: Scene) -> Verdict:
    """Where the store is set by hand."""
    _mounted(scene)
    path = scene.settings.cache.store
    if not path:
        raise Skip("the store is in the state folder")
    place = _existing(path)
    if scene.world.may(place, os.W_OK | os.X_OK):
        return passed(path)
    return error(
        f"{scene.account.name} may not write in {place} ([cache] store).",
        expected=f"a folder of {scene.account.name}",
        why="No cache is kept: jobs fetch everything anew.",
        fix=f"install -d -m 700 -o {scene.account.name} {path}",
    )


@check("cache.store.quota", "The quota of caches fits on their disk")
def quota(scene: Scene) -> Verdict:
    """A quota above the disk's size bounds nothing."""
    from executor.settings.units import parse_bytes

    _mounted(scene)
    written = scene.settings.cache.quota
    space = scene.world.space(scene.cache_store)
    if not written or not space:
        raise Skip("caches have no quota" if space else "the folder cannot be looked at")
    bound = parse_bytes(written)
    if scene.settings.executor_file and bound > space.total and written != "20g":
        return warning(
            f'[cache] quota = "{written}", and the whole disk has {size(space.total)}.',
            expected="less than the disk",
            why="The disk is full before any cache goes: jobs fail with `no space left on device`.",
            fix=f'set quota = "{max(1, space.total // 4 // 1024**3)}g" under [cache] in executor.toml',
        )
    used = _kept_bytes(scene.cache_store)
    if used <= bound * FULL:
        return passed(f"{size(used)} of {written}")
    return warning(
        f"Caches take {size(used)}, more than their quota of {written}.",
        expected="what was used least recently goes after each job",
        why="The disk fills up; collecting has failed or is cut off each time.",
        fix=f"executor cache gc --config {scene.config}",
    )


@check("cache.store.whole", "Every cache that is kept is whole")
def whole(scene: Scene) -> Verdict:
    """Pointers that can be read, to layers that are there; `executor cache verify` compares the content as well."""
    _mounted(scene)
    broken = sum(_broken(folder) for folder in _entries(scene.cache_store) if os.path.isdir(f"{folder}/keys"))
    if not broken:
        return passed()
    return warning(
        f"Damaged caches in {scene.cache_store}: {broken}. Their pointers cannot be read, or layers are missing.",
        expected="pointers and layers as the driver has written them",
        why="Jobs begin without these caches.",
        fix=f"executor cache verify --config {scene.config}",
    )


def _broken(folder: str) -> int:
    """How many caches of one runner lead nowhere."""
    from executor.cache.store.records import Records

    records = Records(folder)
    whole_ones = [
        snapshot
        for snapshot in records.snapshots()
        if all(os.path.isdir(f"{folder}/l/{layer}") for layer in snapshot.layers)
    ]
    return len(list(records.pointer_files())) - len(whole_ones)


@check("cache.archives.kind", "The runner's own caches are of a kind that it knows")
def kind(scene: Scene) -> Verdict:
    """`Type` of [runners.cache]."""
    named = str(_section(scene).get("type") or "")
    if named not in KINDS:
        return error(
            f"Type = {named!r} in [runners.cache].",
            expected="s3, gcs or azure",
            why="gitlab-runner cannot store caches: every job begins without.",
            fix=f"editor {scene.config}   # Type under [runners.cache]",
        )
    return passed(named or "on this host")


@check("cache.s3.settings", "Access to the object store is complete")
def s3_settings(scene: Scene) -> Verdict:
    """Bucket, and both keys or none."""
    bucket = _s3(scene)
    missing = [] if bucket.get("bucketname") else ["BucketName"]
    keys = [bool(bucket.get("accesskey")), bool(bucket.get("secretkey"))]
    if any(keys) and not all(keys):
        missing.append("SecretKey" if keys[0] else "AccessKey")
    if not missing:
        return passed()
    return error(
        f"{' and '.join(missing)} of [runners.cache.s3] {'is' if len(missing) == 1 else 'are'} missing.",
        expected="BucketName, and AccessKey with SecretKey",
        why="gitlab-runner can neither fetch nor store a cache: every job begins without.",
        fix=f"editor {scene.config}   # {missing[0]} under [runners.cache.s3]",
    )


@check("cache.s3.reachable", "The object store answers")
def s3_reachable(scene: Scene) -> Verdict:
    """From this host."""
    bucket = _complete_s3(scene)
    try:
        _s3_answer(scene)
    except Unreachable as trouble:
        return error(
            f"The object store {s3.host(bucket)} cannot be reached: {trouble.text}.",
            expected="an answer within 2 s",
            why="Every job begins without its cache, after waiting for it.",
            fix=(f"curl -v https://{s3.host(bucket)}/", f"editor {scene.config}   # ServerAddress"),
        )
    return passed(s3.host(bucket))


@check("cache.s3.access", "The object store lets this runner in")
def s3_access(scene: Scene) -> Verdict:
    """A signed question for an object that is not there."""
    bucket = _complete_s3(scene)
    if not bucket.get("accesskey"):
        raise Skip("the keys come from the host (IAM)")
    try:
        answer = _s3_answer(scene)
    except Unreachable:
        raise Skip("the object store does not answer") from None
    code = s3.code_of(answer)
    if answer.status < 400 or code == "NoSuchKey" or (answer.status == 404 and code not in REFUSALS):
        return passed()
    says, fix = REFUSALS.get(code, (f"answers {answer.status} {code}".rstrip(), "see the object store's own log"))
    return error(
        f"The object store {s3.host(bucket)} {says}.",
        expected="leave to read and write in the bucket",
        why="Every job begins without its cache, and cannot store it.",
        fix=fix if fix.startswith("timedatectl") else f"{fix}: [runners.cache.s3] in {scene.config}",
    )


def _mounted(scene: Scene) -> None:
    """Skip where caches are not kept as layers."""
    if scene.settings.cache.mode == ARCHIVES or scene.settings.docker.disable_cache:
        raise Skip("caches are the runner's own archives")
    if _section(scene, missing_ok=True).get("type"):
        raise Skip("caches are in an object store")


def _section(scene: Scene, *, missing_ok: bool = False) -> dict[str, Any]:
    """`[runners.cache]`, its keys in lower case."""
    try:
        return _lowered(scene.section.get("cache"))
    except Skip:
        if missing_ok:
            return {}
        raise


def _s3(scene: Scene) -> dict[str, Any]:
    section = _section(scene)
    if section.get("type") != "s3":
        raise Skip("caches are not in S3")
    return _lowered(section.get("s3"))


def _complete_s3(scene: Scene) -> dict[str, Any]:
    bucket = _s3(scene)
    if not bucket.get("bucketname") or bool(bucket.get("accesskey")) != bool(bucket.get("secretkey")):
        raise Skip("access to it is not complete")
    return bucket


def _s3_answer(scene: Scene) -> Any:
    bucket = _complete_s3(scene)
    return scene.facts.once("s3", lambda: scene.fetch(s3.question(bucket, scene.world.now())))


def _lowered(table: Any) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in table.items()} if isinstance(table, dict) else {}


def _kept_bytes(store: str) -> int:
    """What the layers of the fullest runner take."""
    from executor.cache.store.records import Records

    folders = [folder for folder in _entries(store) if os.path.isdir(f"{folder}/meta")]
    return max((sum(layer.bytes for layer in Records(folder).layers()) for folder in folders), default=0)


def _entries(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return []


def _existing(path: str) -> str:
    while path not in ("", "/") and not os.path.exists(path):
        path = os.path.dirname(path)
    return path or "/"


def _place(scene: Scene, path: str) -> str:
    mount = scene.world.mount(path)
    return f"{path} ({mount.kind} at {mount.target})" if mount else path
