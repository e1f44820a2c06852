"""`cache:`: its keys, and the scripts that restore and save it with tar in the helper container."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass, replace

from executor.pipeline.local import packing, shell
from executor.pipeline.local.shell import GREEN, YELLOW, quote, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.job.model import Variable
    from executor.pipeline.local.model import Paths
    from executor.pipeline.model import CacheSpec

ARCHIVE = "cache.tar"


@dataclass(frozen=True, kw_only=True)
class Cache:
    """One cache of a job with its keys made. `keys` are tried in order, the first is the one saved to."""

    keys: tuple[str, ...]
    paths: tuple[str, ...]
    untracked: bool
    policy: str
    when: str

    @property
    def restores(self) -> bool:
        """Whether the job wants what is there."""
        return self.policy in ("pull", "pull-push")

    def saves(self, *, succeeded: bool) -> bool:
        """Whether the job's end makes a new cache."""
        return self.policy in ("push", "pull-push") and _wanted(self.when, succeeded=succeeded)


def resolve_cache(
    spec: CacheSpec, *, expand: Callable[[str], str], version_of: Callable[[str], str], fallback: str = ""
) -> Cache:
    """The cache with its key made: from `key`, or from the versions of `key:files` (`version_of` a path, "" if absent).

    `fallback` is the value of CACHE_FALLBACK_KEY. The paths wait for `expand_paths`: they may name the job's folders.
    """
    key = _key_of_files(spec, expand, version_of) if spec.key_files else expand(spec.key)
    fallbacks = [expand(text) for text in spec.fallback_keys] + ([fallback] if fallback else [])
    return Cache(
        keys=tuple(dict.fromkeys(clean_key(text) for text in (key, *fallbacks))),
        paths=spec.paths,
        untracked=spec.untracked,
        policy=expand(spec.policy),
        when=spec.when,
    )


def expand_paths(cache: Cache, expand: Callable[[str], str]) -> Cache:
    """The cache with the variables in its paths replaced."""
    return replace(cache, paths=tuple(expand(path) for path in cache.paths))


def clean_key(key: str) -> str:
    """A key as a relative path that stays inside the cache folder; "default" where nothing is left."""
    plain = key.replace("%2f", "/").replace("%2F", "/").replace("%2e", ".").replace("%2E", ".").replace("\\", "/")
    inside = posixpath.normpath(f"/{plain}").strip("/ ")
    return inside or "default"


def restore_cache(paths: Paths, variables: Sequence[Variable], caches: Sequence[Cache], *, facts: str) -> str:
    """Unpack each cache under its first key that has one. Appends `hit KEY` or `miss KEY` lines to the file `facts`."""
    bodies = [_restore(cache, paths, facts) if cache.restores else _not_restored(cache) for cache in caches]
    return shell.script(
        shell.exports(variables, paths),
        f"cd {quote(paths.project_dir)}",
        *bodies,
        shell.hand_over(paths, paths.cache_dir, paths.builds_dir),
    )


def archive_cache(paths: Paths, variables: Sequence[Variable], caches: Sequence[Cache]) -> str:
    """Pack each cache under its first key. A cache that cannot be made never fails the job."""
    return shell.script(
        shell.exports(variables, paths),
        f"cd {quote(paths.project_dir)}",
        *(_save(cache, paths) if cache.policy != "pull" else _not_saved(cache) for cache in caches),
    )


def _key_of_files(spec: CacheSpec, expand: Callable[[str], str], version_of: Callable[[str], str]) -> str:
    versions = sorted({version for path in spec.key_files if (version := version_of(expand(path)))})
    digest = hashlib.sha1("-".join(versions).encode(), usedforsecurity=False).hexdigest() if versions else "default"
    prefix = expand(spec.key_prefix)
    return f"{prefix}-{digest}" if prefix else digest


def _restore(cache: Cache, paths: Paths, facts: str) -> str:
    """Commands that try the keys one after the other until one unpacks."""
    tries = [_try_key(key, paths, facts) for key in cache.keys]
    miss = f"printf 'miss %s\\n' {quote(cache.keys[0])} >> {quote(facts)}"
    return "\n".join(["restored=", *tries, f'if [ -z "$restored" ]; then {miss}; fi'])


def _try_key(key: str, paths: Paths, facts: str) -> str:
    archive = quote(_archive(key, paths))
    return "\n".join(
        [
            'if [ -z "$restored" ]; then',
            f"  {say(f'Checking cache for {key}...', GREEN)}",
            f"  if [ ! -e {archive} ]; then",
            f"    {say('WARNING: Cache file does not exist', YELLOW)}",
            f"    {say('Failed to extract cache', YELLOW)}",
            f"  elif tar -xf {archive}; then",
            f"    restored=yes; printf 'hit %s\\n' {quote(key)} >> {quote(facts)}",
            f"    {say('Successfully extracted cache', GREEN)}",
            "  else",
            f"    {say('Failed to extract cache', YELLOW)}",
            "  fi",
            "fi",
        ]
    )


def _save(cache: Cache, paths: Paths) -> str:
    archive = _archive(cache.keys[0], paths)
    target = quote(archive)
    pack = packing.archive(target).replace("\n", " && ")
    return "\n".join(
        [
            say(f"Creating cache {cache.keys[0]}...", GREEN),
            packing.listing(paths, cache.paths, untracked=cache.untracked),
            f"if [ ! -s {packing.LIST} ]; then",
            f"  {packing.no_files('No files to cache')}",
            f"elif mkdir -p {quote(posixpath.dirname(archive))} && {pack}; then",
            f"  {say('Created cache', GREEN)}",
            "else",
            f"  {say('Failed to create cache', YELLOW)}",
            "fi",
        ]
    )


def _not_restored(cache: Cache) -> str:
    return say(f"Not downloading cache {cache.keys[0]} due to policy", GREEN)


def _not_saved(cache: Cache) -> str:
    return say(f"Not uploading cache {cache.keys[0]} due to policy", GREEN)


def _archive(key: str, paths: Paths) -> str:
    return f"{paths.cache_dir}/{key}/{ARCHIVE}"


def _wanted(when: str, *, succeeded: bool) -> bool:
    return when == "always" or (when == "on_failure") != succeeded
