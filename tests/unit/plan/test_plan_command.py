"""`executor plan`: complete, at most 100 columns wide, and silent about secrets."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from executor import cli
from executor.cli.plan import main
from executor.errors import JobError, OperatorError, SystemFailure, UsageError

CASE = Path(__file__).parents[2] / "cases" / "plan" / "services"
RESPONSE, CONFIG = str(CASE / "response.json"), str(CASE / "config.toml")
PIPELINE = """
stages: [test]
test:go:
  stage: test
  image: {name: "golang:$GO", entrypoint: [""]}
  services: [{name: "postgres:16", alias: db, variables: {POSTGRES_PASSWORD: hunter2-secret}}]
  variables: {GO: "1.23"}
  script: [go test ./...]
test:matrix:
  stage: test
  image: debian:12
  script: [make]
  parallel: 2
"""


@pytest.fixture(autouse=True)
def _same_on_every_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JOB_RESPONSE_FILE", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / ".gitlab-ci.yml").write_text(PIPELINE)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    return folder


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--job-response", RESPONSE, "--config", CONFIG]) == 0

    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 100
    for said in (
        "job 1001 unit of virida/demo, for case",
        "redis:7",
        "postgres:16",
        "if-not-present",
        "Memory 2 GiB",
        "Memory 512 MiB",
        '["redis-server"]',
        "shares the helper's",
        "/usr/local/bin/gitlab-runner",
        "com.gitlab.gitlab-runner.managed",
        "warning: Service redis:7 cannot have the alias 'redis': it is taken.",
    ):
        assert said in text
    assert "\x1b" not in text


def test_the_policy_that_holds_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = shutil.copy(CONFIG, tmp_path / "config.toml")
    (tmp_path / "executor.toml").write_text('[[policy]]\nname = "[red]ours"\nprojects = ["virida/**"]\n')
    assert main(["--job-response", RESPONSE, "--config", str(config)]) == 0
    assert 'policy "[red]ours" of executor.toml holds for it\n' in capsys.readouterr().out
    assert main(["--job-response", RESPONSE, "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["policy"] == '"[red]ours"'


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--job-response", RESPONSE, "--config", CONFIG, "--json"]) == 0

    made = json.loads(capsys.readouterr().out)
    assert made["version"] == 1
    assert made["job"] == {"id": 1001, "name": "unit"}
    assert [container["role"] for container in made["containers"]] == ["helper", "build"] + ["service"] * 3
    greeting = next(container for container in made["containers"] if "second" in container.get("aliases", []))
    assert "GREETING" in greeting["environment"]


def test_what_becomes_of_stages_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"EXECUTOR_JOB_SECTION_ATTEMPTS": "3", "FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR": "true"}
    asked |= {"CI_PROJECT_DIR": "/builds/virida/demo"}
    response = json.loads(Path(RESPONSE).read_text())
    response["variables"] += [{"key": key, "value": value} for key, value in asked.items()]
    (tmp_path / "response.json").write_text(json.dumps(response))
    words = ["--job-response", str(tmp_path / "response.json"), "--config", CONFIG]

    assert main([*words, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["attempts"] == 3
    assert made["handover"]["project_dir"] == "/builds/virida/demo"

    assert main(words) == 0
    text = capsys.readouterr().out
    assert "3, where a container vanishes under a stage" in text
    assert "/builds/virida/demo becomes that of who runs the scripts" in text
    assert main(["--job-response", RESPONSE, "--config", CONFIG]) == 0
    assert "Stages" not in capsys.readouterr().out


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_values_of_variables_are_not_shown(
    form: list[str], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test:go", *form]) == 0

    text = capsys.readouterr().out
    assert "POSTGRES_PASSWORD" in text
    assert "hunter2" not in text


def test_a_job_of_the_repository(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test:go", "--json"]) == 0

    made = json.loads(capsys.readouterr().out)
    build, service = made["containers"][1], made["containers"][2]
    assert (build["image"]["name"], build["entrypoint"]) == ("golang:1.23", [])
    assert service["aliases"] == ["postgres", "db"]
    assert not (repository / ".executor").exists()


def test_the_runners_own_file_is_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOB_RESPONSE_FILE", RESPONSE)

    assert main(["--config", CONFIG, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["job"]["id"] == 1001


def test_what_a_job_wrote_cannot_draw_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    response = json.loads(Path(RESPONSE).read_text())
    response["services"] = []
    response["image"]["entrypoint"] = ["[red]x[/red]", "\x1b[2J"]
    (tmp_path / "response.json").write_text(json.dumps(response))

    main(["--job-response", str(tmp_path / "response.json"), "--config", CONFIG])

    text = capsys.readouterr().out
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ([], UsageError, "which job"),
        (["--bad"], UsageError, "unrecognized arguments: --bad"),
        (["a", "b"], UsageError, "unrecognized arguments: b"),
        (["test:go", "--job-response", RESPONSE], UsageError, "exclude each other"),
        (["--job-response", "/nowhere.json", "--config", CONFIG], SystemFailure, "does not exist"),
        (["--job-response", RESPONSE, "--config", "/nowhere.toml"], OperatorError, "nowhere.toml"),
        (["test:go"], UsageError, "not in a git repository"),
    ],
)
def test_wrong_calls(words: list[str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        main(words)


@pytest.mark.parametrize(
    ("name", "said"), [("test:rust", "no job matches `test:rust`"), ("test:matrix", "names 2 jobs: test:matrix 1/2")]
)
def test_a_job_that_is_none_or_many(name: str, said: str, repository: Path) -> None:
    with pytest.raises(UsageError, match=said):
        main([name])


def test_a_job_that_cannot_be_planned_is_told_why(capsys: pytest.CaptureFixture[str]) -> None:
    case = CASE.parent / "no-image"
    words = ["--job-response", str(case / "response.json"), "--config", str(case / "config.toml")]

    with pytest.raises(JobError, match="names no image"):
        main(words)
    assert cli.dispatch(["plan", *words]) == 1
    assert capsys.readouterr().err == (
        "executor: The job names no image and the runner has no default. "
        "Add `image:` to the job (or `image` to [runners.docker] in config.toml).\n"
    )
