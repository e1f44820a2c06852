"""Getting images: what each pull policy does, and who is to blame where it does not work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from executor.engine.client import EngineError
from executor.errors import ExecutorError, JobError, OperatorError, SystemFailure
from executor.plan.model import ImagePlan
from executor.sandbox.credentials import Credentials
from executor.sandbox.images import Images, LocalImage, split_reference
from tests.unit.job.builders import job
from tests.unit.sandbox.fakes import FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

NAME = "reg.example/app:1"
HERE = {"Id": "sha256:here", "Created": "2020-01-01T00:00:00Z"}
FRESH = {"Id": "sha256:fresh", "RepoDigests": ["reg.example/app@sha256:abc"], "Config": {"User": "app", "Cmd": ["x"]}}
PULLED: tuple[list[dict[str, Any]], dict[str, Any]] = ([{"status": "ok"}], {NAME: FRESH})


@pytest.fixture(autouse=True)
def nothing_of_this_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE", str(tmp_path))
    monkeypatch.setenv("HOME", "/nowhere")


def refused(message: str, status: int = 500) -> tuple[EngineError, dict[str, Any]]:
    return EngineError(status, message), {}


def failed(message: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A pull that began well."""
    return [{"status": "Pulling"}, {"error": message, "errorDetail": {"message": message}}], {}


def plan(*policies: str, **changes: Any) -> ImagePlan:
    return ImagePlan(**{"name": NAME, "pull_policies": policies, **changes})


def get(engine: FakeEngine, image: ImagePlan) -> LocalImage:
    return Images(engine.as_engine(), Credentials(job()), os.environ["STATE"]).get(image)


def blamed(engine: FakeEngine, image: ImagePlan) -> ExecutorError:
    with pytest.raises(ExecutorError) as caught:
        get(engine, image)
    return caught.value


def pulls(engine: FakeEngine) -> int:
    return sum(call[0] == "pull" for call in engine.calls)


@pytest.mark.parametrize(
    ("policy", "here", "image", "pulled"),
    [
        ("always", True, "sha256:fresh", 1),
        ("always", False, "sha256:fresh", 1),
        ("if-not-present", True, "sha256:here", 0),
        ("if-not-present", False, "sha256:fresh", 1),
        ("never", True, "sha256:here", 0),
    ],
)
def test_policies(policy: str, here: bool, image: str, pulled: int) -> None:
    engine = FakeEngine({NAME: HERE} if here else {})
    engine.pulls = [PULLED]

    assert get(engine, plan(policy)).id == image
    assert pulls(engine) == pulled


def test_never_and_not_here() -> None:
    error = blamed(FakeEngine(), plan("never"))

    assert isinstance(error, OperatorError)
    assert error.what == f"IMAGE NOT FOUND: {NAME} is not on this host."
    assert f"docker pull {NAME}" in error.fix


def test_what_is_known_of_a_pulled_image() -> None:
    engine = FakeEngine()
    engine.pulls = [PULLED]

    image = get(engine, plan("always"))

    assert (image.user, image.command, image.entrypoint) == ("app", ("x",), ())
    assert image.digest == "reg.example/app@sha256:abc"
    assert image.how.startswith("pulled in 0.0 s")


def test_an_image_by_its_id_is_never_pulled() -> None:
    engine = FakeEngine({"sha256:here": HERE})

    assert get(engine, plan("always", name="sha256:here")).id == "sha256:here"
    assert pulls(engine) == 0


def test_the_next_policy_is_tried_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine({NAME: HERE})
    engine.pulls = [refused("dial tcp: connection refused")] * 3

    assert get(engine, plan("always", "if-not-present")).id == "sha256:here"
    told = capsys.readouterr().out
    assert "WARNING: REGISTRY UNREACHABLE" in told
    assert "Trying the next pull policy: if-not-present." in told


def test_the_last_policy_decides_what_is_said() -> None:
    engine = FakeEngine()
    engine.pulls = [refused("manifest unknown")]

    assert isinstance(blamed(engine, plan("always", "never")), OperatorError)


def test_a_repeated_policy_is_another_try() -> None:
    engine = FakeEngine()
    engine.pulls = [refused("manifest unknown"), PULLED]

    assert get(engine, plan("always", "always")).id == "sha256:fresh"


