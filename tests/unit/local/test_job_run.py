"""A job from config_exec to cleanup_exec: which calls are made, in what order, and what they are given."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from executor.job.environment import custom_environment
from executor.job.model import Variable
from executor.job.response import load_job
from executor.pipeline.local.job_run import should_retry, status_of
from executor.pipeline.local.model import Failure
from executor.pipeline.model import ArtifactsSpec, CacheSpec, ImageSpec, Position, RetrySpec
from tests.unit.local.builders import make_job
from tests.unit.local.fake_driver import FakeDriver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from executor.pipeline.local.model import JobResult

FEWEST = ["config", "prepare", "prepare_script", "get_sources", "build_script", "cleanup_file_variables", "cleanup"]
SCRIPT_FAILURE = Failure(reason="script_failure", message="exit status 3", exit_code=3)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """A driver without containers."""
    return FakeDriver(tmp_path / "demo", monkeypatch)


class TestCalls:
    """Section 1 of the runner's protocol."""

    @pytest.mark.parametrize(
        ("answer", "seconds"), [('{"version": 1, "cpu_seconds": 1.25}', 1.25), ("", None), ("{}", None), ("[1", None)]
    )
    def test_what_the_containers_used_is_asked_before_they_go(
        self, driver: FakeDriver, answer: str, seconds: float | None
    ) -> None:
        (driver.here / "used").write_text(answer)
        result = driver.run(make_job())
        assert (result.status, result.cpu_seconds) == ("passed", seconds)

    def test_a_plain_job_makes_seven_calls(self, driver: FakeDriver) -> None:
        assert driver.run(make_job()).status == "passed"
        assert driver.calls == FEWEST

    def test_a_full_job_makes_all_of_them(self, driver: FakeDriver) -> None:
        spec = ArtifactsSpec(paths=("out",))
        first = driver.run(make_job("build", script=("mkdir out", "echo 1 > out/a"), artifacts=spec))
        (driver.here / "calls").unlink()
        job = make_job(
            script=("cat out/a",), after_script=("true",), cache=(CacheSpec(paths=("vendor",)),), artifacts=spec
        )
        assert driver.run(job, {"build": first}).status == "passed"
        assert driver.calls == [
            "config",
            "prepare",
            "prepare_script",
            "get_sources",
            "restore_cache",
            "download_artifacts",
            "build_script",
            "after_script",
            "archive_cache",
            "upload_artifacts_on_success",
            "cleanup_file_variables",
            "cleanup",
        ]

    def test_after_a_failure_other_stages_follow(self, driver: FakeDriver) -> None:
        job = make_job(
            script=("exit 3",),
            after_script=("echo status=$CI_JOB_STATUS",),
            cache=(CacheSpec(paths=("a",), when="always"), CacheSpec(key="b", paths=("b",))),
            artifacts=ArtifactsSpec(paths=("out",), when="on_failure"),
        )
        result = driver.run(job)
        assert result.failure == Failure(
            reason="script_failure", message="exit status 3", exit_code=3, stage="step_script"
        )
        assert driver.calls[6:] == [
            "after_script",
            "archive_cache_on_failure",
            "upload_artifacts_on_failure",
            "cleanup_file_variables",
            "cleanup",
        ]
        assert "status=failed" in driver.log

    def test_without_sources_nothing_of_the_user_runs(self, driver: FakeDriver) -> None:
        driver.answer("exit-get_sources", "1")
        job = make_job(after_script=("true",), artifacts=ArtifactsSpec(paths=("a",), when="always"))
        assert driver.run(job).status == "failed"
        assert driver.calls[3:] == ["get_sources", "upload_artifacts_on_failure", "cleanup_file_variables", "cleanup"]

    def test_a_failing_first_stage_ends_the_job_at_once(self, driver: FakeDriver) -> None:
        driver.answer("exit-prepare_script", "2")
        result = driver.run(make_job())
        assert result.failure
        assert result.failure.reason == "runner_system_failure"
        assert driver.calls == ["config", "prepare", "prepare_script", "cleanup"]

    def test_a_failing_after_script_changes_nothing(self, driver: FakeDriver) -> None:
        assert driver.run(make_job(after_script=("exit 9",))).status == "passed"
        assert "after_script failed, but job will continue unaffected: exit status 9" in driver.log

    def test_a_failing_upload_fails_a_good_job(self, driver: FakeDriver) -> None:
        driver.answer("exit-upload_artifacts_on_success", "1")
        result = driver.run(make_job(artifacts=ArtifactsSpec(paths=("a",))))
        assert result.failure
        assert result.failure.stage == "upload_artifacts_on_success"

    @pytest.mark.parametrize(
        ("code", "reason"), [("2", "runner_system_failure"), ("7", "runner_system_failure"), ("1", "script_failure")]
    )
    def test_exit_codes_of_the_driver_mean_what_they_mean_to_the_runner(
        self, driver: FakeDriver, code: str, reason: str
    ) -> None:
        driver.answer("exit-build_script", code)
        result = driver.run(make_job())
        assert result.failure
        assert result.failure.reason == reason

    def test_a_script_that_is_stopped_by_a_system_failure_in_prepare_is_tried_three_times(
        self, driver: FakeDriver
    ) -> None:
        driver.answer("prepare-exit", "2\n2\n2\n")
        result = driver.run(make_job())
        assert result.failure
        assert result.failure.reason == "runner_system_failure"
        assert driver.calls == ["config", "prepare", "cleanup"] * 3
        assert len(set(driver.folders)) == 3

    def test_a_prepare_that_works_the_second_time(self, driver: FakeDriver) -> None:
        driver.answer("prepare-exit", "2\n0\n")
        assert driver.run(make_job()).status == "passed"
        assert driver.calls == ["config", "prepare", "cleanup", *FEWEST]
        assert "Preparation failed: exit status 2" in driver.log

    def test_a_prepare_that_blames_the_job_is_not_tried_again(self, driver: FakeDriver) -> None:
        driver.answer("prepare-exit", "1\n")
        result = driver.run(make_job())
        assert result.failure
        assert result.failure.reason == "script_failure"
        assert driver.calls == ["config", "prepare", "cleanup"]

    def test_nothing_is_left_of_an_attempt(self, driver: FakeDriver) -> None:
        driver.run(make_job())
        assert (driver.here / "scripts").read_text().split() == ["4"]
        assert not os.path.exists(driver.folders[0])


