"""Whose the sources are: open to all users, or, where the job asks for it, the build container's user's."""

from __future__ import annotations

from executor.plan.model import Handover
from executor.plan.volumes import container_path, is_within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.plan.request import Request

FLAG = "FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR"
MARK = ".virida-executor-owner"


def plan_handover(request: Request) -> Handover | None:
    """What changes hands under the flag. The job can forge the place: nothing outside `builds_dir` does."""
    if not request.feature(FLAG):
        return None
    base = container_path(request.settings.runner.builds_dir, "")
    try:
        project = container_path(request.host.variables.get("CI_PROJECT_DIR", ""), "")
    except ValueError:
        project = base
    if project == base or not is_within(project, base):
        request.warn(f"{FLAG} has no effect: CI_PROJECT_DIR is no folder below {base}.")
        return None
    return Handover(project_dir=project, mark=f"{base}/{MARK}")
