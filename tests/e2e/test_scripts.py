"""What scripts may contain, what they print, and how they end."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, between, marked

if TYPE_CHECKING:
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner


def test_a_plain_job_succeeds_and_prints_what_it_echoes(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["echo hello", "id -u"]))
    assert record.outcome == ("success", None, None)
    assert "\nhello\n" in record.section("step_script")
    assert record.section("step_script").endswith("\n0\n")


def test_the_log_names_the_driver(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["true"]))
    assert "Using Custom executor with driver virida-executor" in record.trace


@pytest.mark.parametrize("code", [1, 2, 42, 137, 255])
def test_an_exit_code_reaches_gitlab_as_it_is(runner: GitLabRunner, code: int) -> None:
    record = runner.run(Job(script=["echo before", f"exit {code}", "echo after"]))
    assert record.outcome == ("failed", "script_failure", code)
    assert "\nbefore\n" in record.trace
    assert "\nafter\n" not in record.trace


def test_exit_zero_ends_a_script_with_success(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["exit 0", "echo after"]))
    assert record.outcome == ("success", None, None)
    assert "\nafter\n" not in record.trace


def test_a_failing_command_fails_the_job(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["no-such-command", "echo after"]))
    assert record.outcome[:2] == ("failed", "script_failure")
    assert "no-such-command: command not found" in record.trace
    assert "\nafter\n" not in record.trace


@pytest.mark.parametrize("victim", ["$$", "-1", "$PPID"])
def test_a_script_that_kills_all_it_can_see_still_gets_its_after_script(runner: GitLabRunner, victim: str) -> None:
    record = runner.run(
        Job(script=[f"kill -9 {victim}; sleep 0.2; exit 3"], after_script=["echo after=$CI_JOB_STATUS"])
    )
    assert record.outcome[:2] == ("failed", "script_failure")
    assert "after=failed" in record.section("after_script")


@pytest.mark.parametrize(
    ("signalled", "code"),
    [("-9 $$", 137), ("-9 -1", 137), ("-9 $PPID", 3), ("-TERM -1", 3)],
)
def test_a_script_that_signals_its_own_shell(runner: GitLabRunner, signalled: str, code: int) -> None:
    """The loop is the container's first process, so that signals from within do not end it."""
    record = runner.run(Job(script=[f"kill {signalled}; sleep 0.2; exit 3"], after_script=["echo after"]))
    assert record.outcome == ("failed", "script_failure", code), record.trace
    assert "\nafter\n" in record.section("after_script")


_SPECIAL = {
    "quotes": ("printf '%s' \"it's \"'\"quoted\"'", 'it\'s "quoted"'),
    "dollars": ("printf '%s' '$HOME ${HOME} $$ $(id)'", "$HOME ${HOME} $$ $(id)"),
    "backticks": ("printf '%s' '`id`'", "`id`"),
    "backslashes": (r"printf '%s' '\n \t \\ \x41'", r"\n \t \\ \x41"),
    "unicode": ("printf '%s' 'é 漢 😀'", "é 漢 😀"),
    "tabs": ("printf '%s' 'a\tb'", "a\tb"),
    "shell words": ("printf '%s' ';|&<>*?[]{}~#!'", ";|&<>*?[]{}~#!"),
    "a line of the loop's own": ("printf '%s' 'exit 0\n. /dev/stdin\nEOF'", "exit 0\n. /dev/stdin\nEOF"),
    "control characters": (r"printf '\001\177\007\010'", "\x01\x7f\x07\x08"),
    "percent": ("printf '%s' '%s %d %%'", "%s %d %%"),
}


@pytest.mark.parametrize(("command", "printed"), _SPECIAL.values(), ids=_SPECIAL.keys())
def test_special_characters_arrive_as_they_were_written(runner: GitLabRunner, command: str, printed: str) -> None:
    record = runner.run(Job(script=[marked(command, "echo")]))
    assert between(record.section("step_script")) == f"{printed}\n"


def test_a_carriage_return_in_a_script_is_kept(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=[marked("printf '%s' 'a\r\nb' | od -An -c")]))
    assert between(record.section("step_script")).split() == ["a", "\\r", "\\n", "b"]


def test_multi_line_commands_keep_functions_loops_and_here_documents(runner: GitLabRunner) -> None:
    command = "greet() {\n  echo \"hello $1\"\n}\nfor name in a b; do\n  greet $name\ndone\ncat <<'END'\n  $kept\nEND"
    record = runner.run(Job(script=[marked(command)]))
    assert between(record.section("step_script")) == "hello a\nhello b\n  $kept\n"


def test_commands_of_a_script_share_one_shell(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["cd /tmp; value=kept", "test -n $BASH_VERSION", "echo $value in $PWD"]))
    assert "\nkept in /tmp\n" in record.section("step_script")


def test_a_script_of_100_kilobytes_runs_whole(runner: GitLabRunner) -> None:
    text = "".join(f"{number:07d} 'quoted' é\n" for number in range(5000))
    record = runner.run(Job(script=[marked(f"sha256sum <<'END'\n{text}END")]))
    assert between(record.section("step_script")).split()[0] == hashlib.sha256(text.encode()).hexdigest()


def test_a_script_reads_nothing_from_standard_input(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["cat", "read -r line || echo nothing to read"]))
    assert record.state == "success"
    assert "\nnothing to read\n" in record.section("step_script")


def test_after_script_sees_success_and_a_new_shell(runner: GitLabRunner) -> None:
    record = runner.run(
        Job(
            script=["value=lost; touch kept"],
            after_script=["echo status=$CI_JOB_STATUS value=[$value]", "ls", "exit 3"],
        )
    )
    assert record.outcome == ("success", None, None)
    assert "status=success value=[]" in record.section("after_script")
    assert "\nkept\n" in record.section("after_script")


def test_after_script_sees_failure(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["exit 42"], after_script=["echo status=$CI_JOB_STATUS"]))
    assert record.outcome == ("failed", "script_failure", 42)
    assert "status=failed" in record.section("after_script")


def test_a_megabyte_on_each_stream_at_once_arrives_complete_and_in_order(runner: GitLabRunner) -> None:
    # The runner itself mixes the streams within lines, so each has an alphabet of its own.
    script = "seq 1 160000 | tr 0-9 a-j & seq 1 160000 | tr 0-9 A-J >&2; wait"
    record = runner.run(Job(script=[marked(script)]))
    assert record.state == "success"
    printed = between(record.section("step_script"))
    numbers = "".join(str(number) for number in range(1, 160_001))
    for alphabet in ("abcdefghij", "ABCDEFGHIJ"):
        of_stream = "".join(character for character in printed if character in alphabet)
        assert of_stream == numbers.translate(str.maketrans("0123456789", alphabet))


def test_lines_that_come_one_after_the_other_keep_their_order_across_streams(runner: GitLabRunner) -> None:
    script = "for i in $(seq 1 10); do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done"
    record = runner.run(Job(script=[marked(script)]))
    expected = "".join(f"out {number}\nerr {number}\n" for number in range(1, 11))
    assert between(record.section("step_script")) == expected


def test_a_background_process_does_not_hold_the_job(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["sleep 300 &", "setsid sleep 300 &", "echo started"]), seconds=30)
    assert record.state == "success"


def test_output_without_a_newline_at_its_end_arrives(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["printf 'no newline'"]))
    assert record.section("step_script").endswith("no newline")


def test_a_script_that_empties_the_temporary_folders_is_no_harm(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["rm -rf /tmp/* /run/* /var/tmp/* || true"], after_script=["echo still here"]))
    assert record.state == "success"
    assert "\nstill here\n" in record.section("after_script")
