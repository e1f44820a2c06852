"""When caches are layers of the driver's own, and when they stay with the runner's archives."""

from __future__ import annotations

from typing import Any

import pytest

from executor.job.model import Cache
from executor.plan.model import CachePlan, Plan
from executor.settings.model import RunnerCacheSettings, S3CacheSettings
from tests.unit.job.builders import job
from tests.unit.plan.builders import plan

HOST = {"project_dir": "/builds/group/app", "cache_store": "/host/caches/abc"}
BUCKET = S3CacheSettings(server_address="s3.example.com", access_key="a", secret_key="b", bucket_name="ci")


def cached(host: dict[str, Any] | None = None, runner: dict[str, Any] | None = None, **docker: Any) -> Plan:
    return plan(job(caches=(Cache(key="k", paths=("a/",)),)), host=HOST | (host or {}), runner=runner, **docker)


def builds_modes(made: Plan) -> set[str]:
    return {mount.mode for mount in made.build.mounts + made.helper.mounts if mount.target == "/builds"}


def test_layers_are_mounted_where_containers_see_it() -> None:
    made = cached()

    assert made.caches == CachePlan(mode="mount", store="/host/caches/abc", prefix="group/app")
    assert builds_modes(made) == {"rw,rslave"}


def test_what_cannot_be_mounted_is_copied() -> None:
    made = cached(host={"cache_obstacle": "two file systems"})

    assert (made.caches.mode, made.caches.why) == ("copy", "two file systems")
    assert builds_modes(made) == {"rw"}


@pytest.mark.parametrize("caches", [(), (Cache(key="k"),)])
def test_a_job_without_caches_gets_what_it_always_got(caches: tuple[Cache, ...]) -> None:
    made = plan(job(caches=caches), host=HOST)

    assert made.caches == CachePlan()
    assert builds_modes(made) == {"rw"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"host": {"cache_store": ""}}, "does not run as root"),
        ({"host": {"project_dir": ""}}, "CI_PROJECT_DIR was overwritten"),
        ({"host": {"project_dir": "/elsewhere"}}, "CI_PROJECT_DIR was overwritten"),
        ({"runner": {"cache": RunnerCacheSettings(type="gcs")}}, "is of type gcs"),
        ({"runner": {"cache": RunnerCacheSettings(type="s3")}}, "is of type s3"),
        ({"disable_cache": True}, "disable_cache is set"),
        ({"volumes": ("/srv/cache:/cache",)}, "the operator mounts /cache"),
        ({"volumes": ("/srv/x:/builds/group/app/x",)}, "the operator mounts /builds/group/app/x"),
        ({"tmpfs": {"/builds/tmp": "rw"}}, "the operator mounts /builds/tmp"),
    ],
)
def test_archives_stay_the_runners(options: dict[str, Any], why: str) -> None:
    made = cached(**options)

    assert made.caches.mode == "archive"
    assert why in made.caches.why
    assert builds_modes(made) == {"rw"}


def test_hosts_share_layers_through_a_bucket_that_is_understood() -> None:
    made = cached(runner={"cache": RunnerCacheSettings(type="s3", s3=BUCKET)})

    assert (made.caches.mode, made.caches.bucket) == ("mount", True)
