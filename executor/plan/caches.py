"""How the job's caches are kept: as layers that are mounted, as layers that are copied, or in the runner's archives."""

from __future__ import annotations

from executor.plan.model import ARCHIVE, COPY, MOUNT, CachePlan
from executor.plan.volumes import container_path, is_within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.plan.request import Request
    from executor.settings.model import Settings

# The type of `[runners.cache]` whose bucket the driver shares caches through, as layers.
BUCKET = "s3"


def plan_caches(request: Request, targets: Iterable[str]) -> CachePlan:
    """The decision, with its reason. `targets` are the paths in the containers where the operator mounts something."""
    if not any(cache.paths or cache.untracked for cache in request.job.caches):
        return CachePlan()
    project, builds = request.host.project_dir, container_path(request.settings.runner.builds_dir, "")
    if why := _why_archives(request, targets, builds):
        return CachePlan(mode=ARCHIVE, why=why)
    mode = COPY if request.host.cache_obstacle else MOUNT
    return CachePlan(
        mode=mode,
        why=request.host.cache_obstacle,
        store=request.host.cache_store,
        prefix=project[len(builds) :].strip("/"),
        bucket=has_bucket(request.settings),
    )


def has_bucket(settings: Settings) -> bool:
    """Whether `[runners.cache]` names a bucket that the driver can use."""
    from executor.settings.buckets import is_usable

    return settings.runner.cache.type == BUCKET and is_usable(settings.runner.cache.s3)


def _why_archives(request: Request, targets: Iterable[str], builds: str) -> str:
    """Why the runner's own archives are used; "" where the driver may keep the caches itself."""
    settings, host = request.settings, request.host
    own = [target for target in targets if is_within(target, builds) or target == settings.runner.cache_dir]
    if settings.cache.mode == ARCHIVE:
        return "executor.toml says so"
    if settings.runner.cache.type and not has_bucket(settings):
        return f"[runners.cache] is of type {settings.runner.cache.type}, in a way that only the runner knows"
    if settings.docker.disable_cache:
        return "disable_cache is set"
    if not host.cache_store:
        return "the driver does not run as root"
    if own:
        return f"the operator mounts {own[0]}"
    if not is_within(host.project_dir, builds):
        return "it is not known where the project lies: CI_PROJECT_DIR was overwritten"
    return ""
