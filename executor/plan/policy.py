"""The operator's policy: what a project's jobs get of what `[runners.docker]` gives.

The first `[[policy]]` of executor.toml that fits the job holds, whatever comes after it. It only takes away: rights,
volumes and sizes become less, images and services that it does not allow are refused. Everything here goes by facts
that a job's author cannot forge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from executor.errors import JobError, OperatorError
from executor.plan.globs import is_well_formed, matches_any
from executor.plan.references import is_image_id, spellings, version_suffix
from executor.plan.volumes import parse_volume
from executor.settings.units import parse_bytes, parse_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.job.model import Job
    from executor.settings.model import DockerSettings, PolicySettings, Settings

# What makes the walls of a container thinner: the engine's defaults are in force without them.
WEAK_SECURITY_OPTIONS = ("unconfined", "disable")


@dataclass(frozen=True)
class Rule:
    """The `[[policy]]` that holds for one job of `project`; `name` is the operator's, or says which one it is."""

    name: str
    project: str
    settings: PolicySettings

    def check_image(self, image: str) -> None:
        """Raise `JobError` where the job must not have `image`, a name as it was written, with its variables in."""
        self._check("image", image, self.settings.images, self.settings.deny_images)

    def check_service(self, image: str) -> None:
        """The same for the image of one of the job's services."""
        self._check("service", image, self.settings.services, self.settings.deny_services)

    def _check(self, kind: str, image: str, allowed: tuple[str, ...] | None, denied: tuple[str, ...]) -> None:
        if _is_denied(image, denied) and not (is_image_id(image) and allowed):
            raise self._refusal(f"The {kind} {image!r} is denied", f"Denied are: {', '.join(denied)}.", kind)
        if allowed is not None and not _is_allowed(image, allowed):
            raise self._refusal(f"The {kind} {image!r} is not allowed", _listed(allowed), kind)

    def _refusal(self, what: str, cause: str, kind: str) -> JobError:
        return JobError(
            f"{what} for jobs of {self.project} on this runner.",
            cause=f"The runner's policy {self.name} says so. {cause}",
            fix=f"Use another {kind}, or ask the runner's operator to change `{kind}s` or `deny_{kind}s` of {self.name}"
            f" in executor.toml for {self.project}.",
        )


def find_rule(job: Job, settings: Settings) -> Rule | None:
    """The rule that holds for the job, None where none fits: then it gets what `[runners.docker]` says.

    Raises `OperatorError` for a pattern that could never match: what it is to forbid would be allowed.
    """
    found: Rule | None = None
    for number, policy in enumerate(settings.policy, start=1):
        name = f'"{policy.name}"' if policy.name else f"number {number}"
        _check_patterns(policy, name, settings.executor_file)
        if found is None and _fits(policy, job):
            found = Rule(name, job.project_path, policy)
    return found


def require_entry(rule: Rule | None, job: Job) -> None:
    """Raise `JobError` where the rule refuses the job as a whole."""
    if rule and rule.settings.deny:
        refs = {True: " of protected refs", False: " of unprotected refs", None: ""}[rule.settings.protected]
        raise JobError(
            f"Jobs{refs} of {job.project_path or 'this project'} are not allowed on this runner.",
            cause=f"The runner's policy {rule.name} denies them.",
            fix=f"Run the job on another runner (`tags:`), or ask the runner's operator to change {rule.name} "
            "in executor.toml.",
        )


def narrowed(docker: DockerSettings, rule: Rule | None) -> DockerSettings:
    """`[runners.docker]` with what the rule takes away."""
    if rule is None:
        return docker
    policy = rule.settings
    if policy.privileged is False:
        docker = _without_rights(docker)
    if policy.volumes is not None:
        docker = _with_volumes(docker, policy.volumes)
    if policy.networks is not None and not matches_any(docker.network_mode, policy.networks):
        docker = replace(docker, network_mode="")
    if policy.max_memory:
        docker = _with_less_memory(docker, policy.max_memory)
    if policy.max_cpus:
        docker = _with_fewer_cpus(docker, policy.max_cpus)
    return docker


