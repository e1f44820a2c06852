"""Which images a job may have, and how they may be pulled."""

from __future__ import annotations

from typing import Any

import pytest

from executor import __version__
from executor.errors import ExecutorError, JobError, OperatorError
from executor.job.model import Image, Variable
from tests.unit.job.builders import job
from tests.unit.plan.builders import plan


def image_name(name: str, /, *variables: Variable, **docker: Any) -> str:
    return plan(job(*variables, image=Image(name=name)), **docker).build.image.name


def test_the_jobs_image_wins_over_the_default() -> None:
    assert image_name("ruby:3", image="debian:12") == "ruby:3"
    assert image_name("", image="debian:12") == "debian:12"
    assert image_name("ruby") == "ruby:latest"


def test_names_are_expanded_with_the_jobs_variables() -> None:
    version = Variable(key="VERSION", value="12")

    assert image_name("", version, image="debian:$VERSION") == "debian:12"
    assert image_name("ruby:${VERSION}", version) == "ruby:12"


@pytest.mark.parametrize("default", ["", "$UNKNOWN"])
def test_no_image_at_all(default: str) -> None:
    with pytest.raises(JobError, match="names no image and the runner has no default"):
        image_name("", image=default)


@pytest.mark.parametrize("name", ["a b", "ruby\nRUN x", "--privileged", "Ruby", "ruby:$UNKNOWN"])
def test_a_hostile_name_is_the_jobs_fault(name: str) -> None:
    with pytest.raises(JobError, match="is not the name of an image"):
        image_name(name)


@pytest.mark.parametrize("name", ["ruby:3", "registry.example/group/app:1"])
def test_allowed_images(name: str) -> None:
    assert image_name(name, allowed_images=("ruby:*", "registry.example/**")) == name


@pytest.mark.parametrize("name", ["ruby", "docker.io/library/ruby:3", "python:3", "evil/ruby:3"])
def test_other_images_are_the_jobs_fault_and_the_message_lists_what_is_allowed(name: str) -> None:
    with pytest.raises(JobError, match="is not allowed on this runner") as failure:
        image_name(name, allowed_images=("ruby:*",))

    assert "ruby:*" in failure.value.cause


def test_the_exact_default_image_is_always_allowed() -> None:
    patterns: dict[str, Any] = {"image": "debian:$V", "allowed_images": ("ruby:*",)}
    twelve = Variable(key="V", value="12")

    assert image_name("", twelve, **patterns) == "debian:12"
    assert image_name("debian:12", twelve, **patterns) == "debian:12"
    with pytest.raises(JobError):
        image_name("debian:11", twelve, **patterns)


def test_an_exclamation_mark_denies_nothing() -> None:
    assert image_name("x/kali:1", allowed_images=("**", "!*/kali*")) == "x/kali:1"


@pytest.mark.parametrize(
    ("of_job", "of_runner", "allowed", "effective"),
    [
        ((), (), (), ("always",)),
        ((), ("if-not-present",), (), ("if-not-present",)),
        ((), ("always", "if-not-present", "always"), (), ("always", "if-not-present", "always")),
        (("never",), ("always",), ("always", "never"), ("never",)),
        (("always",), (), (), ("always",)),
        (("if-not-present", "always", "if-not-present"), ("always",), ("if-not-present",), ("if-not-present",) * 2),
        (("if-not-present",), ("always", "if-not-present"), (), ("if-not-present",)),
    ],
)
def test_pull_policies(
    of_job: tuple[str, ...], of_runner: tuple[str, ...], allowed: tuple[str, ...], effective: tuple[str, ...]
) -> None:
    request = job(image=Image(name="ruby:3", pull_policy=of_job))

    assert plan(request, pull_policy=of_runner, allowed_pull_policies=allowed).build.image.pull_policies == effective


@pytest.mark.parametrize(
    ("of_job", "of_runner", "allowed", "error", "source"),
    [
        (("never",), (), (), JobError, "GitLab pipeline config"),
        (("never",), ("always",), ("if-not-present",), JobError, "GitLab pipeline config"),
        ((), ("always",), ("never",), OperatorError, r"\(Runner config\)"),
        ((), (), ("never",), OperatorError, r"Runner config \(default\)"),
        (("sometimes",), (), (), JobError, "'sometimes'"),
    ],
)
def test_refused_pull_policies_name_their_source(
    of_job: tuple[str, ...],
    of_runner: tuple[str, ...],
    allowed: tuple[str, ...],
    error: type[ExecutorError],
    source: str,
) -> None:
    request = job(image=Image(name="ruby:3", pull_policy=of_job))

    with pytest.raises(error, match=source):
        plan(request, pull_policy=of_runner, allowed_pull_policies=allowed)


def test_a_foreign_platform_is_expanded_and_warned_about() -> None:
    made = plan(job(Variable(key="ARCH", value="ARM64"), image=Image(name="ruby:3", platform="linux/$ARCH")))

    assert made.build.image.platform == "linux/arm64"
    assert made.helper.image.platform == ""
    (warning,) = made.warnings
    assert warning.startswith("ruby:3 is asked for linux/arm64 on a linux/amd64 host: it runs only under emulation.")


def test_the_hosts_own_platform_is_nothing_to_warn_about() -> None:
    assert plan(job(image=Image(name="ruby:3", platform="amd64"))).warnings == ()


def test_a_platform_that_makes_no_sense() -> None:
    with pytest.raises(JobError, match="is not a platform"):
        plan(job(image=Image(name="ruby:3", platform="amd64; id")))


def test_the_helper_is_the_projects_own_else_the_runners() -> None:
    image = plan(environment={"CI_RUNNER_VERSION": "18.6.0"}).helper.image

    assert (image.name, image.pull_policies) == (f"virida-executor/helper:{__version__}", ("never",))
    assert image.alternative is not None
    assert image.alternative.name.endswith("/gitlab-runner-helper:x86_64-v18.6.0")


@pytest.mark.parametrize(
    ("flavor", "platform", "version", "tag"),
    [
        ("ubuntu", "linux/amd64", "19.4.0", "ubuntu-x86_64-v19.4.0"),
        ("alpine", "linux/arm64", "19.4.0", "arm64-v19.4.0"),
        ("alpine", "linux/arm/v7", "19.4.0", "arm-v19.4.0"),
        ("alpine", "linux/amd64", "19.5.0~pre.1", "x86_64-latest"),
        ("alpine", "linux/amd64", "", "x86_64-latest"),
    ],
)
def test_a_flavor_is_gitlabs_helper(flavor: str, platform: str, version: str, tag: str) -> None:
    made = plan(
        helper_image_flavor=flavor, environment={"CI_RUNNER_VERSION": version}, host={"platform": platform}
    ).helper.image

    assert made.name.rpartition(":")[2] == tag
    assert made.alternative is None


def test_an_overridden_helper_is_expanded_and_obeys_the_runners_pull_policy() -> None:
    made = plan(
        helper_image="registry.example/helper:v$CI_RUNNER_VERSION",
        pull_policy=("if-not-present",),
        environment={"CI_RUNNER_VERSION": "18.6.0"},
    ).helper.image

    assert (made.name, made.pull_policies) == ("registry.example/helper:v18.6.0", ("if-not-present",))
    assert plan(helper_image="a:1", helper={"image": "b:1"}).helper.image.name == "b:1"


def test_an_impossible_helper_is_the_operators_fault() -> None:
    with pytest.raises(OperatorError, match="is not the name of an image"):
        plan(helper_image="Not An Image")
