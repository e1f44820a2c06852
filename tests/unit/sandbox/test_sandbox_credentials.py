"""Logins for registries: which source and which entry of it counts."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from executor.job.model import Credentials as JobCredentials
from executor.sandbox.context import Context
from executor.sandbox.credentials import Credentials, credentials_of
from executor.sandbox.docker_config import normalized
from executor.settings.model import RunnerSettings, Settings
from tests.unit.job.builders import job

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The account that runs the driver, without a Docker configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def auth(user: str, password: str = "secret") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def config(**auths: Any) -> str:
    return json.dumps({"auths": auths})


def of_host(home: Path, settings: dict[str, Any]) -> None:
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(json.dumps(settings))


def login(repository: str, auth_config: str = "", *from_gitlab: JobCredentials) -> Any:
    header = Credentials(job(credentials=from_gitlab), auth_config).header_for(repository)
    return json.loads(base64.urlsafe_b64decode(header)) if header else None


GITLAB = JobCredentials(url="reg.example", username="gitlab-ci-token", password="job-token")


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("debian", "docker.io/debian"),
        ("group/app", "docker.io/group/app"),
        ("docker.io/library/debian", "docker.io/library/debian"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("index.docker.io/group/app", "docker.io/group/app"),
        ("https://REG.example/v2/", "reg.example"),
        ("http://reg.example:5000", "reg.example:5000"),
        ("localhost/app", "localhost/app"),
        ("reg.example/Group/App", "reg.example/Group/App"),
    ],
)
def test_normalized(written: str, path: str) -> None:
    assert normalized(written) == path


def test_nobody_knows_the_registry() -> None:
    assert login("reg.example/app", config(**{"other.example": auth("x")})) is None


def test_the_sources_in_the_runners_order(home: Path) -> None:
    auth_config = config(**{"reg.example": auth("of-the-variable")})
    assert login("reg.example/app", "", GITLAB)["username"] == "gitlab-ci-token"

    of_host(home, {"auths": {"reg.example": auth("of-the-host")}})
    assert login("reg.example/app", "", GITLAB) == {"username": "of-the-host", "password": "secret"}

    assert login("reg.example/app", auth_config, GITLAB)["username"] == "of-the-variable"


def test_a_source_that_does_not_know_the_registry_is_passed_over(home: Path) -> None:
    of_host(home, {"auths": {"other.example": auth("of-the-host")}})

    assert login("reg.example/app", config(**{"third.example": auth("x")}), GITLAB)["username"] == "gitlab-ci-token"


@pytest.mark.parametrize(
    ("repository", "user"),
    [
        ("reg.example/other", "all"),
        ("reg.example/group/other", "group"),
        ("reg.example/group/app", "app"),
        ("reg.example/group/app/deep", "app"),
        ("reg.example/group/application", "group"),
        ("reg.example/groups", "all"),
    ],
)
def test_the_longest_path_counts(repository: str, user: str) -> None:
    paths = {"reg.example": "all", "reg.example/group": "group", "reg.example/group/app": "app"}

    assert login(repository, config(**{path: auth(user) for path, user in paths.items()}))["username"] == user


@pytest.mark.parametrize(
    "host", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"]
)
@pytest.mark.parametrize("image", ["debian", "docker.io/library/debian", "index.docker.io/group/app", "group/app"])
def test_every_name_of_the_hub_is_the_hub(host: str, image: str) -> None:
    assert login(image, config(**{host: auth("me")}))["username"] == "me"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("me", "pass:word"), {"username": "me", "password": "pass:word"}),
        ({"username": "me", "password": "p"}, {"username": "me", "password": "p"}),
        ({"identitytoken": "t"}, {"identitytoken": "t"}),
        (auth("ünï", "pä"), {"username": "ünï", "password": "pä"}),
        ({}, None),
        ({"auth": ""}, None),
    ],
)
def test_forms_of_an_entry(entry: dict[str, str], expected: object) -> None:
    assert login("reg.example/app", config(**{"reg.example": entry})) == expected


@pytest.mark.parametrize(
    "broken",
    [
        "not json",
        "[]",
        '"text"',
        '{"auths": [1]}',
        '{"auths": {"reg.example": "x"}}',
        '{"auths": {"reg.example": {"auth": "###"}}}',
        '{"auths": {"reg.example": {"auth": "//8="}}}',
        '{"auths": {"reg.example": {"auth": 5}}}',
    ],
)
def test_a_broken_configuration_is_a_warning_without_its_content(
    broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert login("reg.example/app", broken, GITLAB)["username"] == "gitlab-ci-token"

    told = capsys.readouterr().out
    assert told.count("WARNING: $DOCKER_AUTH_CONFIG is not a Docker configuration") == 1
    assert broken not in told


def test_the_warning_comes_once_for_all_images(capsys: pytest.CaptureFixture[str]) -> None:
    credentials = Credentials(job(), "not json")
    for repository in ("a", "b", "c"):
        credentials.header_for(repository)

    assert capsys.readouterr().out.count("WARNING") == 1


def test_helpers_that_a_job_names_are_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = helper(tmp_path, monkeypatch)
    text = json.dumps({"credsStore": "evil", "credHelpers": {"reg.example": "evil"}, "auths": {"reg.example": {}}})

    assert login("reg.example/app", text) is None
    assert not run.exists()


def test_helpers_that_the_account_names_are_asked(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = helper(tmp_path, monkeypatch)
    of_host(home, {"credHelpers": {"reg.example": "evil"}})

    assert login("reg.example/app") == {"username": "stored", "password": "by-helper"}
    assert run.exists()


@pytest.mark.parametrize(
    "settings", [{"credHelpers": {"reg.example": "missing"}}, {"auths": {"reg.example": {"auth": "###"}}}, []]
)
def test_a_broken_configuration_of_the_account_is_a_warning(
    home: Path, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    of_host(home, settings)

    assert login("reg.example/app", "", GITLAB)["username"] == "gitlab-ci-token"
    assert capsys.readouterr().out.count("WARNING") <= 1


def of_runner(text: str, repository: str = "reg.example/app", *from_gitlab: JobCredentials) -> Any:
    """The login where the runner's `environment` has this DOCKER_AUTH_CONFIG."""
    header = Credentials(job(credentials=from_gitlab), of_runner=text).header_for(repository)
    return json.loads(base64.urlsafe_b64decode(header)) if header else None


