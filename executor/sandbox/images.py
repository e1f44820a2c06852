"""Getting images as the pull policies say: local ones looked up, others pulled, one attempt a policy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.engine.client import EngineError
from executor.errors import ExecutorError, JobError, OperatorError, SystemFailure
from executor.sandbox.image_uses import ImageUses
from executor.sandbox.turns import turn
from executor.terminal import log, log_warning

if TYPE_CHECKING:
    from executor.engine.client import Answer, Engine
    from executor.plan.model import ImagePlan
    from executor.sandbox.credentials import Credentials

NETWORK_TROUBLE = (
    "dial tcp",
    "connection refused",
    "connection reset",
    "no such host",
    "i/o timeout",
    "tls handshake",
    "client.timeout exceeded",
    "request canceled",
    "context deadline exceeded",
    "toomanyrequests",
    ": eof",
    "unexpected eof",
    "500 internal",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway",
)
HOST_TROUBLE = (
    "no space left on device",
    "read-only file system",
    "x509:",
    "server gave http response to https client",
)


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """An image that the Engine holds. `how` tells a reader where it came from."""

    id: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    exposed_ports: tuple[str, ...]
    environment: tuple[str, ...]
    digest: str
    how: str


class Images:
    """The images of one job. In `state_dir` is noted what jobs pull and use, and they take turns at the same image."""

    def __init__(self, engine: Engine, credentials: Credentials, state_dir: str) -> None:
        self._engine = engine
        self._credentials = credentials
        self._turns = f"{state_dir}/turns"
        self._uses = ImageUses(state_dir)
        self._asked: dict[str, Answer] = {}
        self._had: dict[ImagePlan, LocalImage] = {}

    def look_up(self, plans: list[ImagePlan]) -> None:
        """Ask the Engine for all of them at once; `get` takes the answers."""
        for plan in plans:
            if plan.name not in self._asked:
                self._asked[plan.name] = self._engine.inspect_image(plan.name)

    def get(self, plan: ImagePlan) -> LocalImage:
        """The image, pulled if its policies want that. Failing policies are told one by one, then who is to blame."""
        if plan not in self._had:
            self._had[plan] = self._or_alternative(plan)
            self._uses.note_use(self._had[plan].id)
        return self._had[plan]

    def _or_alternative(self, plan: ImagePlan) -> LocalImage:
        if plan.alternative is None:
            return self._first_that_works(plan)
        present = self._present(plan.name)
        if present:
            return _described(present, f"local, {_age(present)}")
        return self._or_alternative(plan.alternative)

    def _first_that_works(self, plan: ImagePlan) -> LocalImage:
        present = self._present(plan.name)
        failure: ExecutorError | None = None
        for policy in plan.pull_policies:
            if failure:
                log_warning(f"{failure.what} Trying the next pull policy: {policy}.")
            try:
                return self._by_policy(policy, plan, present)
            except ExecutorError as error:
                failure = error
        raise failure or SystemFailure(f"No pull policy for {plan.name}.")

    def _by_policy(self, policy: str, plan: ImagePlan, present: dict[str, Any] | None) -> LocalImage:
        if present and (policy != "always" or plan.name.startswith("sha256:")):
            return _described(present, f"local, {_age(present)}")
        if policy == "never":
            raise _absent(plan)
        # What is here is only compared with the registry, which takes no time worth a turn.
        return self._pulled(plan, present["Id"]) if present else self._pulled_alone(policy, plan)

    def _pulled_alone(self, policy: str, plan: ImagePlan) -> LocalImage:
        """The image, whose layers one job of this host pulls for all. `always` asks with each job's own login."""
        with turn(self._turns, f"{plan.name} {plan.platform}", lambda: _tell_wait(plan)) as waited:
            found = self._present(plan.name) if waited and policy != "always" else None
            return _described(found, "pulled by another job") if found else self._pulled(plan)

    def _pulled(self, plan: ImagePlan, before: str = "") -> LocalImage:
        """The image that a pull brought. `before` is the id of the one of this name that was here, "" for none."""
        seconds = self._pull(plan)
        found = self._present(plan.name)
        if found is None:
            raise SystemFailure(f"{plan.name} was pulled, but the Engine does not have it.")
        if found["Id"] != before:
            self._uses.note_pull(found["Id"], plan.name)
        return _described(found, f"pulled in {seconds:.1f} s")

    def _present(self, name: str) -> dict[str, Any] | None:
        answer = self._asked.pop(name, None) or self._engine.inspect_image(name)
        try:
            return dict(answer.value())
        except EngineError as error:
            if error.status == 400:
                raise _no_name(name, error.message) from None
            if error.status != 404:
                raise
            return None

    def _pull(self, plan: ImagePlan) -> float:
        """Pull the image; seconds it took. Nothing is repeated here: the runner calls `prepare` again by itself where
        the registry or the network was at fault.
        """
        began = time.monotonic()
        log(f"Pulling {plan.name} ...")
        message = self._pull_once(plan)
        if message is not None:
            raise _pull_failure(plan, message)
        return time.monotonic() - began

    def _pull_once(self, plan: ImagePlan) -> str | None:
        """The Engine's complaint, None where the pull went well."""
        reference, tag = split_reference(plan.name)
        header = self._credentials.header_for(reference)
        try:
            for progress in self._engine.pull_image(reference, tag=tag, platform=plan.platform, credentials=header):
                if "error" in progress:
                    return str(progress["error"])
        except EngineError as error:
            return error.message
        return None


