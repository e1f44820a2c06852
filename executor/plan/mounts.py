"""What is mounted where: the job's folders, the operator's `volumes`, the driver's own two paths."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from executor.errors import ExecutorError, JobError, OperatorError
from executor.plan import naming
from executor.plan.caches import plan_caches
from executor.plan.model import BUILD, CONTROL, GITLAB_RUNNER, HELPER, MOUNT, CachePlan, Mount
from executor.plan.volumes import Volume, container_path, is_within, parse_volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.plan.request import Request

HASH_DIGITS = 32


@dataclass(frozen=True)
class Mounts:
    """The mounts of each container of a job, those of all its services are the same; and what becomes of `cache:`."""

    helper: tuple[Mount, ...]
    build: tuple[Mount, ...]
    services: tuple[Mount, ...]
    caches: CachePlan


def plan_mounts(request: Request) -> Mounts:
    """All mounts of the job. Raises `OperatorError` or `JobError` for an entry that cannot be or must not be."""
    runner, host = request.settings.runner, request.host
    shared = _operators_volumes(request)
    caches = plan_caches(request, [*(mount.target for mount in shared), *request.docker.tmpfs])
    builds = Mount(source=host.builds_host_dir, target=runner.builds_dir, mode=_builds_mode(caches))
    work = (builds, *_cache(request, shared))
    binary = [Mount(source=host.gitlab_runner, target=GITLAB_RUNNER, mode="ro")] if host.gitlab_runner else []
    own = [_helper_volume(text) for text in request.settings.helper.volumes]
    return Mounts(
        helper=_distinct((*work, _control(request, HELPER), *binary, *shared, *own)),
        build=_distinct((*work, _control(request, BUILD), *shared)),
        services=_distinct((builds, *shared)),
        caches=caches,
    )


def _builds_mode(caches: CachePlan) -> str:
    """What is mounted there later is to be seen in the containers, which live already."""
    return "rw,rslave" if caches.mode == MOUNT else "rw"


def _control(request: Request, role: str) -> Mount:
    return Mount(source=f"{request.host.job_dir}/{role}/ctl", target=CONTROL, mode="ro")


def _cache(request: Request, shared: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """The folder of `cache:` archives, unless the operator mounts something of his own there, or wants none."""
    target = request.settings.runner.cache_dir
    if request.docker.disable_cache or any(mount.target == target for mount in shared):
        return ()
    return (Mount(source=request.host.cache_host_dir, target=target),)


def _operators_volumes(request: Request) -> tuple[Mount, ...]:
    mounts = (_operators_volume(request, text) for text in request.docker.volumes)
    return tuple(mount for mount in mounts if mount is not None)


def _operators_volume(request: Request, text: str) -> Mount | None:
    """One entry of `volumes`; None where the driver's own folders take its place."""
    volume = _parsed(text)
    target = _target(request, volume)
    runner = request.settings.runner
    if target == runner.builds_dir:
        if volume.source:
            request.warn(f"volumes: {text} is not used: job folders live in builds_dir of [storage] in executor.toml.")
        return None
    if volume.source:
        return Mount(source=volume.source, target=target, mode=volume.mode, volume=not volume.is_bind)
    if request.docker.disable_cache:
        request.warn(f"volumes: {text} is not there: `disable_cache` is set under [runners.docker].")
        return None
    return None if target == runner.cache_dir else _unnamed(request, target, volume.mode)


def _parsed(text: str) -> Volume:
    try:
        return parse_volume(text)
    except ValueError as error:
        raise OperatorError(f"volumes in config.toml: {text!r} cannot be mounted: {error}.") from None


def _target(request: Request, volume: Volume) -> str:
    """Where in the containers: expanded, so the job's author may have had a hand in it."""
    expanded = request.expand(volume.target)
    base = request.host.variables.get("CI_PROJECT_DIR", "")
    blamed: type[ExecutorError] = OperatorError if expanded == volume.target else JobError
    try:
        path = container_path(expanded, base)
        _refuse_reserved(path)
    except ValueError as error:
        raise blamed(f"volumes in config.toml: {volume.target!r} cannot be mounted at {expanded!r}: {error}.") from None
    return path


def _refuse_reserved(path: str) -> None:
    """Nothing may hide what the driver mounts, from above or from within."""
    for own in (CONTROL, GITLAB_RUNNER):
        if is_within(path, own) or is_within(own, path):
            raise ValueError(f"the driver itself needs {own}")


def _unnamed(request: Request, target: str, mode: str) -> Mount:
    """A target alone: storage that lasts for the jobs of this project in this slot."""
    docker = request.docker
    if request.host.slot is None:
        return _temporary_volume(request, target, mode)
    name = f"{_md5(target)}{'-protected' if _is_protected(request) else ''}"
    if docker.cache_dir:
        folder = posixpath.join(docker.cache_dir, f"runner-{_owner(request)}", name)
        return Mount(source=folder, target=target, mode=mode)
    return Mount(
        source=f"runner-{_owner(request)}-cache-{name}",
        target=target,
        mode=mode,
        volume=True,
        labels=naming.common_labels(request, "cache") | _volume_labels(request, target, reusable=True),
        driver=docker.volume_driver,
        driver_options=docker.volume_driver_ops,
    )


def _temporary_volume(request: Request, target: str, mode: str) -> Mount:
    return Mount(
        source=f"{naming.job_prefix(request)}-cache-{_md5(target)}",
        target=target,
        mode=mode,
        volume=True,
        temporary=True,
        labels=naming.job_labels(request, "cache", "volume") | _volume_labels(request, target, reusable=False),
        driver=request.docker.volume_driver,
        driver_options=request.docker.volume_driver_ops,
    )


def _volume_labels(request: Request, target: str, *, reusable: bool) -> dict[str, str]:
    return {
        f"{naming.GITLAB}destination": target,
        f"{naming.GITLAB}protected": str(_is_protected(request)).lower(),
        f"{naming.GITLAB}reusable": str(reusable).lower(),
    }


def _is_protected(request: Request) -> bool:
    """Jobs of protected refs have storage of their own, and so have caches that GitLab names so."""
    job = request.job
    return job.protected or any(cache.key.endswith("-protected") for cache in job.caches)


def _owner(request: Request) -> str:
    """Who shares unnamed volumes: the jobs of one project, on one runner, in one slot."""
    owner = f"{request.settings.runner.short_token}-{request.job.project_id}-{request.host.slot}"
    import hashlib

    return hashlib.sha256(owner.encode()).hexdigest()[:HASH_DIGITS]


def _md5(target: str) -> str:
    import hashlib

    return hashlib.md5(target.encode(), usedforsecurity=False).hexdigest()


def _helper_volume(text: str) -> Mount:
    """An entry of `volumes` in [helper] of executor.toml: no expansion, host paths alone."""
    try:
        volume = parse_volume(text)
        target = container_path(volume.target, "")
        _refuse_reserved(target)
    except ValueError as error:
        raise OperatorError(f"volumes of [helper] in executor.toml: {text!r} cannot be mounted: {error}.") from None
    if not volume.is_bind:
        raise OperatorError(f"volumes of [helper] in executor.toml: {text!r} has no host path.")
    return Mount(source=volume.source, target=target, mode=volume.mode)


def _distinct(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """Docker takes one mount a path; two entries for one are a slip that nobody should have to guess about."""
    seen: set[str] = set()
    for mount in mounts:
        if mount.target in seen:
            raise OperatorError(
                f"Two volumes are mounted at {mount.target}.",
                cause="`volumes` in config.toml or executor.toml names the path twice, or does after expansion.",
            )
        seen.add(mount.target)
    return mounts
