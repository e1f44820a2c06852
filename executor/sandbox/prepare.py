"""From the plan to a living sandbox: images, volumes, network, containers, in as few waits as the Engine allows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from executor.engine.client import EngineError
from executor.errors import ExecutorError, JobError, OperatorError
from executor.plan.entrypoint import command
from executor.plan.model import HELPER, SERVICE
from executor.plan.network import CONTAINER_MODE, HOST_MODE
from executor.sandbox import network
from executor.sandbox.environment_file import wrapped_entrypoint
from executor.sandbox.loop import loop_command
from executor.sandbox.open_volumes import opening_command
from executor.sandbox.payload import container_body, volume_body
from executor.sandbox.second_life import remember_container
from executor.sandbox.service_names import LOOPBACK, needs_hosts_files, with_hosts
from executor.sandbox.services import Waiting, find_addresses, tcp_ports, wait_for_services
from executor.terminal import log

if TYPE_CHECKING:
    from executor.engine.client import Answer, Engine
    from executor.plan.model import ContainerPlan, Plan, ServicePlan
    from executor.sandbox.images import Images, LocalImage

HELPER_UMASK = "0000"

# How runc says that a container's first program cannot be run.
CANNOT_START = ("executable file not found", ' exec: "')


class Sandbox:
    """Makes one job's plan real. `variables` are for an entrypoint that wants them."""

    def __init__(self, engine: Engine, images: Images, plan: Plan, job_folder: str, variables: dict[str, str]) -> None:
        self._engine = engine
        self._images = images
        self._plan = plan
        self._job_folder = job_folder
        self._variables = variables

    def build(self) -> None:
        """Everything up to ready services; each failure says whose it is."""
        began = time.monotonic()
        self._get_images()
        self._create_volumes()
        if self._plan.network:
            network.ensure(self._engine, self._plan.network, self._job_folder)
        waiting = self._make_after_services() if needs_hosts_files(self._plan) else self._make_at_once()
        log(f"started in {time.monotonic() - began:.2f} s")
        wait_for_services(self._engine, waiting)

    def _make_at_once(self) -> list[Waiting]:
        """All containers, as many steps as possible side by side."""
        helper, build = self._create(self._plan.helper), self._create(self._plan.build)
        services = [self._create_service(service) for service in self._plan.services]
        _value(helper, self._plan.helper)
        _value(build, self._plan.build)
        waiting = [self._waiting(service, answer) for service, answer in services]
        starts = self._start_services(waiting)
        self._start_job()
        _take_values(starts)
        return waiting

    def _make_after_services(self) -> list[Waiting]:
        """Services before the containers that must know their addresses."""
        services = [self._create_service(service) for service in self._plan.services]
        waiting = [self._waiting(service, answer) for service, answer in services]
        _take_values(self._start_services(waiting))
        find_addresses(self._engine, waiting)
        self._plan = with_hosts(self._plan, waiting)
        _value(self._create(self._plan.helper), self._plan.helper)
        _value(self._create(self._plan.build), self._plan.build)
        self._start_job()
        return waiting

    def _get_images(self) -> None:
        plans = [self._plan.build, self._plan.helper, *(service.container for service in self._plan.services)]
        self._images.look_up([plan.image for plan in plans])
        for plan in plans:
            image = self._images.get(plan.image)
            if plan is not self._plan.helper:
                log(f"image   {plan.image.name}{_digest(image)}  {image.how}")

    def _create_volumes(self) -> None:
        plans = [self._plan.helper, self._plan.build, *(service.container for service in self._plan.services)]
        volumes = {mount.source: mount for plan in plans for mount in plan.mounts if mount.labels}
        for answer in [self._engine.create_volume(volume_body(mount)) for mount in volumes.values()]:
            answer.value()

    def _create(self, plan: ContainerPlan) -> Answer:
        """Ask for the helper or the build container, with the stage loop as its command."""
        image = self._images.get(plan.image)
        override, words = command(plan.entrypoint, image.entrypoint, self._loop(plan))
        entrypoint = image.entrypoint if override is None else override
        if plan is self._plan.build and any(entrypoint):
            override = wrapped_entrypoint(f"{self._job_folder}/{plan.role}/ctl", entrypoint, self._variables)
        body = container_body(plan, image, entrypoint=override, command=words)
        if self._plan.attempts > 1:
            remember_container(self._job_folder, plan.role, plan.name, plan.image.platform, body)
        return self._engine.create_container(plan.name, body, platform=plan.image.platform)

    def _loop(self, plan: ContainerPlan) -> str:
        if plan is self._plan.helper:
            umask = "" if self._plan.handover else HELPER_UMASK
            return opening_command(plan.mounts) + loop_command(umask=umask)
        return loop_command(shared_processes=bool(plan.host_config.get("PidMode")))

    def _create_service(self, service: ServicePlan) -> tuple[ServicePlan, Answer]:
        plan = service.container
        body = container_body(plan, self._images.get(plan.image), entrypoint=plan.entrypoint, command=plan.command)
        return service, self._engine.create_container(plan.name, body, platform=plan.image.platform)

    def _waiting(self, service: ServicePlan, answer: Answer) -> Waiting:
        container = str(_value(answer, service.container)["Id"])
        ports = tcp_ports(service, self._images.get(service.container.image))
        mode = service.container.network_mode
        return Waiting(
            service=service,
            container=container,
            ports=ports,
            address=LOOPBACK if mode == HOST_MODE else "",
            reachable=mode != "none" and not mode.startswith(CONTAINER_MODE),
        )

    def _start_services(self, waiting: list[Waiting]) -> list[tuple[ContainerPlan, Answer]]:
        return [(one.service.container, self._engine.start_container(one.container)) for one in waiting]

    def _start_job(self) -> None:
        """The build container joins the helper's network, so comes after it."""
        _value(self._engine.start_container(self._plan.helper.name), self._plan.helper)
        _value(self._engine.start_container(self._plan.build.name), self._plan.build)