class TestEnvironment:
    """Section 2: what a call is given."""

    def test_the_runners_own_variables(self, driver: FakeDriver) -> None:
        driver.run(make_job())
        environment = driver.environment
        folder = environment["TMPDIR"]
        assert environment["BUILD_FAILURE_EXIT_CODE"] == "1"
        assert environment["SYSTEM_FAILURE_EXIT_CODE"] == "2"
        assert environment["BUILD_EXIT_CODE_FILE"] == f"{folder}/build_exit_code"
        assert environment["JOB_RESPONSE_FILE"] == f"{folder}/response.json"
        assert environment["CUSTOM_ENV_CI_PROJECT_DIR"] == f"{driver.config['builds_dir']}/virida/demo"
        assert f"preparing in {folder}" in driver.log

    def test_variables_of_the_job(self, driver: FakeDriver) -> None:
        job = make_job(
            variables={"A": "$B in $CI_PROJECT_DIR", "B": "$RAW", "RAW": "$X"},
            raw_variables=frozenset({"RAW"}),
            services=(ImageSpec(name="redis:$B", alias="cache other"),),
        )
        driver.run(job, overrides=[Variable(key="F", value="content", file=True), Variable(key="B", value="mine")])
        custom = custom_environment(driver.environment)
        assert custom["A"] == f"mine in {driver.config['builds_dir']}/virida/demo"
        assert custom["RAW"] == "$X"
        assert custom["F"] == "content"
        assert custom["CI_JOB_STATUS"] == "running"
        assert json.loads(custom["CI_JOB_SERVICES"]) == [
            {"name": "redis:mine", "alias": "cache", "entrypoint": None, "command": None}
        ]

    def test_config_may_add_to_the_environment_but_not_to_the_jobs(self, driver: FakeDriver) -> None:
        driver.config["job_env"] = {"EXTRA": "1", "CUSTOM_ENV_CI_PROJECT_NAME": "forged"}
        driver.run(make_job())
        assert driver.environment["EXTRA"] == "1"
        assert driver.environment["CUSTOM_ENV_CI_PROJECT_NAME"] == "demo"

    def test_a_shared_builds_dir_has_a_folder_for_each_slot(self, driver: FakeDriver) -> None:
        driver.config["builds_dir_is_shared"] = True
        driver.run(make_job())
        assert driver.environment["CUSTOM_ENV_CI_PROJECT_DIR"] == f"{driver.config['builds_dir']}/0/virida/demo"

    def test_a_config_that_prints_no_json_is_a_system_failure(self, driver: FakeDriver) -> None:
        driver.config = {}
        driver.here.joinpath("executor").write_text("#!/bin/sh\necho nonsense\n")
        result = driver.run(make_job())
        assert result.failure
        assert result.failure.message == "the driver's config printed something else than JSON"

    def test_the_response_file_is_what_the_driver_reads(self, driver: FakeDriver) -> None:
        job = make_job(
            "test:one",
            timeout=90,
            image=ImageSpec(name="debian:$V", entrypoint=(), user="1000", pull_policy=("always",)),
            services=(ImageSpec(name="redis", alias="r", command=("a", "b"), variables={"X": "$Y"}),),
            variables={"V": "12", "TWICE": "$V$V"},
        )
        driver.run(job)
        read = load_job(str(driver.response), {})
        assert (read.name, read.stage, read.timeout) == ("test:one", "test", 90)
        assert (read.id, read.project_id, read.pipeline_id) == (101, 42, 7)
        assert (read.project_path, read.sha, read.ref) == ("virida/demo", "a" * 40, "main")
        assert (read.image.name, read.image.entrypoint, read.image.user) == ("debian:12", (), "1000")
        assert read.image.pull_policy == ("always",)
        assert (read.services[0].alias, read.services[0].command) == ("r", ("a", "b"))
        assert read.services[0].variables[0].value == "$Y"
        assert {entry.key: entry.value for entry in read.variables}["TWICE"] == "1212"

    def test_an_image_without_an_entrypoint_keeps_its_own(self, driver: FakeDriver) -> None:
        driver.run(make_job(image=ImageSpec(name="debian:12")))
        assert load_job(str(driver.response), {}).image.entrypoint is None


