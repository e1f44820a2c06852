"""What is mounted where, and what a job cannot bend by forging the variables in an operator's paths."""

from __future__ import annotations

import re
from typing import Any

import pytest

from executor.errors import ExecutorError, JobError, OperatorError
from executor.job.model import Cache, Job, Variable
from executor.plan.model import ContainerPlan, Mount
from executor.plan.volumes import parse_volume
from tests.unit.job.builders import job
from tests.unit.plan.builders import plan


def targets(container: ContainerPlan) -> dict[str, str]:
    return {mount.target: f"{mount.source}:{mount.mode}" for mount in container.mounts}


def extra(request: Job | None = None, **docker: Any) -> Mount:
    """The one mount of the build container that `volumes` asks for."""
    own = {"/builds", "/cache", "/.virida-executor"}
    (mount,) = (mount for mount in plan(request, **docker).build.mounts if mount.target not in own)
    return mount


def test_each_container_gets_its_own_folders() -> None:
    request = job(services=plan_services("redis:7"))
    made = plan(request, helper={"volumes": ("/etc/ssl/certs:/etc/ssl/certs:ro",)})

    assert targets(made.helper) == {
        "/builds": "/host/builds:rw",
        "/cache": "/host/cache:rw",
        "/.virida-executor": "/state/jobs/1001-ab12/helper/ctl:ro",
        "/usr/local/bin/gitlab-runner": "/usr/bin/gitlab-runner:ro",
        "/etc/ssl/certs": "/etc/ssl/certs:ro",
    }
    assert targets(made.build) == {
        "/builds": "/host/builds:rw",
        "/cache": "/host/cache:rw",
        "/.virida-executor": "/state/jobs/1001-ab12/build/ctl:ro",
    }
    assert targets(made.services[0].container) == {"/builds": "/host/builds:rw"}


def plan_services(*names: str) -> tuple[Any, ...]:
    from executor.job.model import Image

    return tuple(Image(name=name) for name in names)


def test_folders_follow_the_runners_own_builds_and_cache_dir() -> None:
    made = plan(runner={"builds_dir": "/work", "cache_dir": "/var/cache"}, host={"gitlab_runner": ""})

    assert [mount.target for mount in made.helper.mounts] == ["/work", "/var/cache", "/.virida-executor"]


@pytest.mark.parametrize(
    ("text", "source", "target", "mode"),
    [
        ("/srv/data:/data", "/srv/data", "/data", "rw"),
        ("/srv/data:/data:ro", "/srv/data", "/data", "ro"),
        ("/srv/data:/data:ro,z", "/srv/data", "/data", "ro,z"),
        ("/srv/data:/data:ro:rslave", "/srv/data", "/data", "ro,rslave"),
        ("named:/data:Z", "named", "/data", "Z"),
        ("/data", "", "/data", "rw"),
        ("/data:ro", "", "/data", "ro"),
        ("relative/path", "", "relative/path", "rw"),
        ("ro:/data", "ro", "/data", "rw"),
    ],
)
def test_grammar(text: str, source: str, target: str, mode: str) -> None:
    volume = parse_volume(text)

    assert (volume.source, volume.target, volume.mode) == (source, target, mode)


@pytest.mark.parametrize(
    "text", ["", ":", "/a:", ":/a", "/a:/b:/c", "./a:/b", "../a:/b", "-x:/b", "a b:/c", "/a:/b:bad"]
)
def test_what_is_no_volume_is_the_operators_mistake(text: str) -> None:
    with pytest.raises(OperatorError, match="cannot be mounted"):
        plan(volumes=(text,))


def test_binds_and_named_volumes_reach_every_container_but_only_their_target_is_expanded() -> None:
    request = job(Variable(key="TOOL", value="go"), services=plan_services("redis:7"))
    made = plan(request, volumes=("/srv/$TOOL:/opt/$TOOL:ro", "tools:/tools"))

    for container in (made.helper, made.build, made.services[0].container):
        assert targets(container)["/opt/go"] == "/srv/$TOOL:ro"
        assert targets(container)["/tools"] == "tools:rw"
    named = next(mount for mount in made.build.mounts if mount.target == "/tools")
    assert (named.volume, named.temporary, named.labels) == (True, False, {})


def test_a_relative_target_lies_in_the_project() -> None:
    assert extra(volumes=("node_modules",)).target == "/builds/group/app/node_modules"


@pytest.mark.parametrize(
    "value",
    [
        "../../etc",
        "/x/../../etc",
        "/",
        "",
        "/data:ro",
        "/a:/b",
        "/data\n/etc",
        "/.virida-executor",
        "/.virida-executor/go",
    ],
)
def test_a_job_cannot_bend_a_target(value: str) -> None:
    with pytest.raises(JobError, match="cannot be mounted at"):
        plan(job(Variable(key="WHERE", value=value)), volumes=("/srv/data:/$WHERE",))


def test_nor_the_project_folder_that_a_relative_one_starts_from() -> None:
    for forged in ("/builds/../etc", "/etc:", "relative", ""):
        request = job(Variable(key="CI_PROJECT_DIR", value=forged))
        with pytest.raises(ExecutorError, match="cannot be mounted at"):
            plan(request, environment={"CI_PROJECT_DIR": forged}, volumes=("deps",))


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//",
        "/./",
        "/a/..",
        "/.virida-executor",
        "/.virida-executor/x",
        "/usr/local/bin",
        "/usr/local/bin/gitlab-runner",
    ],
)
def test_reserved_targets(target: str) -> None:
    with pytest.raises(OperatorError, match="cannot be mounted"):
        plan(volumes=(f"/srv:{target}",))
    with pytest.raises(OperatorError, match="cannot be mounted"):
        plan(helper={"volumes": (f"/srv:{target}",)})


