"""What a person sees: logs, lines, tables and totals."""

from __future__ import annotations

import io
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from executor.pipeline.local.display import Display
from executor.pipeline.local.listing import list_json, list_lines
from executor.pipeline.local.live_display import LiveDisplay
from executor.pipeline.local.log import JobLog, plain, visible
from executor.pipeline.local.model import FailedCommand, Failure, JobResult
from executor.pipeline.local.summary import as_json, overall, summary_lines
from executor.pipeline.local.words import Words, duration
from executor.pipeline.model import ImageSpec
from tests.unit.local.builders import make_job, make_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from executor.pipeline.local.model import Status

GREEN = "\x1b[32;1m$ make\x1b[0;m"


class Stream(io.StringIO):
    """A stream with an encoding that may be a terminal."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = False) -> None:
        super().__init__()
        self._encoding = encoding
        self._terminal = terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the stream can encode."""
        return self._encoding

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal


def result(name: str, status: Status, **fields: Any) -> JobResult:
    """A job's result."""
    return JobResult(job=make_job(name), status=status, **fields)


class TestLines:
    """A line as it looks in the end."""

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ("10%\r50%\r100%", "100%"),
            ("done\r", "done"),
            ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
            ("\x1b[2K\x1b[1Gtext\x1b[?25l", "text"),
            ("\x1b]0;title\x07text", "text"),
            ("a\x07b\x00c", "abc"),
            ("section_start:123:name[collapsed=true]\r\x1b[0KTitle", "Title"),
            ("tab\there ✔", "tab\there ✔"),
        ],
    )
    def test_nothing_but_text_and_colours_is_left(self, line: str, shown: str) -> None:
        assert visible(line) == shown

    def test_plain_has_no_colours_either(self) -> None:
        assert plain(GREEN) == "$ make"


class TestJobLog:
    """The saved log."""

    def write(self, path: Path, *chunks: bytes, secrets: tuple[str, ...] = ()) -> tuple[str, list[str]]:
        shown: list[str] = []
        log = JobLog(path / "a.log", shown.append, secrets)
        for chunk in chunks:
            log.write(chunk)
        log.close()
        return (path / "a.log").read_bytes().decode(errors="replace"), shown

    def test_lines_may_come_in_pieces(self, tmp_path: Path) -> None:
        assert self.write(tmp_path, b"on", b"e\ntw", b"o\nrest") == ("one\ntwo\nrest\n", ["one", "two", "rest"])

    def test_a_secret_in_two_pieces_is_masked(self, tmp_path: Path) -> None:
        saved, shown = self.write(tmp_path, b"x s3c", b"ret y\n", secrets=("s3cret", "no"))
        assert (saved, shown) == ("x [MASKED] y\n", ["x [MASKED] y"])

    def test_what_is_no_text_is_saved_as_it_is(self, tmp_path: Path) -> None:
        saved, shown = self.write(tmp_path, b"\xff\xfe\n")
        assert (tmp_path / "a.log").read_bytes() == b"\xff\xfe\n"
        assert shown == ["\ufffd\ufffd"]
        assert saved

    def test_a_line_of_marks_alone_is_not_shown(self, tmp_path: Path) -> None:
        """As a section of the driver's own ends; a line that a script left empty is one all the same."""
        shown: list[str] = []
        log = JobLog(tmp_path / "a.log", shown.append)
        log.write(b"\x1b[0Ksection_end:1:resource_usage\r\x1b[0K\n\nsection_start:1:x\r\x1b[0KTitle\n")
        log.close()

        assert [visible(line) for line in shown] == ["", "Title"]
        assert b"section_end:1:resource_usage" in (tmp_path / "a.log").read_bytes()

    def test_a_section_is_marked_in_the_file_alone(self, tmp_path: Path) -> None:
        shown: list[str] = []
        log = JobLog(tmp_path / "a.log", shown.append)
        log.begin("get_sources")
        log.write(b"no newline")
        log.end("get_sources")
        log.close()
        lines = (tmp_path / "a.log").read_bytes().decode().split("\n")
        assert lines[0].startswith("section_start:")
        assert lines[0].endswith(":get_sources\r\x1b[0K\x1b[36;1mGetting source from Git repository\x1b[0;m")
        assert lines[1] == "no newline"
        assert lines[2].startswith("section_end:")
        assert [plain(line) for line in shown] == ["Getting source from Git repository", "no newline"]