def _take_values(starts: list[tuple[ContainerPlan, Answer]]) -> None:
    """A service that cannot be started is the job's end, as under the docker executor: no wait would help it."""
    for plan, answer in starts:
        _value(answer, plan)


def _digest(image: LocalImage) -> str:
    short = image.digest.partition("@")[2][:19]
    return f"@{short}…" if short else ""


def _value(answer: Answer, plan: ContainerPlan) -> Any:
    """The answer's value; a refusal in words that say who has to act."""
    try:
        return answer.value()
    except EngineError as error:
        raise _explained(error, plan) from None


def _explained(error: EngineError, plan: ContainerPlan) -> ExecutorError:
    message = error.message
    if any(sign in message for sign in CANNOT_START):
        return _without_command(plan, message) if plan.role == SERVICE else _without_shell(plan, message)
    if "unable to find user" in message or "no matching entries in passwd file" in message:
        return JobError(
            f"UNKNOWN USER: {plan.image.name} has no user {plan.user!r}.",
            fix="Correct `image:docker:user` of the job or `user` under [runners.docker], or use a numeric id.",
        )
    if "not a shared or slave mount" in message:
        return OperatorError(
            f"Caches cannot be mounted into containers: {message}",
            cause="The Docker Engine runs in a mount namespace of its own.",
            fix='Set mode = "archive" under [cache] in executor.toml.',
        )
    if error.status in (400, 409) or "invalid" in message.lower():
        return OperatorError(
            f"The Docker Engine refuses the {plan.role} container: {message}",
            fix="Check [runners.docker] in config.toml; `executor plan` shows what is asked for.",
        )
    return error


def _without_command(plan: ContainerPlan, message: str) -> ExecutorError:
    return JobError(
        f"SERVICE NOT STARTED: {plan.image.name} cannot run its command ({message}).",
        cause="`entrypoint` or `command` of the service, or its image, names a program that the image does not have.",
        fix="Correct it under `services:` of the job, or under [[runners.docker.services]] in config.toml.",
    )


def _without_shell(plan: ContainerPlan, message: str) -> ExecutorError:
    what = f"IMAGE WITHOUT A SHELL: {plan.image.name} cannot run `sh` ({message})."
    if plan.role == HELPER:
        return OperatorError(
            what,
            cause="It is to be the helper, which runs git, caches and artifacts.",
            fix="Correct `helper_image` under [runners.docker], or `image` under [helper] in executor.toml.",
        )
    return JobError(
        what,
        cause="Job scripts need bash or sh in the image, behind an entrypoint that can be started.",
        fix="Choose an image with a shell (often the `-debug` or `-alpine` variant), or correct `entrypoint`.",
    )