def test_neighbours_of_reserved_targets_are_free() -> None:
    assert extra(volumes=("/srv:/.virida-executors",)).target == "/.virida-executors"


def test_one_target_twice_is_a_slip_to_be_told() -> None:
    with pytest.raises(OperatorError, match="Two volumes are mounted at /data"):
        plan(volumes=("/a:/data", "/b:/data/"))


def test_an_unnamed_volume_belongs_to_project_runner_and_slot() -> None:
    plain = extra(volumes=("/data",))

    assert re.fullmatch(r"runner-[0-9a-f]{32}-cache-[0-9a-f]{32}", plain.source)
    assert (plain.volume, plain.temporary) == (True, False)
    assert plain.labels == {
        "com.gitlab.gitlab-runner.managed": "true",
        "com.gitlab.gitlab-runner.type": "cache",
        "com.gitlab.gitlab-runner.project.id": "42",
        "com.gitlab.gitlab-runner.runner.id": "abcDEF_12",
        "com.gitlab.gitlab-runner.destination": "/data",
        "com.gitlab.gitlab-runner.protected": "false",
        "com.gitlab.gitlab-runner.reusable": "true",
    }
    assert extra(job(id=2), volumes=("/data",)).source == plain.source
    assert extra(job(project_id=43), volumes=("/data",)).source != plain.source
    assert extra(volumes=("/data",), host={"slot": 1}).source != plain.source
    assert extra(volumes=("/other",)).source != plain.source


@pytest.mark.parametrize(
    ("changes", "protected"),
    [
        ({}, False),
        ({"protected": True}, True),
        ({"caches": (Cache(key="deps-protected"),)}, True),
        ({"caches": (Cache(key="deps-non_protected"),)}, False),
    ],
)
def test_protected_jobs_have_volumes_of_their_own(changes: dict[str, Any], protected: bool) -> None:
    mount = extra(job(**changes), volumes=("/data",))

    assert mount.source.endswith("-protected") is protected
    assert mount.labels["com.gitlab.gitlab-runner.protected"] == str(protected).lower()


def test_a_forged_slot_gets_nothing_that_lasts() -> None:
    mount = extra(volumes=("/data",), host={"slot": None})

    assert mount.temporary
    assert mount.source.startswith("runner-abcDEF_12-project-42-concurrent-x-1001-ab12-cache-")


def test_volume_driver() -> None:
    mount = extra(volumes=("/data",), volume_driver="overlay2", volume_driver_ops={"size": "10G"})

    assert (mount.driver, mount.driver_options) == ("overlay2", {"size": "10G"})


def test_cache_dir_of_docker_makes_unnamed_volumes_host_folders() -> None:
    mount = extra(volumes=("/data",), cache_dir="/srv/volumes")

    assert re.fullmatch(r"/srv/volumes/runner-[0-9a-f]{32}/[0-9a-f]{32}", mount.source)
    assert not mount.volume


def test_disable_cache_leaves_what_has_a_source_alone() -> None:
    made = plan(volumes=("/cache", "/data", "/srv:/srv", "name:/named"), disable_cache=True, cache_dir="/srv/volumes")

    for container in (made.build, made.helper):
        assert not {"/cache", "/data"} & targets(container).keys()
        assert {"/srv", "/named"} <= targets(container).keys()
    assert made.warnings == tuple(
        f"volumes: {path} is not there: `disable_cache` is set under [runners.docker]." for path in ("/cache", "/data")
    )


def test_where_the_slot_is_not_known_unnamed_volumes_are_temporary() -> None:
    mount = extra(volumes=("/data",), host={"slot": None})

    assert mount.temporary
    assert mount.labels["com.gitlab.gitlab-runner.reusable"] == "false"
    assert mount.labels["io.virida.executor.job"] == "1001-ab12"


def test_the_usual_cache_volume_is_the_drivers_cache_folder() -> None:
    made = plan(volumes=("/cache",))

    assert targets(made.build)["/cache"] == "/host/cache:rw"


def test_a_cache_folder_of_the_operators_own_stays() -> None:
    assert targets(plan(volumes=("/srv/cache:/cache",)).build)["/cache"] == "/srv/cache:rw"


def test_the_builds_folder_is_the_drivers() -> None:
    made = plan(volumes=("/srv/builds:/builds/",))

    assert targets(made.build)["/builds"] == "/host/builds:rw"
    assert made.warnings == (
        "volumes: /srv/builds:/builds/ is not used: job folders live in builds_dir of [storage] in executor.toml.",
    )
    assert plan(volumes=("/builds",)).warnings == ()


def test_helper_volumes_are_host_folders_and_not_expanded() -> None:
    mounts = targets(plan(helper={"volumes": ("/srv/$X:/y",)}).helper)

    assert mounts["/y"] == "/srv/$X:rw"
    with pytest.raises(OperatorError, match="has no host path"):
        plan(helper={"volumes": ("named:/y",)})
    with pytest.raises(OperatorError, match="it is relative"):
        plan(helper={"volumes": ("/srv:y",)})
