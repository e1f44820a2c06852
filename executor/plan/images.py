"""Which image a container gets, and whether the job may have it."""

from __future__ import annotations

from executor import __version__
from executor.errors import ExecutorError, JobError, OperatorError
from executor.plan.globs import matches_any
from executor.plan.model import ImagePlan
from executor.plan.references import normalise_platform, with_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.plan.request import Request

PULL_POLICIES = ("always", "if-not-present", "never")
OWN_HELPER = f"virida-executor/helper:{__version__}"
GITLAB_HELPER = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper"
HELPER_ARCHITECTURES = {"amd64": "x86_64", "386": "x86"}
PLAIN_FLAVOR = "alpine"


def build_image(request: Request) -> ImagePlan:
    """The job's `image:`, else the operator's default."""
    docker = request.docker
    default = request.expand(docker.image)
    name = request.expand(request.job.image.name) or default
    if not name:
        raise JobError(
            "The job names no image and the runner has no default.",
            fix="Add `image:` to the job (or `image` to [runners.docker] in config.toml).",
        )
    if name != default:
        require_allowed(name, docker.allowed_images, "image", "allowed_images")
        if request.rule:
            request.rule.check_image(name)
    image = request.job.image
    return image_plan(request, name, image.pull_policy, image.platform)


def image_plan(request: Request, name: str, job_policies: tuple[str, ...], platform: str) -> ImagePlan:
    """The plan of an image that is allowed. `platform` is unexpanded."""
    return ImagePlan(
        name=_completed(name, JobError),
        pull_policies=pull_policies(request, job_policies),
        platform=_platform(request, name, platform),
    )


def helper_image(request: Request) -> ImagePlan:
    """The operator's, under the runner's pull policy; else the project's own where it is present, else GitLab's."""
    chosen = request.settings.helper.image or request.docker.helper_image
    if chosen:
        name = _completed(request.expand(chosen), OperatorError)
        return ImagePlan(name=name, pull_policies=pull_policies(request, ()))
    gitlab = ImagePlan(name=_gitlab_helper(request), pull_policies=("if-not-present",))
    if request.docker.helper_image_flavor:
        return gitlab
    return ImagePlan(name=OWN_HELPER, pull_policies=("never",), alternative=gitlab)


def pull_policies(request: Request, job_policies: tuple[str, ...]) -> tuple[str, ...]:
    """The requested policies that are allowed, with order and repeats kept (a repeat is another try)."""
    docker = request.docker
    _check_words(job_policies)
    of_runner = docker.pull_policy or ("always",)
    requested = job_policies or of_runner
    allowed = docker.allowed_pull_policies or of_runner
    effective = tuple(policy for policy in requested if policy in allowed)
    if not effective:
        raise _policy_refused(request, requested, allowed, from_job=bool(job_policies))
    return effective


def require_allowed(name: str, patterns: tuple[str, ...], kind: str, key: str) -> None:
    """Raise `JobError` where the operator lists `patterns` and none matches the name as the job wrote it."""
    if patterns and not matches_any(name, patterns):
        raise JobError(
            f"The {kind} {name!r} is not allowed on this runner.",
            cause=f"Allowed are: {', '.join(patterns)}.",
            fix=f"Use one of them, written just so, or ask for it in `{key}` of the runner's config.toml.",
        )


def _completed(name: str, blamed: type[ExecutorError]) -> str:
    try:
        return with_tag(name)
    except ValueError as error:
        raise blamed(
            f"{name!r} is not the name of an image: {error}.",
            fix="Check the variables in it: one that does not exist becomes nothing.",
        ) from None


def _platform(request: Request, name: str, written: str) -> str:
    expanded = request.expand(written)
    if not expanded:
        return ""
    try:
        platform = normalise_platform(expanded, request.host.platform)
    except ValueError as error:
        raise JobError(f"The platform of image {name!r} makes no sense: {error}.") from None
    if platform.split("/")[:2] != request.host.platform.split("/")[:2]:
        request.warn(
            f"{name} is asked for {platform} on a {request.host.platform} host: it runs only under emulation. "
            "Where the host has it for another platform and does not pull it, it is taken as it is."
        )
    return platform


def _check_words(policies: tuple[str, ...]) -> None:
    unknown = [policy for policy in policies if policy not in PULL_POLICIES]
    if unknown:
        raise JobError(f"`pull_policy` of the job says {unknown[0]!r}.", fix=f"It can be {', '.join(PULL_POLICIES)}.")


def _policy_refused(
    request: Request, requested: tuple[str, ...], allowed: tuple[str, ...], *, from_job: bool
) -> ExecutorError:
    runner = "Runner config" if request.docker.pull_policy else "Runner config (default)"
    source = "GitLab pipeline config" if from_job else runner
    what = f"The pull policy {', '.join(requested)} ({source}) is not one of those allowed: {', '.join(allowed)}."
    fix = "Change `pull_policy` of the job, or `allowed_pull_policies` in the runner's config.toml."
    return JobError(what, fix=fix) if from_job else OperatorError(what, fix=fix)


def _gitlab_helper(request: Request) -> str:
    flavor = request.docker.helper_image_flavor
    prefix = f"{flavor}-" if flavor and flavor != PLAIN_FLAVOR else ""
    architecture = request.host.platform.split("/")[1]
    return f"{GITLAB_HELPER}:{prefix}{HELPER_ARCHITECTURES.get(architecture, architecture)}-{_version(request)}"


def _version(request: Request) -> str:
    """The running runner's: the scripts that it sends need a helper of the same version. Without one any will do."""
    version = request.host.variables.get("CI_RUNNER_VERSION", "")
    known = request.settings.runner.short_token and version.replace(".", "").isdigit()
    return f"v{version}" if known else "latest"
