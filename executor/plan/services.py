"""Service containers: the operator's first, then the job's, each under the names it answers to."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from executor.errors import JobError
from executor.job.model import Image, Variable
from executor.job.variables import parse_bool
from executor.plan import naming
from executor.plan.environment import as_environment, service_variables
from executor.plan.host_config import seccomp_profile, service_host_config
from executor.plan.images import image_plan, require_allowed
from executor.plan.model import SERVICE, ContainerPlan, ImagePlan, Mount, ServicePlan
from executor.plan.network import BUILD_ALIAS, HOST_MODE, Network, connect_service
from executor.plan.references import split_version
from executor.plan.user import checked_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from executor.plan.request import Request
    from executor.settings.model import ServiceSettings

ALIAS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", re.ASCII)
HEALTH_PORT = "HEALTHCHECK_TCP_PORT"
SHOW_LOGS = "CI_DEBUG_SERVICES"
LARGEST_PORT = 65535
DEFAULT_WAIT = 30


@dataclass(frozen=True)
class _Wanted:
    """A service that is asked for, with the names that are left for it."""

    number: int
    definition: Image
    written: str
    image: ImagePlan
    aliases: tuple[str, ...]


def plan_services(request: Request, network: Network, mounts: tuple[Mount, ...]) -> tuple[ServicePlan, ...]:
    """All services of the job. Raises `JobError` for one that is not allowed or is one too many."""
    definitions = [*map(_of_operator, request.docker.services), *request.job.services]
    _check_limit(request, len(definitions))
    if definitions and not network.has_endpoints and network.mode != HOST_MODE:
        request.warn(f'network_mode = "{network.mode}" gives services no address: none can be reached by its name.')
    taken = {BUILD_ALIAS}
    services = []
    for number, definition in enumerate(definitions):
        wanted = _wanted(request, number, definition, taken)
        if wanted is not None:
            taken |= {alias.lower() for alias in wanted.aliases}
            services.append(_service(request, network, mounts, wanted))
    return tuple(services)


def shows_service_logs(request: Request) -> bool:
    """Whether the job log gets what services write: the job asks for it, the operator may forbid it."""
    wanted = parse_bool(request.host.variables.get(SHOW_LOGS, ""))
    if wanted and request.settings.runner.debug_trace_disabled:
        request.warn(f"{SHOW_LOGS} is ignored: this runner has debug_trace_disabled.")
        return False
    return wanted


def _of_operator(service: ServiceSettings) -> Image:
    """An entry of config.toml in the shape of the job's own."""
    pairs = (entry.partition("=") for entry in service.environment)
    return Image(
        name=service.name,
        alias=service.alias,
        entrypoint=service.entrypoint,
        command=service.command,
        variables=tuple(Variable(key=key, value=value) for key, _, value in pairs),
    )


def _check_limit(request: Request, number: int) -> None:
    limit = request.docker.services_limit
    if limit is not None and 0 <= limit < number:
        raise JobError(
            f"Too many services requested: {number}, only {limit} allowed.",
            cause="Those of the runner's own configuration count too.",
            fix="Remove some from `services:`, or ask for a higher `services_limit` in the runner's config.toml.",
        )


def _wanted(request: Request, number: int, definition: Image, taken: set[str]) -> _Wanted | None:
    """The service with its names, None where every one of them is taken."""
    written = request.expand(definition.name)
    if not written:
        raise JobError(f"Service {number + 1} names no image.", fix="Check the variables in its name.")
    if written not in {request.expand(service.name) for service in request.docker.services}:
        require_allowed(written, request.docker.allowed_services, "service", "allowed_services")
        if request.rule:
            request.rule.check_service(written)
    image = image_plan(request, written, definition.pull_policy, definition.platform)
    free = tuple(_free_aliases(request, _names(written, request.expand(definition.alias)), written, taken))
    if not free:
        request.warn(f"Service {written} is not started: other services have all its names. Give it an `alias`.")
        return None
    return _Wanted(number, definition, written, image, free)


def _names(written: str, aliases: str) -> list[str]:
    """The image's name with `/` as `__` and as `-`, then the user's aliases (separated by commas or spaces)."""
    repository = split_version(written)[0]
    return [repository.replace("/", "__"), repository.replace("/", "-"), *aliases.replace(",", " ").split()]


def _free_aliases(request: Request, names: Iterable[str], written: str, taken: set[str]) -> Iterable[str]:
    for name in dict.fromkeys(names):
        if not ALIAS.fullmatch(name):
            request.warn(f"Service {written} cannot have the alias {name!r}: it is not a host name.")
        elif name.lower() in taken:
            request.warn(f"Service {written} cannot have the alias {name!r}: it is taken.")
        else:
            yield name


def _service(request: Request, network: Network, mounts: tuple[Mount, ...], wanted: _Wanted) -> ServicePlan:
    variables = service_variables(request, wanted.definition.variables)
    container = ContainerPlan(
        role=SERVICE,
        name=naming.container_name(request, naming.service_kind(wanted.aliases[0], wanted.number)),
        image=wanted.image,
        labels=_labels(request, wanted.written),
        user=checked_user(request.expand(wanted.definition.user), wanted.written),
        command=wanted.definition.command or None,
        environment=as_environment(variables),
        mounts=mounts,
        seccomp_profile=seccomp_profile(request.docker.services_security_opt),
        host_config=service_host_config(request, wanted.written, wanted.image.name),
    )
    return ServicePlan(
        container=connect_service(network, _with_entrypoint(request, container, wanted.definition), wanted.aliases),
        aliases=wanted.aliases,
        wait_port=health_port(wanted.written, variables, request.warn),
        wait_seconds=request.docker.wait_for_services_timeout or DEFAULT_WAIT,
    )


def _with_entrypoint(request: Request, container: ContainerPlan, definition: Image) -> ContainerPlan:
    return replace(container, entrypoint=effective_entrypoint(request, definition, f"service {definition.name}"))


def effective_entrypoint(request: Request, definition: Image, owner: str) -> tuple[str, ...] | None:
    """None keeps the image's, () clears it (`entrypoint: [""]`). The operator may forbid any other."""
    if not definition.entrypoint:
        return None
    if request.docker.disable_entrypoint_overwrite:
        request.warn(f"`entrypoint` of the {owner} is ignored: this runner does not allow it.")
        return None
    return () if definition.entrypoint == ("",) else definition.entrypoint


def _labels(request: Request, written: str) -> dict[str, str]:
    repository, version = split_version(written)
    own = {f"{naming.GITLAB}service": repository, f"{naming.GITLAB}service.version": version}
    return naming.container_labels(request, SERVICE) | own


def health_port(written: str, variables: dict[str, str], warn: Callable[[str], None]) -> int | None:
    """The one port to check where these variables name it, in small letters or capitals; `warn` hears of no number."""
    text = next((value for key, value in variables.items() if key.upper() == HEALTH_PORT), "")
    if not text:
        return None
    if text.isascii() and text.isdigit() and 0 < int(text) <= LARGEST_PORT:
        return int(text)
    warn(f"{HEALTH_PORT} of service {written} is {text!r}, which is not a port: its exposed ports are tried.")
    return None
