"""What every decision of the plan looks at: the job, the settings, the host, and the warnings gathered so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from executor.job.variables import expand, parse_bool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.job.model import Job
    from executor.plan.model import Host
    from executor.plan.policy import Rule
    from executor.settings.model import DockerSettings, Settings


@dataclass(frozen=True)
class Request:
    """One call of `make_plan`. `rule` is the policy that holds for the job, with `settings` narrowed by it."""

    job: Job
    settings: Settings
    host: Host
    rule: Rule | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def docker(self) -> DockerSettings:
        """`[runners.docker]`."""
        return self.settings.docker

    def expand(self, text: str) -> str:
        """`text` with the job's variables, which its author can forge: judge the result before using it."""
        return expand(text, self.host.variables)

    def feature(self, flag: str) -> bool:
        """A feature flag (`FF_...`): the operator's word, else the job's."""
        fixed = self.settings.runner.feature_flags.get(flag)
        return parse_bool(self.host.variables.get(flag, "")) if fixed is None else fixed

    def warn(self, text: str) -> None:
        """One line for the job log."""
        self.warnings.append(text)