def _fits(policy: PolicySettings, job: Job) -> bool:
    """GitLab tells no two projects apart by the case of their letters, so neither does a pattern."""
    if policy.protected is not None and policy.protected is not job.protected:
        return False
    patterns = [pattern.lower() for pattern in policy.projects]
    return not patterns or matches_any(job.project_path.lower(), patterns)


def _check_patterns(policy: PolicySettings, name: str, file: str) -> None:
    for key in ("projects", "images", "deny_images", "services", "deny_services", "volumes", "networks"):
        for pattern in getattr(policy, key) or ():
            if not is_well_formed(pattern):
                raise OperatorError(
                    f"{key} of policy {name} in {file or 'executor.toml'}: {pattern!r} is no pattern.",
                    cause="A bracket or a brace is not closed.",
                    fix="Correct it: it would match nothing.",
                )


def _is_denied(image: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern matches any way to write the image, with or without its version. An id has no name to judge."""
    return bool(patterns) and (is_image_id(image) or any(matches_any(name, patterns) for name in _all_names(image)))


def _all_names(image: str) -> Iterator[str]:
    suffix = version_suffix(image)
    tag, _, _ = suffix.partition("@")
    yield image
    for repository in spellings(image):
        yield from (repository, f"{repository}{tag}", f"{repository}{suffix}")


def _is_allowed(image: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern matches the image with its version: `ruby` is `ruby:latest` and no other."""
    names = (image, *(f"{repository}{version_suffix(image)}" for repository in spellings(image)))
    return any(matches_any(name, patterns) for name in names)


def _listed(allowed: tuple[str, ...]) -> str:
    return f"Allowed are: {', '.join(allowed)}." if allowed else "It allows none."


def _without_rights(docker: DockerSettings) -> DockerSettings:
    """No privileges, nor what amounts to them: capabilities, devices, the host's processes and users, no walls."""
    return replace(
        docker,
        privileged=False,
        services_privileged=False,
        cap_add=(),
        devices=(),
        device_cgroup_rules=(),
        services_devices={},
        pid_mode="",
        ipcmode="",
        userns_mode="",
        security_opt=_strong(docker.security_opt),
        services_security_opt=_strong(docker.services_security_opt),
    )


def _strong(options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(option for option in options if not option.endswith(WEAK_SECURITY_OPTIONS))


def _with_volumes(docker: DockerSettings, patterns: tuple[str, ...]) -> DockerSettings:
    """The volumes whose source or target, as config.toml has them, matches; of other containers those so named."""
    return replace(
        docker,
        volumes=tuple(text for text in docker.volumes if _volume_matches(text, patterns)),
        volumes_from=tuple(text for text in docker.volumes_from if matches_any(text.partition(":")[0], patterns)),
    )


def _volume_matches(text: str, patterns: tuple[str, ...]) -> bool:
    try:
        volume = parse_volume(text)
    except ValueError:
        # Kept, so that whoever plans the mounts tells the operator.
        return True
    return any(matches_any(part, patterns) for part in (volume.source, volume.target) if part)


def _with_less_memory(docker: DockerSettings, most: str) -> DockerSettings:
    """No container has more; swap and reservation follow, for the engine refuses what contradicts the limit."""
    changes = {}
    for prefix in ("", "service_"):
        if not 0 < _bytes(getattr(docker, f"{prefix}memory")) <= parse_bytes(most):
            changes[f"{prefix}memory"] = most
            swap, reservation = f"{prefix}memory_swap", f"{prefix}memory_reservation"
            changes |= {key: most for key in (swap, reservation) if _bytes(getattr(docker, key)) > parse_bytes(most)}
    return replace(docker, **changes)  # type: ignore[arg-type]


def _with_fewer_cpus(docker: DockerSettings, most: str) -> DockerSettings:
    limits = {key: getattr(docker, key) for key in ("cpus", "service_cpus")}
    changes = {key: most for key, cpus in limits.items() if not 0 < parse_cpus(cpus or "0") <= parse_cpus(most)}
    return replace(docker, **changes)  # type: ignore[arg-type]


def _bytes(size: str) -> int:
    return parse_bytes(size or "0")