def test_the_job_comes_before_the_runner() -> None:
    credentials = Credentials(job(), config(**{"reg.example": auth("job")}), config(**{"reg.example": auth("runner")}))

    assert json.loads(base64.urlsafe_b64decode(credentials.header_for("reg.example/app")))["username"] == "job"
    assert of_runner(config(**{"reg.example": auth("runner")}))["username"] == "runner"


def test_helpers_that_the_runner_names_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = helper(tmp_path, monkeypatch)

    assert of_runner(json.dumps({"credHelpers": {"reg.example": "evil"}})) == {
        "username": "stored",
        "password": "by-helper",
    }
    assert run.exists()


def test_a_helper_is_asked_for_its_own_registry_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = helper(tmp_path, monkeypatch)
    text = json.dumps({"credHelpers": {"other.example": "evil"}, "auths": {"reg.example": auth("me")}})

    assert of_runner(text)["username"] == "me"
    assert not run.exists()


@pytest.mark.parametrize("name", ["missing", "../evil", "/tmp/evil", "a b", ""])
def test_a_helper_that_cannot_be_run_takes_nothing_else_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run = helper(tmp_path, monkeypatch)
    text = json.dumps({"credHelpers": {"reg.example/app": name}, "auths": {"reg.example": auth("me")}})

    assert of_runner(text)["username"] == "me"
    assert f"WARNING: The credential helper {name!r} cannot be run" in capsys.readouterr().out
    assert not run.exists()


def test_an_image_of_the_hub_without_an_owner_is_in_the_library() -> None:
    assert login("debian", config(**{"docker.io/library": auth("me")}))["username"] == "me"
    assert login("group/app", config(**{"docker.io/library": auth("me")})) is None


@pytest.mark.parametrize(
    ("environment", "given", "runs"),
    [
        (("DOCKER_AUTH_CONFIG={text}",), "{text}", True),
        (("DOCKER_AUTH_CONFIG={text}",), "", True),
        (("OTHER=x",), "{text}", False),
        ((), "{text}", False),
    ],
)
def test_only_what_stands_in_the_runners_configuration_is_the_runners(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: tuple[str, ...],
    given: str,
    runs: bool,
) -> None:
    run = helper(tmp_path, monkeypatch)
    text = json.dumps({"credHelpers": {"reg.example": "evil"}})
    runner = RunnerSettings(environment=tuple(entry.replace("{text}", text) for entry in environment))
    context = Context(job=job(), settings=Settings(runner=runner))

    made = credentials_of(context, {"CUSTOM_ENV_DOCKER_AUTH_CONFIG": given.replace("{text}", text)})

    assert bool(made.header_for("reg.example/app")) is runs
    assert run.exists() is runs


def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper `evil` on PATH; the file that it leaves when it is run."""
    run = tmp_path / "run"
    program = tmp_path / "docker-credential-evil"
    answer = json.dumps({"ServerURL": "reg.example", "Username": "stored", "Secret": "by-helper"})
    program.write_text(f"#!/bin/sh\n: > {run}\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return run
