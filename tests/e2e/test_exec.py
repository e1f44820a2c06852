"""`executor exec` as a person types it: whole pipelines of a repository, in real containers."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from executor.pipeline.local.run import run_identity
from tests.e2e.jobs import without_colours
from tests.e2e.runner import LAUNCHER, left_of, wait_until_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

BUSYBOX = "virida-executor/test-busybox"
NON_ROOT = "virida-executor/test-nonroot"
REDIS = "virida-executor/test-redis"
REMOVAL_SECONDS = 30.0


class Project:
    """A repository with a pipeline, a state folder of its own, and `executor exec` in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "demo"
        self.root.mkdir(parents=True)
        self.config = folder / "config.toml"
        self.config.write_text(
            '[[runners]]\nexecutor = "custom"\n[runners.docker]\nimage = "debian:12"\npull_policy = ["never"]\n'
        )
        (folder / "executor.toml").write_text(f'[storage]\nstate_dir = "{folder}/state"\n')
        self.state = folder / "state"
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *words: str) -> str:
        """Git in the repository."""
        author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        done = subprocess.run(
            ["git", "-C", str(self.root), *author, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def commit(self, pipeline: str, **files: str) -> None:
        """Commit a pipeline and other files (`_` in their names is a dot)."""
        (self.root / ".gitlab-ci.yml").write_text(pipeline)
        for name, content in files.items():
            (self.root / name.replace("_", ".")).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")

    def exec(self, *words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """The command to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The command, running."""
        return subprocess.Popen(
            self.command(*words), cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def results(self, *words: str) -> dict[str, Any]:
        """Every job's result by its name."""
        done = self.exec(*words, "--json")
        return {job["name"]: job for job in json.loads(done.stdout)["jobs"]}

    def command(self, *words: str) -> list[str]:
        """What is typed."""
        return [str(LAUNCHER), "exec", "--config", str(self.config), *words]

    def log(self, name: str) -> str:
        """A job's saved log without colours."""
        return without_colours((self.root / ".executor/logs" / f"{name}.log").read_bytes().decode())

    def leftovers(self) -> list[str]:
        """What jobs left in Docker, in the state folder, and in the run's folder."""
        jobs = self.state / "jobs"
        found = left_of(run_identity(self.root).project_id)
        found += [str(path) for path in jobs.iterdir()] if jobs.exists() else []
        return found + [str(path) for path in (self.root / ".executor/runs").iterdir()]


@pytest.fixture
def project(tmp_path: Path, image: Callable[[str], str]) -> Iterator[Project]:
    """A project; after each test nothing of its jobs may be left."""
    project = Project(tmp_path)
    yield project
    if (project.root / ".executor/runs").exists():
        assert wait_until_empty(project.leftovers, REMOVAL_SECONDS) == []


def lines_of(log: str, *, below: str) -> list[str]:
    """Lines of a log that follow the one that shows the command `below`."""
    return log.partition(f"$ {below}\n")[2].splitlines()


class TestPipelines:
    """Several jobs with what passes between them."""

    def test_needs_artifacts_and_variables_pass_between_jobs(self, project: Project) -> None:
        project.commit(
            """
stages: [build, test, deploy]
build:
  stage: build
  script:
    - mkdir -p out/sub && echo built > out/sub/a.txt && echo "no" > out/sub/b.tmp
    - echo "VERSION=1.2" > build.env
  artifacts:
    paths: [out/]
    exclude: ["out/**/*.tmp"]
    reports: {dotenv: build.env}
lint: {stage: build, script: ['true']}
test:
  stage: test
  needs: [build]
  script: ['cat out/sub/a.txt', 'ls out/sub', 'echo "version=$VERSION"']
deploy:
  stage: deploy
  dependencies: []
  script: ['test ! -e out']
"""
        )
        done = project.exec("-j", "2")
        assert done.returncode == 0, done.stdout
        log = project.log("test")
        assert "version=1.2" in log
        assert lines_of(log, below="ls out/sub")[0] == "a.txt"
        assert (project.root / ".executor/artifacts/build/out/sub/a.txt").read_text() == "built\n"
        assert done.stdout.splitlines()[-1].startswith("4 of 4 passed.")
        assert project.git("status", "--porcelain") == ""

    def test_a_failed_job_is_told_with_command_line_and_log(self, project: Project) -> None:
        project.commit(
            """
stages: [test, deploy]
test:ai-ml:
  stage: test
  script:
    - exit 42
    - echo never
  after_script: ['echo "after $CI_JOB_STATUS"']
deploy: {stage: deploy, script: ['true']}
"""
        )
        done = project.exec()
        assert done.returncode == 1
        lines = done.stdout.splitlines()
        assert "  exit 42 in `exit 42` (line 6 of .gitlab-ci.yml). Log: .executor/logs/test-ai-ml.log" in lines
        assert "  Enter it: executor exec test:ai-ml --shell-on-failure" in lines
        assert lines[-1].startswith("1 of 2 failed, 1 not run.")
        assert "after failed" in project.log("test-ai-ml")
        assert "never" not in project.log("test-ai-ml").partition("$ exit 42")[2]
        assert "\x1b" not in done.stdout

    def test_allow_failure_on_failure_and_manual(self, project: Project) -> None:
        project.commit(
            """
stages: [one, two]
may: {stage: one, script: [exit 3], allow_failure: {exit_codes: [3]}}
also: {stage: one, script: [exit 4], allow_failure: true}
after: {stage: two, script: ['true']}
alarm: {stage: two, script: ['true'], when: on_failure}
manual: {stage: two, script: ['true'], when: manual}
"""
        )
        results = project.results()
        assert {name: job["result"] for name, job in results.items()} == {
            "may": "warned",
            "also": "warned",
            "after": "passed",
            "alarm": "skipped",
            "manual": "manual",
        }
        assert project.exec("manual").returncode == 0

    def test_a_matrix_runs_every_cell(self, project: Project) -> None:
        project.commit(
            """
build:
  script: ['echo "$CI_NODE_INDEX/$CI_NODE_TOTAL $OS-$ARCH"']
  parallel:
    matrix: [{OS: [linux, mac], ARCH: [arm]}]
"""
        )
        assert set(project.results("build")) == {"build: [linux, arm]", "build: [mac, arm]"}
        assert "2/2 mac-arm" in project.log("build-mac-arm")

    def test_retry(self, project: Project) -> None:
        project.commit("flaky:\n  script: ['exit 5']\n  retry: {max: 1, exit_codes: [5]}\n")
        job = project.results()["flaky"]
        assert (job["tries"], job["exit_code"], job["reason"]) == (2, 5, "script_failure")

    def test_timeout(self, project: Project) -> None:
        project.commit("slow: {script: [sleep 60], timeout: 2 seconds}\n")
        started = time.monotonic()
        job = project.results()["slow"]
        assert (job["reason"], job["exit_code"]) == ("job_execution_timeout", None)
        assert time.monotonic() - started < 30


class TestSources:
    """What is in the project folder."""

    def test_uncommitted_changes_and_history(self, project: Project) -> None:
        project.commit("show: {script: ['cat a.txt; ls'], variables: {GIT_DEPTH: 1}}\n", a_txt="old\n", gone_txt="g\n")
        (project.root / "a.txt").write_text("changed\n")
        (project.root / "new.txt").write_text("")
        (project.root / "gone.txt").unlink()
        assert "commit" in project.exec().stdout.splitlines()[0]
        assert lines_of(project.log("show"), below="cat a.txt; ls")[:3] == ["changed", "a.txt", "new.txt"]
        project.exec("--committed-only")
        assert lines_of(project.log("show"), below="cat a.txt; ls")[:3] == ["old", "a.txt", "gone.txt"]

    def test_git_works_in_an_image_that_has_it(self, project: Project, image: Callable[[str], str]) -> None:
        helper = image("virida-executor/helper:latest")
        project.commit(f"show: {{image: '{helper}', script: [git describe --tags --dirty, git log --oneline]}}\n")
        project.git("tag", "v1.0")
        done = project.exec()
        assert done.returncode == 0, done.stdout
        assert lines_of(project.log("show"), below="git describe --tags --dirty")[0] == "v1.0"

    def test_submodules_where_they_are_asked_for(self, project: Project, tmp_path: Path) -> None:
        library = Project(tmp_path / "other")
        library.commit("", a_txt="of the library\n")
        project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.root), "lib")
        job = "{script: ['cat lib/a.txt'], variables: {GIT_SUBMODULE_STRATEGY: %s}}"
        project.commit(f"with: {job % 'recursive'}\nwithout: {job % 'none'}\n")
        results = project.results()
        assert (results["with"]["result"], results["without"]["result"]) == ("passed", "failed")

    def test_another_image_for_all_jobs(self, project: Project, image: Callable[[str], str]) -> None:
        project.commit("show: {image: none:none, script: ['busybox true', 'echo $CI_JOB_IMAGE']}\n")
        done = project.exec("--image", image(BUSYBOX))
        assert done.returncode == 0, done.stdout
        assert BUSYBOX in project.log("show")


class TestImages:
    """Scripts need a POSIX shell and nothing else."""

    SCRIPT = "['echo \"it''s $GREETING\"', 'echo made > made.txt', 'exit 3']"

    @pytest.mark.parametrize("name", [BUSYBOX, NON_ROOT, "debian:12"])
    def test_any_shell_and_any_user(self, project: Project, image: Callable[[str], str], name: str) -> None:
        project.commit(
            f"""
show:
  image: {image(name)}
  variables: {{GREETING: "a 'b' $$HOME"}}
  script: {self.SCRIPT}
  after_script: [cat made.txt]
  artifacts: {{paths: [made.txt], when: always}}
"""
        )
        job = project.results()["show"]
        assert job["exit_code"] == 3, project.log("show")
        assert "it's a 'b' $HOME" in project.log("show")
        assert (project.root / ".executor/artifacts/show/made.txt").read_text() == "made\n"

    def test_services_answer_by_their_names(self, project: Project, image: Callable[[str], str]) -> None:
        project.commit(
            f"""
redis:
  image: {image(REDIS)}
  services: [{{name: "{REDIS}", alias: cache}}]
  script: [redis-cli -h cache ping]
"""
        )
        assert project.exec().returncode == 0, project.log("redis")
        assert "PONG" in project.log("redis")


class TestCache:
    """The second run finds what the first one left."""

    PIPELINE = """
job:
  cache: {key: {files: [lock_txt], prefix: deps}, paths: ["$CI_PROJECT_DIR/vendor/**/*.o"]}
  script:
    - cat vendor/deep/a.o || true
    - mkdir -p vendor/deep && echo cached > vendor/deep/a.o
"""

    def test_miss_then_hit_then_miss_with_a_changed_lock_file(self, project: Project) -> None:
        project.commit(self.PIPELINE.replace("lock_txt", "lock.txt"), lock_txt="1")
        caches = [project.results()["job"]["cache"] for _ in range(2)]
        assert "cached\n" in project.log("job").partition("$ mkdir")[0]
        (project.root / "lock.txt").write_text("2")
        assert [*caches, project.results()["job"]["cache"]] == ["miss", "hit", "miss"]


class TestStopping:
    """Ctrl-C leaves nothing behind."""

    PIPELINE = """
slow:
  script: ['sleep 60']
  after_script: ['echo "after $CI_JOB_STATUS"']
later: {stage: deploy, script: ['true']}
"""

    def wait_for(self, process: subprocess.Popen[str], text: str) -> str:
        assert process.stdout
        seen = ""
        for line in process.stdout:
            seen += line
            if text in line:
                return seen
        raise AssertionError(f"{text} never came: {seen}")

    def test_the_first_interrupt_lets_after_script_run(self, project: Project) -> None:
        project.commit(self.PIPELINE)
        process = project.start()
        self.wait_for(process, "$ sleep 60")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "after canceled" in project.log("slow")
        assert "Canceling: after_script and clean-up still run." in output
        assert "2 of 2 failed" in output

    def test_the_second_ends_it_at_once(self, project: Project) -> None:
        project.commit(self.PIPELINE)
        process = project.start()
        self.wait_for(process, "$ sleep 60")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 1

    def test_an_interrupt_while_preparing(self, project: Project) -> None:
        project.commit(self.PIPELINE)
        process = project.start()
        self.wait_for(process, "Using Custom executor")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "$ sleep 60" not in output

    def test_a_terminal_that_is_closed_cancels_it(self, project: Project) -> None:
        project.commit(self.PIPELINE)
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(project.root)
            os.environ["TERM"] = "xterm"
            os.execv(LAUNCHER, project.command("slow"))
        seen = b""
        while b"$ sleep 60" not in seen:
            seen += os.read(terminal, 65536)
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
        assert "after canceled" in project.log("slow")

    def test_what_a_killed_run_left_is_removed_by_the_next_one(self, project: Project) -> None:
        project.commit(self.PIPELINE + "quick: {script: ['true']}\n")
        process = project.start("slow")
        self.wait_for(process, "$ sleep 60")
        process.kill()
        process.communicate()
        assert project.leftovers()
        assert project.exec("quick").returncode == 0


class TestVariables:
    """Variables of the command line."""

    def test_they_win_and_secrets_are_masked(self, project: Project, tmp_path: Path) -> None:
        (tmp_path / "key.pem").write_text("line 1\nline 2\n")
        project.commit(
            """
show:
  variables: {WHO: file}
  script: ['echo "$WHO $SECRET"', 'cat "$KEY"', 'echo "$KEY"']
"""
        )
        done = project.exec(
            "--variable",
            "WHO=me",
            "--variable",
            "SECRET",
            "--file-variable",
            f"KEY={tmp_path}/key.pem",
            environment={"SECRET": "tellnobody"},
        )
        log = project.log("show")
        assert done.returncode == 0, log
        assert "me [MASKED]" in log
        assert "line 1\nline 2\n" in log
        assert "/builds/local/demo.tmp/KEY" in log
        assert "tellnobody" not in log + done.stdout


class TestCalls:
    """What is typed, and what comes back."""

    PIPELINE = "stages: [test]\ntest:ai-ml: {stage: test, image: debian:12, script: ['true'], needs: []}\n"

    def fails(self, project: Project, words: Sequence[str]) -> str:
        done = project.exec(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
        return done.stderr.strip()

    def test_an_unknown_job(self, project: Project) -> None:
        project.commit(self.PIPELINE)
        assert self.fails(project, ["test:aiml"]) == (
            "executor: no job matches `test:aiml` in .gitlab-ci.yml. Did you mean test:ai-ml?"
            " `executor exec --list` shows all 1."
        )

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--nonsense"], "unrecognized arguments: --nonsense"),
            (["--needs"], "--needs goes with the name of a job"),
            (["-j", "0"], "'0' is not a number from 1"),
            (["--variable", "=x"], "'=x' is neither K=V nor the name of an environment variable"),
            (["--file-variable", "K=/none"], "'/none' is not a readable text file"),
            (["--shell-on-failure"], "--shell-on-failure needs a terminal"),
            (["--file", "none.yml"], "none.yml does not exist"),
            (["--config", "/none.toml"], "/none.toml cannot be read"),
        ],
    )
    def test_wrong_calls(self, project: Project, words: list[str], message: str) -> None:
        project.commit(self.PIPELINE)
        assert message in self.fails(project, words)

    def test_an_invalid_pipeline_is_told_with_its_line(self, project: Project) -> None:
        project.commit("a:\n  stage: none\n  script: ['true']\n")
        assert re.match(r"executor: \.gitlab-ci\.yml:\d+: ", self.fails(project, []))

    def test_outside_of_a_repository(self, project: Project, tmp_path: Path) -> None:
        done = subprocess.run([str(LAUNCHER), "exec"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "is not in a git repository" in done.stderr

    def test_the_list(self, project: Project) -> None:
        project.commit(self.PIPELINE)
        lines = project.exec("--list").stdout.splitlines()
        assert lines[0].split() == ["Stage", "Job", "When", "Needs", "Image"]
        assert lines[1].split() == ["test", "test:ai-ml", "on_success", "nothing", "debian:12"]
        listed = json.loads(project.exec("--list", "--json").stdout)
        assert listed["jobs"][0]["name"] == "test:ai-ml"

    def test_the_list_shows_the_images_that_jobs_would_get(self, project: Project) -> None:
        project.commit("variables: {TAG: '12'}\na:\n  variables: {OF: debian}\n  image: $OF:$TAG\n  script: ['true']\n")
        assert project.exec("--list").stdout.splitlines()[1].split()[-1] == "debian:12"
        assert json.loads(project.exec("--list", "--json").stdout)["jobs"][0]["image"] == "debian:12"

    def test_the_cpu_that_a_job_used(self, project: Project) -> None:
        """A load of a second, beside what starting the containers takes."""
        project.commit("a:\n  image: debian:12\n  script: [\"timeout 1 sh -c 'while :; do :; done' || true\"]\n")
        job = json.loads(project.exec("--json").stdout)["jobs"][0]
        assert 0.5 < job["cpu_seconds"] < 3

    def test_json_alone_is_on_standard_output(self, project: Project) -> None:
        project.commit(self.PIPELINE)
        done = project.exec("--json")
        assert json.loads(done.stdout)["result"] == "passed"
        assert "Job succeeded" in done.stderr

    def test_ascii_where_the_locale_has_nothing_else(self, project: Project) -> None:
        project.commit(self.PIPELINE.replace("true", "echo ümlaut ✔"))
        done = project.exec(environment={"LC_ALL": "C"})
        assert done.returncode == 0
        assert done.stdout.isascii()
        assert "ümlaut" in project.log("test-ai-ml")

    def test_what_has_no_effect_is_remarked_on(self, project: Project) -> None:
        project.commit(self.PIPELINE + "  # no effect here\nworkflow: {auto_cancel: {on_new_commit: none}}\n")
        assert project.exec("--list").returncode == 0

    def test_a_system_failure_names_its_cause(self, project: Project) -> None:
        project.commit("a: {image: 'virida-executor/none:none', script: ['true']}\n")
        done = project.exec()
        assert done.returncode == 1
        assert "virida-executor/none:none" in project.log("a")


class TestTerminal:
    """On a terminal things move, and a shell can be had."""

    def on_terminal(self, project: Project, words: Sequence[str], typed: bytes = b"", prompt: bytes = b"# ") -> str:
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(project.root)
            os.environ.update(TERM="xterm", COLUMNS="100", LC_ALL="C.UTF-8")
            os.execv(LAUNCHER, project.command(*words))
        output, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                chunk = os.read(terminal, 65536)
            except OSError:
                break
            output += chunk
            if typed and output.endswith(prompt):
                os.write(terminal, typed)
                typed = b""
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
        os.close(terminal)
        return output.decode(errors="replace")

    def test_a_shell_in_the_container_of_the_failed_job(self, project: Project) -> None:
        project.commit("a: {variables: {WHO: 'it''s me'}, script: [echo made > made.txt, exit 3]}\n")
        words = b'echo "<$WHO>" "<$(cat made.txt)>" "<$PWD>"; exit\n'
        output = self.on_terminal(project, ["a", "--shell-on-failure"], typed=words)
        assert "<it's me> <made> </builds/local/demo>" in output

    def test_several_jobs_that_print_much_at_once(self, project: Project) -> None:
        """Displaying and printing must not wait for each other for ever."""
        job = "{script: ['for i in $(seq 300); do echo line $i; done', exit 1]}"
        project.commit("".join(f"job{number}: {job}\n" for number in range(4)))
        output = self.on_terminal(project, ["-j", "4"])
        assert output.count("line 300") >= 4
        assert "4 of 4 failed" in output
