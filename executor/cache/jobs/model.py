"""One cache of a job: from where it is restored, where it is saved, and when."""

from __future__ import annotations

from dataclasses import dataclass

from executor.cache.store.model import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BOTH, PULL, PUSH = "pull-push", "pull", "push"
ON_SUCCESS, ON_FAILURE, ALWAYS = "on_success", "on_failure", "always"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A place to look for a cache. `name` is the key as the job log shows it."""

    name: str
    place: Place


@dataclass(frozen=True, kw_only=True)
class Request:
    """One cache of a job. `candidates` are tried in order to restore it, the first one is where it is saved.

    Without any candidate the key was empty: the cache is left out. `notices` are lines for the job log. `paths` are
    project-relative or absolute in the containers, their variables expanded.
    """

    candidates: tuple[Candidate, ...]
    paths: tuple[str, ...]
    untracked: bool
    policy: str
    when: str
    notices: tuple[str, ...] = ()

    @property
    def restores(self) -> bool:
        """Whether the job wants what is there."""
        return self.policy in (PULL, BOTH)

    @property
    def saves(self) -> bool:
        """Whether the job's end makes a new one."""
        return self.policy in (PUSH, BOTH)

    def is_due(self, *, succeeded: bool) -> bool:
        """Whether `when` lets a job that ended so save it."""
        return self.when == ALWAYS or (self.when == ON_FAILURE) != succeeded


def from_plain(entry: dict[str, Any]) -> Request:
    """The request that `asdict` made plain, after its way through JSON."""
    candidates = tuple(
        Candidate(name=candidate["name"], place=Place(**candidate["place"])) for candidate in entry.pop("candidates")
    )
    paths, notices = tuple(entry.pop("paths")), tuple(entry.pop("notices"))
    return Request(candidates=candidates, paths=paths, notices=notices, **entry)