class TestDisplay:
    """Where nothing moves."""

    def test_a_job_alone_has_no_prefix(self) -> None:
        stream = Stream()
        display = Display(stream)
        display.begin(("test",), [make_job("a")])
        display.line("a", GREEN)
        assert stream.getvalue() == "$ make\n"

    def test_several_jobs_have_their_names_in_front(self) -> None:
        stream = Stream()
        display = Display(stream)
        display.begin(("test",), [make_job("a"), make_job("b")])
        display.line("b", GREEN)
        assert stream.getvalue() == "b | $ make\n"

    @pytest.mark.parametrize(
        ("locale", "expected"), [("C.UTF-8", "✔ a passed in 1.2 s\n"), ("C", "ok a passed in 1.2 s\n")]
    )
    def test_marks_follow_the_locale(self, monkeypatch: pytest.MonkeyPatch, locale: str, expected: str) -> None:
        monkeypatch.setenv("LC_ALL", locale)
        stream = Stream()
        Display(stream).job_ended(result("a", "passed", seconds=1.2))
        assert stream.getvalue() == expected

    def test_text_that_the_locale_lacks_is_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LC_ALL", "C")
        assert Words(Stream()).printable("ü✔") == "??"

    def test_a_job_that_did_not_run_says_why(self) -> None:
        stream = Stream()
        Display(stream).job_ended(result("a", "skipped", note="b failed"))
        assert stream.getvalue().endswith("a not run (b failed)\n")