@pytest.mark.parametrize("way", [refused, failed], ids=["refused", "in the progress"])
@pytest.mark.parametrize(
    "message",
    [
        'Get "https://reg.example/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
        'Get "https://reg.example/v2/": dial tcp: lookup reg.example: no such host',
        'Get "https://reg.example/v2/": EOF',
        "unexpected EOF",
        'Get "https://reg.example/v2/": net/http: TLS handshake timeout',
        'Get "https://reg.example/v2/": context deadline exceeded',
        "toomanyrequests: You have reached your pull rate limit.",
        "received unexpected HTTP status: 503 Service Unavailable",
    ],
)
def test_trouble_of_the_network_is_worth_another_prepare(way: Any, message: str) -> None:
    """The runner repeats what ended so, three times in all: to repeat it here as well would make nine pulls of it."""
    engine = FakeEngine()
    engine.pulls = [way(message)]
    error = blamed(engine, plan("always"))

    assert pulls(engine) == 1
    assert isinstance(error, SystemFailure)
    assert error.what == f"REGISTRY UNREACHABLE: {NAME} could not be pulled ({message})."


@pytest.mark.parametrize("way", [refused, failed], ids=["refused", "in the progress"])
@pytest.mark.parametrize(
    "message",
    [
        f"manifest for {NAME} not found: manifest unknown: manifest unknown",
        "pull access denied for app, repository does not exist or may require 'docker login'",
        'Head "https://reg.example/v2/app/manifests/1": no basic auth credentials',
        "unauthorized: authentication required",
        "pull access denied for geoffrey/eof, repository does not exist",
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
    ],
)
def test_a_wrong_name_or_password_is_the_jobs(way: Any, message: str) -> None:
    engine = FakeEngine()
    engine.pulls = [way(message)]
    error = blamed(engine, plan("always"))

    assert pulls(engine) == 1
    assert isinstance(error, JobError)
    assert error.what == f"IMAGE NOT FOUND: {NAME} could not be pulled ({message})."
    assert "DOCKER_AUTH_CONFIG" in error.fix


@pytest.mark.parametrize(
    "message",
    [
        "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device",
        'Get "https://reg.example/v2/": x509: certificate signed by unknown authority',
        'Get "https://reg.example/v2/": http: server gave HTTP response to HTTPS client',
    ],
)
def test_what_is_wrong_with_the_host_is_not_the_jobs(message: str) -> None:
    engine = FakeEngine()
    engine.pulls = [failed(message)]
    error = blamed(engine, plan("always"))

    assert isinstance(error, OperatorError)
    assert message in error.what


def test_an_engine_that_fails_at_inspection_is_not_taken_for_a_missing_image() -> None:
    engine = FakeEngine({NAME: EngineError(500, "database is locked")})

    with pytest.raises(EngineError, match="database is locked"):
        get(engine, plan("if-not-present"))
    assert pulls(engine) == 0


def test_a_name_that_the_engine_does_not_take_is_the_jobs() -> None:
    message = "invalid reference format: repository name must be lowercase"
    engine = FakeEngine({NAME: EngineError(400, message)})

    with pytest.raises(JobError, match="is not the name of an image: invalid reference format"):
        get(engine, plan("always"))


def test_a_pull_that_brings_nothing() -> None:
    engine = FakeEngine()
    engine.pulls = [([], {})]

    assert isinstance(blamed(engine, plan("always")), SystemFailure)


OWN = plan("never", name="own:1", alternative=plan("if-not-present"))


def test_an_alternative_is_not_looked_at_where_the_first_is_here() -> None:
    engine = FakeEngine({"own:1": HERE})

    assert get(engine, OWN).id == "sha256:here"
    assert engine.calls == [("inspect_image", "own:1")]


def test_an_alternative_is_pulled_as_its_own_policies_say() -> None:
    engine = FakeEngine()
    engine.pulls = [PULLED]

    assert get(engine, OWN).id == "sha256:fresh"


def test_an_image_that_several_containers_share_is_had_once() -> None:
    engine = FakeEngine()
    engine.pulls = [PULLED]
    had = Images(engine.as_engine(), Credentials(job()), os.environ["STATE"])
    had.look_up([plan("always"), plan("always"), plan("never", name="other:1")])

    assert had.get(plan("always")) == had.get(plan("always"))
    assert [call[:2] for call in engine.calls] == [
        ("inspect_image", NAME),
        ("inspect_image", "other:1"),
        ("pull", "reg.example/app"),
        ("inspect_image", NAME),
    ]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("debian:12", ("debian", "12")),
        ("debian", ("debian", "latest")),
        ("reg.example:5000/app", ("reg.example:5000/app", "latest")),
        ("reg.example:5000/group/app:1.2", ("reg.example:5000/group/app", "1.2")),
        ("app@sha256:00ff", ("app", "sha256:00ff")),
        ("reg.example:5000/app@sha256:00ff", ("reg.example:5000/app", "sha256:00ff")),
    ],
)
def test_split_reference(name: str, parts: tuple[str, str]) -> None:
    assert split_reference(name) == parts
