"""What a check is, and what it may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.doctor.scene import Scene

# `warning` works, but not as it should; `error` makes jobs fail; `crashed` is a fault of the check itself.
Status = Literal["ok", "info", "warning", "error", "skipped", "crashed"]
CATEGORIES = ("runner", "docker", "host", "job", "cache", "state", "network", "clever", "reporting")
DOCUMENTATION = "docs/doctor.md"


@dataclass(frozen=True, kw_only=True)
class Repair:
    """Something that `--fix` may do: harmless, and told before. `do` raises OSError or ExecutorError."""

    what: str
    do: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a check has found. `fix` are commands or steps, one each; `repair` is what `--fix` may do about it."""

    status: Status
    found: str = ""
    expected: str = ""
    why: str = ""
    fix: tuple[str, ...] = ()
    repair: Repair | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to the host. `id` never changes its meaning; `with_job` is asked only by `--job`."""

    id: str
    title: str
    look: Callable[[Scene], Verdict]
    with_job: bool = False

    @property
    def category(self) -> str:
        """The first part of the id."""
        return self.id.partition(".")[0]

    @property
    def link(self) -> str:
        """Where the check is described."""
        return f"{DOCUMENTATION}#{self.id.replace('.', '')}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A check with its verdict and how long it took."""

    check: Check
    verdict: Verdict
    milliseconds: int


class Skip(Exception):
    """Why a check has nothing to look at."""


def check(id: str, title: str, *, with_job: bool = False) -> Callable[[Callable[[Scene], Verdict]], Check]:
    """Make a check of a function. `title` says what is so on a healthy host."""
    return lambda look: Check(id=id, title=title, look=look, with_job=with_job)


def passed(found: str = "") -> Verdict:
    """All is well."""
    return Verdict(status="ok", found=found)


def note(found: str, *, why: str = "", fix: tuple[str, ...] | str = ()) -> Verdict:
    """Worth knowing, nothing to mend."""
    return Verdict(status="info", found=found, why=why, fix=_steps(fix))


def warning(
    found: str, *, why: str, fix: tuple[str, ...] | str, expected: str = "", repair: Repair | None = None
) -> Verdict:
    """Jobs run, but not as they should."""
    return Verdict(status="warning", found=found, expected=expected, why=why, fix=_steps(fix), repair=repair)


def error(
    found: str, *, why: str, fix: tuple[str, ...] | str, expected: str = "", repair: Repair | None = None
) -> Verdict:
    """Jobs fail."""
    return Verdict(status="error", found=found, expected=expected, why=why, fix=_steps(fix), repair=repair)


def _steps(fix: tuple[str, ...] | str) -> tuple[str, ...]:
    return (fix,) if isinstance(fix, str) else fix