class TestLiveDisplay:
    """Where things move."""

    @pytest.fixture
    def stream(self, monkeypatch: pytest.MonkeyPatch) -> Stream:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("LC_ALL", "C.UTF-8")
        monkeypatch.delenv("NO_COLOR", raising=False)
        return Stream(terminal=True)

    def play(self, stream: Stream) -> str:
        display = LiveDisplay(stream)
        jobs = [make_job("build", "build"), make_job("test:a"), make_job("test:b")]
        display.begin(("build", "test"), jobs)
        display.job_started(jobs[1])
        display.job_ended(result("build", "passed", seconds=1.25))
        display.line("test:a", GREEN)
        display._live.refresh()
        display.end()
        return stream.getvalue()

    def test_stages_marks_and_the_last_line_are_shown(self, stream: Stream) -> None:
        text = plain(self.play(stream).replace("\r", "\n").replace("\n", "|"))
        assert "  build   ✔ build 1.2 s" in text
        assert "  test    ▶ test:a  · test:b" in text
        assert "test:a 00:00 $ make" in text

    def test_no_color_has_no_colour(self, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b[32m" not in self.play(stream)

    def print_much(self, display: Display, job: str) -> None:
        for _ in range(200):
            display.line(job, "x")

    def test_many_threads_print_while_it_moves(self, stream: Stream) -> None:
        """Rendering and printing hold locks of their own: this hangs if they wait for each other."""
        display = LiveDisplay(stream)
        jobs = [make_job(f"j{number}") for number in range(4)]
        display.begin(("test",), jobs)
        threads = [threading.Thread(target=self.print_much, args=(display, job.name), daemon=True) for job in jobs]
        for job, thread in zip(jobs, threads, strict=True):
            display.job_started(job)
            thread.start()
        for _ in range(100):
            display._live.refresh()
        for thread in threads:
            thread.join(timeout=20)
        assert not any(thread.is_alive() for thread in threads)
        display.end()

    def test_the_terminal_can_be_given_away(self, stream: Stream) -> None:
        display = LiveDisplay(stream)
        display.begin(("test",), [make_job("a")])
        with display.paused():
            stream.truncate(0)
            stream.seek(0)
            display.job_started(make_job("a"))
            assert stream.getvalue() == ""
        display.end()


class TestSummary:
    """The end of a run."""

    FAILURE = Failure(reason="script_failure", message="exit status 1", exit_code=1, stage="step_script")

    def lines(self, root: Path, *results: JobResult) -> list[str]:
        return [line.text for line in summary_lines(results, 31.8, root)]

    def test_the_table(self, tmp_path: Path) -> None:
        command = FailedCommand(command="pytest -q", where="line 42 of .gitlab-ci.yml")
        log = tmp_path / ".executor/logs/test-ai-ml.log"
        failed = result(
            "test:ai-ml", "failed", seconds=14, failure=self.FAILURE, command=command, cache="miss", log=log
        )
        assert self.lines(
            tmp_path,
            result("test:frontend", "passed", seconds=8.4, cache="hit", cpu_seconds=11.2),
            failed,
            result("deploy", "skipped", note="test:ai-ml failed"),
        ) == [
            "Stage   Job             Result    Time     CPU      Cache",
            "test    test:frontend   passed    8.4 s    11.2 s   hit",
            "test    test:ai-ml      failed    14.0 s            miss",
            "  exit 1 in `pytest -q` (line 42 of .gitlab-ci.yml). Log: .executor/logs/test-ai-ml.log",
            "  Enter it: executor exec test:ai-ml --shell-on-failure",
            "test    deploy          not run",
            "  test:ai-ml failed",
            "1 of 3 failed, 1 not run. 31.8 s.",
        ]

    def test_no_column_without_anything_in_it(self, tmp_path: Path) -> None:
        assert self.lines(tmp_path, result("a", "passed", seconds=1))[0] == "Stage   Job   Result   Time"

    def test_a_name_for_the_shell_is_quoted(self, tmp_path: Path) -> None:
        lines = self.lines(tmp_path, result("a: [b, c]", "failed", failure=self.FAILURE))
        assert "  Enter it: executor exec 'a: [b, c]' --shell-on-failure" in lines

    def test_a_failure_before_the_script_names_its_stage_and_offers_no_shell(self, tmp_path: Path) -> None:
        failure = Failure(reason="runner_system_failure", message="exit status 2", stage="prepare")
        assert self.lines(tmp_path, result("a", "failed", failure=failure))[2:] == [
            "  exit status 2 in prepare.",
            "1 of 1 failed. 31.8 s.",
        ]

    def test_a_long_command_is_cut(self, tmp_path: Path) -> None:
        command = FailedCommand(command="x" * 100)
        assert (
            f"`{'x' * 60}...`" in self.lines(tmp_path, result("a", "failed", failure=self.FAILURE, command=command))[2]
        )

    def test_allowed_failures_are_counted_apart(self, tmp_path: Path) -> None:
        results = [result("a", "passed"), result("b", "warned", failure=self.FAILURE)]
        assert self.lines(tmp_path, *results)[-1] == "1 of 2 passed, 1 failed but may. 31.8 s."

    @pytest.mark.parametrize(
        ("statuses", "expected"),
        [
            (["passed", "warned", "skipped", "manual"], "passed"),
            (["passed", "canceled"], "canceled"),
            (["canceled", "failed"], "failed"),
            ([], "passed"),
        ],
    )
    def test_the_whole(self, statuses: list[Status], expected: str) -> None:
        assert overall([result(str(number), status) for number, status in enumerate(statuses)]) == expected

    def test_json(self, tmp_path: Path) -> None:
        failed = result("a", "failed", seconds=1.23456, failure=self.FAILURE, log=tmp_path / "l.log")
        text = json.dumps(as_json([failed], 2, tmp_path))
        assert json.loads(text)["jobs"] == [
            {
                "name": "a",
                "stage": "test",
                "result": "failed",
                "seconds": 1.235,
                "cpu_seconds": None,
                "tries": 1,
                "exit_code": 1,
                "reason": "script_failure",
                "message": "exit status 1",
                "command": None,
                "where": None,
                "cache": None,
                "log": "l.log",
                "note": None,
            }
        ]

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.04, "0.0 s"), (59.9, "59.9 s"), (59.97, "1 m 00 s"), (372, "6 m 12 s"), (3720, "1 h 02 m")],
    )
    def test_durations(self, seconds: float, text: str) -> None:
        assert duration(seconds) == text


class TestListing:
    """`--list`."""

    PIPELINE = make_pipeline(
        make_job("build", "build", image=ImageSpec(name="node:18")),
        make_job("test", "test", needs=["build"]),
        make_job("fast", "test", needs=[]),
        make_job("deploy", "deploy", when="manual"),
        skipped={"docs": "no rule matches"},
    )

    def test_the_table(self) -> None:
        assert list_lines(self.PIPELINE) == [
            "Stage    Job      When         Needs     Image     Not run because",
            "build    build    on_success             node:18",
            "test     test     on_success   build",
            "test     fast     on_success   nothing",
            "deploy   deploy   manual                           manual: name it to run it",
            "         docs                                      no rule matches",
        ]

    def test_json(self) -> None:
        listed = json.loads(json.dumps(list_json(self.PIPELINE)))
        assert listed["stages"] == ["build", "test", "deploy"]
        assert [job["needs"] for job in listed["jobs"]] == [None, ["build"], [], None]
        assert listed["skipped"] == [{"name": "docs", "reason": "no rule matches"}]
