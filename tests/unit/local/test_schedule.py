"""Which jobs run, in what order, and what becomes of the others."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from executor.errors import SystemFailure, UsageError
from executor.pipeline.local.control import Control
from executor.pipeline.local.display import Display
from executor.pipeline.local.model import JobResult
from executor.pipeline.local.run_jobs import JobsRun
from executor.pipeline.local.schedule import Schedule
from executor.pipeline.local.selection import select_jobs
from executor.pipeline.model import ArtifactsSpec, Need
from tests.unit.local.builders import make_job, make_pipeline, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.pipeline.local.context import RunContext
    from executor.pipeline.local.model import Status
    from executor.pipeline.model import PipelineJob

VIRIDA = make_pipeline(
    make_job("validate:code", "validate"),
    make_job("test:frontend", "test"),
    make_job("test:ai-ml", "test"),
    make_job("build:frontend", "build", needs=["test:frontend"]),
    make_job("build: [a, x]", "build", needs=[]),
    make_job("build: [b, x]", "build", needs=[]),
    make_job("deploy", "deploy", when="manual"),
    skipped={"docs": "no rule matches"},
)


def select(*words: str, needs: bool = False) -> list[str]:
    """Names of the chosen jobs."""
    return names(select_jobs(VIRIDA, words, needs=needs, file=".gitlab-ci.yml")[0])


class TestSelection:
    """Words on the command line."""

    def test_no_word_is_the_whole_pipeline(self) -> None:
        assert len(select()) == 7

    def test_a_name_is_that_job_alone(self) -> None:
        assert select("test:ai-ml") == ["test:ai-ml"]

    def test_jobs_keep_the_pipelines_order(self) -> None:
        assert select("test:ai-ml", "validate:code") == ["validate:code", "test:ai-ml"]

    def test_a_glob_is_all_that_match(self) -> None:
        assert select("test:*") == ["test:frontend", "test:ai-ml"]

    def test_a_parallel_name_is_all_its_parts(self) -> None:
        assert select("build") == ["build: [a, x]", "build: [b, x]"]
        assert select("build: [b, x]") == ["build: [b, x]"]

    def test_needs_adds_what_runs_first(self) -> None:
        assert select("test:ai-ml", needs=True) == ["validate:code", "test:ai-ml"]
        assert select("build:frontend", needs=True) == ["validate:code", "test:frontend", "build:frontend"]

    def test_an_unknown_job_gets_the_likely_name(self) -> None:
        with pytest.raises(UsageError) as caught:
            select("test:aiml")
        assert caught.value.one_line() == (
            "no job matches `test:aiml` in .gitlab-ci.yml. Did you mean test:ai-ml? `executor exec --list` shows all 8."
        )

    def test_a_job_that_its_rules_keep_out_is_no_unknown_job(self) -> None:
        with pytest.raises(UsageError, match="`docs` is not in this pipeline: no rule matches"):
            select("docs")


class Run:
    """Runs jobs that are functions here. `outcome` gives the status of the jobs that do not pass."""

    def __init__(self, outcome: Mapping[str, Status] | None = None, *, at_once: int = 1) -> None:
        self.outcome = dict(outcome or {})
        self.at_once = at_once
        self.order: list[str] = []
        self.control = Control()
        self.got: dict[str, list[str]] = {}
        self.slots: dict[str, int] = {}

    def __call__(self, *jobs: PipelineJob, chosen: list[str] | None = None) -> dict[str, str]:
        """Status of every job."""
        pipeline = make_pipeline(*jobs)
        wanted, named = select_jobs(pipeline, chosen or (), needs=False, file="f")
        schedule = Schedule(pipeline=pipeline, jobs=wanted, named=frozenset(named))
        context = cast("RunContext", SimpleNamespace(control=self.control, display=Quiet()))
        results = JobsRun(schedule, context, self.at_once, self.run_job).until_end()
        self.notes = {result.job.name: result.note for result in results}
        return {result.job.name: result.status for result in results}

    def run_job(
        self, job: PipelineJob, _context: RunContext, slot: int, dependencies: Mapping[str, JobResult]
    ) -> JobResult:
        """What a job does here: it notes that it ran."""
        self.order.append(job.name)
        self.got[job.name] = list(dependencies)
        self.slots[job.name] = slot
        return JobResult(job=job, status=self.outcome.get(job.name, "passed"), dotenv={"FROM": job.name})


class Quiet(Display):
    """A display that shows nothing."""

    def say(self, text: str, style: str = "") -> None:
        """Nothing."""


class TestOrder:
    """Stages one after the other, needs as soon as they can."""

    def test_a_stage_waits_for_the_one_before(self) -> None:
        run = Run()
        run(make_job("a", "one"), make_job("b", "one"), make_job("c", "two"))
        assert run.order == ["a", "b", "c"]

    def test_needs_do_not_wait_for_a_stage(self) -> None:
        run = Run()
        run(make_job("slow", "one"), make_job("free", "two", needs=[]), make_job("after", "three"))
        assert set(run.order[:2]) == {"slow", "free"}

    def test_an_optional_need_that_does_not_exist_is_no_obstacle(self) -> None:
        need = Need(job="not here", optional=True)
        assert Run()(make_job("a", needs=[need])) == {"a": "passed"}

    def test_jobs_run_at_once_up_to_the_limit(self) -> None:
        run, gate = Run(at_once=2), threading.Barrier(2, timeout=5)

        def meet(job: PipelineJob, *rest: Any) -> JobResult:
            gate.wait()
            return Run.run_job(run, job, *rest)

        run.run_job = meet  # type: ignore[method-assign, assignment]
        assert set(run(make_job("a"), make_job("b")).values()) == {"passed"}
        assert sorted(run.slots.values()) == [0, 1]

    def test_no_more_at_once_than_allowed(self) -> None:
        run = Run(at_once=2)
        running: list[str] = []
        most: list[int] = []

        def count(job: PipelineJob, *rest: Any) -> JobResult:
            running.append(job.name)
            most.append(len(running))
            time.sleep(0.02)
            running.remove(job.name)
            return Run.run_job(run, job, *rest)

        run.run_job = count  # type: ignore[method-assign, assignment]
        run(*(make_job(f"j{number}") for number in range(6)))
        assert max(most) <= 2


class TestWhen:
    """`when` against what happened before."""

    def test_after_a_failure_later_stages_do_not_run(self) -> None:
        run = Run({"a": "failed"})
        assert run(make_job("a", "one"), make_job("b", "two"))["b"] == "skipped"
        assert run.notes["b"] == "a failed"

    def test_other_jobs_of_the_stage_still_run(self) -> None:
        assert Run({"a": "failed"})(make_job("a"), make_job("b"))["b"] == "passed"

    def test_a_failure_that_is_allowed_stops_nothing(self) -> None:
        assert Run({"a": "warned"})(make_job("a", "one"), make_job("b", "two"))["b"] == "passed"

    @pytest.mark.parametrize(
        ("status", "expected"), [("failed", "passed"), ("passed", "skipped"), ("warned", "skipped")]
    )
    def test_on_failure(self, status: Status, expected: str) -> None:
        jobs = [make_job("a", "one"), make_job("alarm", "two", when="on_failure")]
        assert Run({"a": status})(*jobs)["alarm"] == expected

    def test_an_alarm_that_was_not_needed_stops_nothing(self) -> None:
        jobs = [make_job("a", "one"), make_job("alarm", "two", when="on_failure"), make_job("c", "three")]
        assert Run()(*jobs)["c"] == "passed"

    def test_always(self) -> None:
        assert Run({"a": "failed"})(make_job("a", "one"), make_job("b", "two", when="always"))["b"] == "passed"

    def test_a_manual_job_runs_only_when_named(self) -> None:
        job = make_job("deploy", when="manual", allow_failure=True)
        assert Run()(job) == {"deploy": "manual"}
        assert Run()(job, chosen=["deploy"]) == {"deploy": "passed"}

    def test_an_optional_manual_job_stops_no_stage(self) -> None:
        jobs = [make_job("deploy", "one", when="manual", allow_failure=True), make_job("b", "two")]
        assert Run()(*jobs)["b"] == "passed"

    def test_a_blocking_manual_job_stops_later_stages(self) -> None:
        run = Run()
        assert run(make_job("ok", "one", when="manual"), make_job("b", "two"))["b"] == "skipped"
        assert run.notes["b"] == "waits for manual ok"

    def test_who_needs_a_job_that_did_not_run_does_not_run(self) -> None:
        jobs = [make_job("a", "one"), make_job("b", "two", needs=["a"]), make_job("c", "three", needs=["b"])]
        assert Run({"a": "failed"})(*jobs) == {"a": "failed", "b": "skipped", "c": "skipped"}

    def test_a_job_alone_runs_whatever_it_waits_for(self) -> None:
        jobs = [make_job("a", "one"), make_job("b", "two", needs=["a"])]
        assert Run()(*jobs, chosen=["b"]) == {"b": "passed"}

    def test_a_cancel_leaves_waiting_jobs_unstarted(self) -> None:
        run = Run()

        def interrupt(job: PipelineJob, *rest: Any) -> JobResult:
            run.control.interrupt()
            return JobResult(job=job, status="canceled")

        run.run_job = interrupt  # type: ignore[method-assign, assignment]
        jobs = [make_job("a", "one"), make_job("b", "one"), make_job("c", "two", when="always")]
        assert run(*jobs) == {"a": "canceled", "b": "canceled", "c": "canceled"}


class TestArtifacts:
    """Whose artifacts and variables a job gets."""

    def test_all_earlier_stages_by_default(self) -> None:
        run = Run()
        run(make_job("a", "one"), make_job("b", "two"), make_job("c", "three"))
        assert run.got == {"a": [], "b": ["a"], "c": ["a", "b"]}

    def test_needs_narrow_them(self) -> None:
        run = Run()
        without = Need(job="b", artifacts=False)
        run(make_job("a", "one"), make_job("b", "one"), make_job("c", "two", needs=[Need(job="a"), without]))
        assert run.got["c"] == ["a"]

    def test_dependencies_name_them(self) -> None:
        run = Run()
        run(make_job("a", "one"), make_job("b", "one"), make_job("c", "two", dependencies=("b",)))
        run(make_job("a", "one"), make_job("d", "two", dependencies=()))
        assert (run.got["c"], run.got["d"]) == (["b"], [])

    def test_artifacts_of_jobs_outside_of_the_run_are_missing(self) -> None:
        pipeline = make_pipeline(make_job("a", "one", artifacts=ArtifactsSpec(paths=("x",))), make_job("b", "two"))
        schedule = Schedule(pipeline=pipeline, jobs=[pipeline.jobs[1]])
        assert schedule.missing_artifacts(pipeline.jobs[1]) == ["a"]


class TestFaults:
    """What is no outcome of a job."""

    def test_a_failure_of_the_host_fails_the_job_with_its_message(self) -> None:
        run = Run()

        def broken(*_: Any) -> JobResult:
            raise SystemFailure("The disk is full.")

        run.run_job = broken  # type: ignore[method-assign, assignment]
        assert run(make_job("a", "one"), make_job("b", "two")) == {"a": "failed", "b": "skipped"}

    def test_a_fault_of_our_own_is_raised_after_all_jobs_have_ended(self) -> None:
        run = Run(at_once=2)

        def broken(job: PipelineJob, *rest: Any) -> JobResult:
            if job.name == "a":
                raise ZeroDivisionError
            time.sleep(0.1)
            return Run.run_job(run, job, *rest)

        run.run_job = broken  # type: ignore[method-assign, assignment]
        with pytest.raises(ZeroDivisionError):
            run(make_job("a"), make_job("b"))
        assert run.order == ["b"]
