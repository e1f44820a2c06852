"""What a job asks of its caches: from where to restore each, and where to save it."""

from __future__ import annotations

import json

from executor.cache.jobs.expansion import with_variables
from executor.cache.jobs.keys import PROTECTED_SUFFIX, is_kept_for_protected, sanitised
from executor.cache.jobs.model import BOTH, ON_SUCCESS, Candidate, Request
from executor.cache.store.model import PROTECTED, UNPROTECTED, Place
from executor.job.variables import expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.job.model import Cache, Job

FALLBACK_VARIABLE = "CACHE_FALLBACK_KEY"


def requests_of(job: Job, variables: Mapping[str, str], *, hashed_keys: bool = False) -> tuple[Request, ...]:
    """The job's caches that name any file, in order. `hashed_keys` is FF_HASH_CACHE_KEYS: keys as they are written."""
    clean = _verbatim if hashed_keys else _clean
    caches = (cache for cache in job.caches if cache.paths or cache.untracked)
    return tuple(_request(cache, job, variables, clean) for cache in caches)


if TYPE_CHECKING:
    from collections.abc import Callable

    Clean = Callable[[str, list[str]], str]


def _request(cache: Cache, job: Job, variables: Mapping[str, str], clean: Clean) -> Request:
    notices: list[str] = []
    raw = cache.key or f"{job.name}/{job.ref}"
    main = clean(expand(raw, variables), notices)
    candidates = [_candidate(main, raw, job)] if main else []
    fallbacks = [text for text in cache.fallback_keys if text and candidates]
    names = [(clean(expand(text, variables), notices), text) for text in fallbacks]
    candidates += [_candidate(name, text, job) for name, text in names if name]
    if candidates and (name := _last_resort(variables, clean, notices)):
        candidates.append(_candidate(name, "", job))
    return Request(
        candidates=tuple(candidates),
        paths=tuple(with_variables(path, variables) for path in cache.paths),
        untracked=cache.untracked,
        policy=expand(cache.policy, variables) or BOTH,
        when=cache.when or ON_SUCCESS,
        notices=tuple(notices),
    )


def _candidate(name: str, raw: str, job: Job) -> Candidate:
    """`raw` is the key as GitLab sent it: only to jobs of protected refs it gives the suffix that nobody else may use.

    A job of another ref that writes the suffix itself gets a cache of its own under that name.
    """
    protected = job.protected and raw.endswith(PROTECTED_SUFFIX)
    trust = PROTECTED if protected else UNPROTECTED
    return Candidate(name=name, place=Place(project_id=job.project_id, trust=trust, key=name))


def _last_resort(variables: Mapping[str, str], clean: Clean, notices: list[str]) -> str:
    """CACHE_FALLBACK_KEY, which anybody may set: never the name of a protected ref's cache."""
    key = variables.get(FALLBACK_VARIABLE, "")
    name = clean(expand(key, variables), notices) if key else ""
    if is_kept_for_protected(name):
        notices.append(f'{FALLBACK_VARIABLE} {_quoted(name)} not allowed to end in "{PROTECTED_SUFFIX}"')
        return ""
    return name


def _clean(key: str, notices: list[str]) -> str:
    name = sanitised(key)
    if key and not name:
        notices.append(f"cache key {_quoted(key)} could not be sanitized")
    elif name != key:
        notices.append(f"cache key {_quoted(key)} sanitized to {_quoted(name)}")
    return name


def _verbatim(key: str, _: list[str]) -> str:
    return key


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
