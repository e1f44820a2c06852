"""From a job to the places where its caches are looked for and saved."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from executor.cache.jobs.model import Request, from_plain
from executor.cache.jobs.requests import requests_of
from executor.job.model import Cache
from tests.unit.job.builders import job


def request(variables: dict[str, str] | None = None, *, protected: bool = False, **cache: Any) -> Request:
    one = job(protected=protected, caches=(Cache(**{"paths": ("a/",), **cache}),))
    return requests_of(one, variables or {})[0]


def names(one: Request) -> list[str]:
    return [candidate.name for candidate in one.candidates]


def test_keys_are_tried_in_order_and_saved_under_the_first() -> None:
    one = request(
        {"B": "branch", "CACHE_FALLBACK_KEY": "spare"}, key="$B", fallback_keys=("x/../main", "", " ", "$B-2")
    )

    assert names(one) == ["branch", "main", "branch-2", "spare"]
    assert one.notices == (
        'cache key "x/../main" sanitized to "main"',
        'cache key " " could not be sanitized',
    )


def test_without_a_key_it_is_job_and_ref() -> None:
    assert names(request()) == ["unit/main"]


def test_a_key_that_comes_to_nothing_leaves_the_cache_out() -> None:
    one = request(key="$NOTHING", fallback_keys=("main",))

    assert one.candidates == ()


@pytest.mark.parametrize("key", ["k-protected", "k-protected/", "k-protected. .", "%2e/k-protected"])
def test_the_last_resort_is_never_a_protected_key(key: str) -> None:
    one = request({"CACHE_FALLBACK_KEY": key}, key="k")

    assert names(one) == ["k"]
    assert any("not allowed" in notice for notice in one.notices)


@pytest.mark.parametrize(
    ("protected", "key", "trust"),
    [
        (True, "k-protected", "p"),
        (True, "k", "u"),
        (True, "k-non_protected", "u"),
        (False, "k-protected", "u"),
        (False, "x/../k-protected", "u"),
        (True, "$K", "u"),
    ],
)
def test_only_jobs_of_protected_refs_reach_what_gitlab_keeps_for_them(protected: bool, key: str, trust: str) -> None:
    one = request({"K": "k-protected"}, protected=protected, key=key)

    assert one.candidates[0].place.trust == trust


def test_hashed_keys_are_taken_as_they_are_written() -> None:
    one = requests_of(job(caches=(Cache(key="a/../b", paths=("a/",)),)), {}, hashed_keys=True)[0]

    assert names(one) == ["a/../b"]


@pytest.mark.parametrize(
    ("policy", "restores", "saves"),
    [("", True, True), ("pull", True, False), ("push", False, True), ("$P", True, False), ("?", False, False)],
)
def test_policies(policy: str, restores: bool, saves: bool) -> None:
    one = request({"P": "pull"}, key="k", policy=policy)

    assert (one.restores, one.saves) == (restores, saves)


@pytest.mark.parametrize(
    ("when", "success", "failure"),
    [("", True, False), ("on_success", True, False), ("on_failure", False, True), ("always", True, True)],
)
def test_when(when: str, success: bool, failure: bool) -> None:
    one = request(key="k", when=when)

    assert (one.is_due(succeeded=True), one.is_due(succeeded=False)) == (success, failure)


def test_caches_that_name_no_files_are_none() -> None:
    assert requests_of(job(caches=(Cache(key="k"), Cache(key="k", untracked=True))), {})[0].untracked


def test_requests_survive_their_way_through_a_file() -> None:
    one = request({"CACHE_FALLBACK_KEY": "x"}, key="a//b\n\udcff", fallback_keys=("é",), when="always")

    assert from_plain(json.loads(json.dumps(asdict(one)))) == one
