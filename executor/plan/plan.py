"""The plan of a job: pure decisions, from the job, the settings and what is known of the host."""

from __future__ import annotations

from dataclasses import replace

from executor.errors import OperatorError
from executor.plan import naming
from executor.plan.attempts import stage_attempts
from executor.plan.environment import DISPOSABLE, as_environment
from executor.plan.handover import plan_handover
from executor.plan.host_config import check_isolation, job_host_config, seccomp_profile
from executor.plan.images import build_image, helper_image
from executor.plan.keep import keep_seconds
from executor.plan.model import BUILD, HELPER, ContainerPlan, Plan
from executor.plan.mounts import plan_mounts
from executor.plan.network import connect_job, network_variables, plan_network
from executor.plan.policy import find_rule, narrowed, require_entry
from executor.plan.request import Request
from executor.plan.services import effective_entrypoint, plan_services, shows_service_logs
from executor.plan.user import build_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.job.model import Job
    from executor.plan.model import Host
    from executor.plan.mounts import Mounts
    from executor.plan.network import Network
    from executor.settings.model import Settings


# The helper's files belong to root, the build container's user may be another: git would call that dubious.
SAFE_DIRECTORY = ("GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")

SHELLS = ("", "bash", "sh")


def make_plan(job: Job, settings: Settings, host: Host) -> Plan:
    """Decide all that `job` gets under `settings` on `host`.

    Raises `JobError` for what the job may not or cannot have, `OperatorError` for settings that make no sense.
    """
    _check_shell(settings.runner.shell)
    request = _request(job, settings, host)
    mounts, network = plan_mounts(request), plan_network(request)
    helper, build = connect_job(request, network, _helper(request, mounts), _build(request, mounts, network))
    services = plan_services(request, network, mounts.services)
    check_isolation(request)
    return Plan(
        key=host.key,
        network=network.own,
        helper=helper,
        build=build,
        services=services,
        builds_host_dir=host.builds_host_dir,
        reusable_builds=host.reusable_builds,
        keep_volumes=settings.docker.volume_keep,
        keep_seconds=keep_seconds(request),
        service_logs=bool(services) and shows_service_logs(request),
        attempts=stage_attempts(request),
        handover=plan_handover(request),
        caches=mounts.caches,
        rule=request.rule.name if request.rule else "",
        warnings=tuple(dict.fromkeys(request.warnings)),
    )


def _request(job: Job, settings: Settings, host: Host) -> Request:
    """What to look at, after the operator's policy has had its say."""
    rule = find_rule(job, settings)
    require_entry(rule, job)
    runner = replace(settings.runner, docker=narrowed(settings.docker, rule))
    return Request(job, replace(settings, runner=runner), host, rule)


def _check_shell(shell: str) -> None:
    """The runner writes its scripts for one kind of shell, and the containers run those of bash and sh."""
    if shell not in SHELLS:
        raise OperatorError(
            f'shell = "{shell}" cannot run in the job\'s containers: this driver runs scripts for bash and sh.',
            fix='Set shell = "bash" under [[runners]] in config.toml.',
        )


def _helper(request: Request, mounts: Mounts) -> ContainerPlan:
    """git, caches and artifacts: always the image's own user, and nothing of the job in its metadata."""
    return ContainerPlan(
        role=HELPER,
        name=naming.container_name(request, naming.GITLAB_TYPES[HELPER]),
        image=helper_image(request),
        labels=naming.container_labels(request, HELPER),
        environment=SAFE_DIRECTORY + as_environment(DISPOSABLE),
        mounts=mounts.helper,
        seccomp_profile=seccomp_profile(request.docker.security_opt),
        host_config=job_host_config(request, HELPER, ""),
    )


def _build(request: Request, mounts: Mounts, network: Network) -> ContainerPlan:
    """The job's own container. Its scripts bring all variables themselves, so none are in its metadata."""
    written = request.expand(request.job.image.name) or request.expand(request.docker.image)
    return ContainerPlan(
        role=BUILD,
        name=naming.container_name(request, naming.GITLAB_TYPES[BUILD]),
        image=build_image(request),
        labels=naming.container_labels(request, BUILD),
        environment=SAFE_DIRECTORY + as_environment(DISPOSABLE | network_variables(request, network)),
        user=build_user(request),
        entrypoint=effective_entrypoint(request, request.job.image, "image"),
        mounts=mounts.build,
        seccomp_profile=seccomp_profile(request.docker.security_opt),
        host_config=job_host_config(request, BUILD, written),
    )