class TestResults:
    """What is known of a job in the end."""

    def test_the_failed_command_and_its_line(self, driver: FakeDriver) -> None:
        positions = tuple(Position(file="ci/test.yml", line=line) for line in (10, 11, 13))
        job = make_job(
            before_script=("true",), script=("echo one", "exit 3 # here\n", "echo three"), script_positions=positions
        )
        result = driver.run(job)
        assert result.command
        assert (result.command.command, result.command.where) == ("exit 3 # here", "line 11 of ci/test.yml")

    def test_a_command_of_before_script(self, driver: FakeDriver) -> None:
        result = driver.run(make_job(before_script=("exit 3",)))
        assert result.command
        assert result.command.where == "before_script"

    def test_artifacts_are_shown_and_those_of_the_last_run_are_gone(self, driver: FakeDriver) -> None:
        shown = driver.folder.artifacts("unit")
        spec = ArtifactsSpec(paths=("*.txt",), reports={"junit": ("*.xml",), "dotenv": ("v.env",)})
        result = driver.run(make_job(script=("echo 1 > a.txt", "echo 2 > j.xml", "echo V=3 > v.env"), artifacts=spec))
        assert sorted(path.name for path in shown.iterdir()) == ["a.txt", "j.xml"]
        assert result.dotenv == {"V": "3"}
        driver.run(make_job(script=("echo 1 > b.txt",), artifacts=spec))
        assert [path.name for path in shown.iterdir()] == ["b.txt"]

    def test_dotenv_variables_reach_later_jobs_and_win_over_the_files_own(self, driver: FakeDriver) -> None:
        spec = ArtifactsSpec(reports={"dotenv": ("v.env",)})
        first = driver.run(make_job("build", script=("echo V=1.2 > v.env",), artifacts=spec))
        driver.run(make_job(script=('echo "v=$V"',), variables={"V": "own"}), {"build": first})
        assert "v=1.2" in driver.log

    def test_the_cache_column(self, driver: FakeDriver) -> None:
        job = make_job(script=("mkdir -p v", "touch v/a"), cache=(CacheSpec(key="k", paths=("v",)),))
        assert [driver.run(job).cache, driver.run(job).cache] == ["miss", "hit"]

    def test_several_caches_count_their_hits(self, driver: FakeDriver) -> None:
        one, two = CacheSpec(key="1", paths=("v",)), CacheSpec(key="2", paths=("none",))
        job = make_job(script=("mkdir -p v", "touch v/a"), cache=(one, two))
        driver.run(job)
        assert driver.run(job).cache == "1 of 2 hit"

    def test_a_cache_path_may_name_the_project_folder(self, driver: FakeDriver) -> None:
        job = make_job(script=("mkdir -p v", "touch v/a"), cache=(CacheSpec(key="k", paths=("$CI_PROJECT_DIR/v",)),))
        assert [driver.run(job).cache, driver.run(job).cache] == ["miss", "hit"]

    def test_secrets_are_masked_in_file_and_display(self, driver: FakeDriver) -> None:
        result = driver.run(
            make_job(script=('echo "token $TOKEN"',)), overrides=[Variable(key="TOKEN", value="s3cr3t!", masked=True)]
        )
        assert result.log
        assert "token [MASKED]" in result.log.read_text()
        assert "s3cr3t!" not in result.log.read_text() + driver.log

    def test_the_log_has_gitlabs_sections(self, driver: FakeDriver) -> None:
        log = driver.run(make_job()).log
        assert log
        text = log.read_bytes().decode()
        assert "section_start:" in text
        assert ":step_script\r\x1b[0K" in text
        assert text.endswith("Job succeeded\x1b[0;m\n")

    @pytest.mark.parametrize(
        ("allowed", "status"),
        [(False, "failed"), (True, "warned"), ((3, 4), "warned"), ((4,), "failed")],
    )
    def test_allow_failure(self, allowed: bool | tuple[int, ...], status: str) -> None:
        assert status_of(SCRIPT_FAILURE, allowed) == status