def split_reference(name: str) -> tuple[str, str]:
    """An image's name as repository and tag (or digest)."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    head, _, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return (f"{head}/{repository}" if head else repository), tag or "latest"


def _described(image: dict[str, Any], how: str) -> LocalImage:
    config = image.get("Config") or {}
    return LocalImage(
        id=image["Id"],
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        exposed_ports=tuple(config.get("ExposedPorts") or ()),
        environment=tuple(config.get("Env") or ()),
        digest=next(iter(image.get("RepoDigests") or ()), ""),
        how=how,
    )


def _tell_wait(plan: ImagePlan) -> None:
    log(f"Waiting for another job that pulls {plan.name} ...")


def _age(image: dict[str, Any]) -> str:
    """How long ago the image came to this host."""
    from executor.sandbox.ages import ago

    return f"came {ago((image.get('Metadata') or {}).get('LastTagTime') or image.get('Created') or '')}"


def _network_trouble(message: str) -> bool:
    return _shows(message, NETWORK_TROUBLE) and not _shows(message, HOST_TROUBLE)


def _shows(message: str, signs: tuple[str, ...]) -> bool:
    lowered = message.lower()
    return any(sign in lowered for sign in signs)


def _no_name(name: str, message: str) -> JobError:
    return JobError(
        f"{name!r} is not the name of an image: {message}.",
        fix="Check `image:` and `services:` of the job, and the variables in them.",
    )


def _absent(plan: ImagePlan) -> OperatorError:
    return OperatorError(
        f"IMAGE NOT FOUND: {plan.name} is not on this host.",
        cause='The pull policy "never" allows no pull.',
        fix=f"Run `docker pull {plan.name}` on the runner's host, or choose another `pull_policy`.",
    )


def _pull_failure(plan: ImagePlan, message: str) -> ExecutorError:
    """Who has to act: a registry that cannot be reached is worth a retry, a wrong name or password is not."""
    if _shows(message, HOST_TROUBLE):
        return OperatorError(
            f"IMAGE NOT PULLED: this host cannot take {plan.name} ({message}).",
            cause="Docker's disk is full, or Docker does not trust the registry's certificate.",
            fix=f"Try `docker pull {plan.name}` and `df -h` on the runner's host; see Docker's `insecure-registries`.",
        )
    if _network_trouble(message):
        return SystemFailure(
            f"REGISTRY UNREACHABLE: {plan.name} could not be pulled ({message}).",
            cause="The registry or the network is down, or it asks for patience.",
            fix=f"Try `docker pull {plan.name}` on the runner's host.",
        )
    return JobError(
        f"IMAGE NOT FOUND: {plan.name} could not be pulled ({message}).",
        cause="The name is wrong, or the registry wants credentials that the job does not have.",
        fix="Check `image:` and `services:` of the job, and DOCKER_AUTH_CONFIG for a private registry.",
    )