class TestRetry:
    """`retry:`."""

    @pytest.mark.parametrize(
        ("retry", "expected"),
        [
            (RetrySpec(), False),
            (RetrySpec(max=1), True),
            (RetrySpec(max=1, when=("script_failure",)), True),
            (RetrySpec(max=1, when=("always",)), True),
            (RetrySpec(max=1, when=("runner_system_failure",)), False),
            (RetrySpec(max=1, exit_codes=(3,)), True),
            (RetrySpec(max=1, exit_codes=(4,)), False),
            (RetrySpec(max=1, when=("runner_system_failure",), exit_codes=(3,)), True),
        ],
    )
    def test_when_and_exit_codes_decide(self, retry: RetrySpec, expected: bool) -> None:
        assert should_retry(SCRIPT_FAILURE, retry, 1) is expected

    def test_a_cancel_is_never_retried(self) -> None:
        assert not should_retry(Failure(reason="job_canceled", message=""), RetrySpec(max=2), 1)

    def test_each_try_is_a_new_job_and_the_last_counts(self, driver: FakeDriver) -> None:
        flag = driver.here / "tried"
        job = make_job(script=(f"test -e {flag} || {{ touch {flag}; exit 3; }}",), retry=RetrySpec(max=2))
        result = driver.run(job)
        assert (result.status, result.tries) == ("passed", 2)
        assert driver.calls == FEWEST * 2
        assert load_job(str(driver.response), {}).id == 102


def interrupt_when(driver: FakeDriver, seen: Callable[[], bool], times: int = 1) -> None:
    """Interrupt from beside, as soon as something is seen."""

    def wait() -> None:
        deadline = time.monotonic() + 10
        while not seen() and time.monotonic() < deadline:
            time.sleep(0.02)
        for _ in range(times):
            driver.control.interrupt()

    threading.Thread(target=wait, daemon=True).start()


class TestStopping:
    """Sections 1.4 and 1.5: cancel, timeouts, and what still runs after them."""

    def reason(self, result: JobResult) -> str:
        assert result.failure
        return result.failure.reason

    def test_a_cancel_during_the_script_lets_after_script_run(self, driver: FakeDriver) -> None:
        interrupt_when(driver, lambda: "begin" in driver.display.lines)
        result = driver.run(make_job(script=("echo begin", "sleep 20"), after_script=("echo status=$CI_JOB_STATUS",)))
        assert (result.status, self.reason(result)) == ("canceled", "job_canceled")
        assert driver.calls[-4:] == ["build_script", "after_script", "cleanup_file_variables", "cleanup"]
        assert "status=canceled" in driver.log

    def test_a_second_interrupt_leaves_only_the_cleanup(self, driver: FakeDriver) -> None:
        interrupt_when(driver, lambda: "begin" in driver.display.lines, times=2)
        driver.run(make_job(script=("echo begin", "sleep 20"), after_script=("true",)))
        assert driver.calls[-2:] == ["build_script", "cleanup"]

    def test_a_cancel_before_the_script_leaves_only_the_cleanup(self, driver: FakeDriver) -> None:
        interrupt_when(driver, lambda: any("preparing" in line for line in driver.display.lines))
        job = make_job(pre_get_sources_script=("sleep 20",), after_script=("true",))
        assert driver.run(job).status == "canceled"
        assert driver.calls[-1] == "cleanup"
        assert "build_script" not in driver.calls

    def test_the_jobs_timeout_leaves_only_the_cleanup(self, driver: FakeDriver) -> None:
        result = driver.run(make_job(script=("sleep 20",), after_script=("true",), timeout=1))
        assert self.reason(result) == "job_execution_timeout"
        assert result.failure
        assert result.failure.message == "execution took longer than 1 seconds"
        assert driver.calls[-2:] == ["build_script", "cleanup"]

    def test_the_scripts_own_timeout_lets_the_rest_run(self, driver: FakeDriver) -> None:
        job = make_job(
            script=("sleep 20",), after_script=("echo $CI_JOB_STATUS",), variables={"RUNNER_SCRIPT_TIMEOUT": "1s"}
        )
        assert self.reason(driver.run(job)) == "job_execution_timeout"
        assert driver.calls[-3:] == ["after_script", "cleanup_file_variables", "cleanup"]
        assert "timedout" in driver.log

    def test_after_script_has_a_timeout_of_its_own(self, driver: FakeDriver) -> None:
        job = make_job(after_script=("sleep 20",), variables={"RUNNER_AFTER_SCRIPT_TIMEOUT": "1s"})
        assert driver.run(job).status == "passed"
        assert driver.calls[-2:] == ["cleanup_file_variables", "cleanup"]
