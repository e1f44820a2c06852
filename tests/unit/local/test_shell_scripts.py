"""Stage scripts, run by bash and by dash: what a job's own commands see, print and end with."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from executor.job.model import Variable
from executor.pipeline.local import scripts, shell
from tests.unit.local.builders import SHELLS, git, make_paths, run_script, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from executor.pipeline.local.model import Paths

HOSTILE = [
    "plain",
    "it's",
    "a;b|c&d",
    "$HOME `id` $(id)",
    "two\nlines\n",
    "tab\tand\\n backslash",
    '"double"',
    "{a,b} ~ * ? [x]",
    "-n",
    "ümlaut ✔",
    "",
]


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest) -> str:
    """Each shell that an image may have."""
    return str(request.param)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Folders of a job."""
    return make_paths(tmp_path)


def user_script(paths: Paths, lines: Sequence[str], variables: Sequence[Variable] = ()) -> str:
    """The job's script."""
    return scripts.user_script(paths, variables, lines)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_reaches_the_script_unchanged(sh: str, paths: Paths, value: str) -> None:
    script = user_script(paths, ["printf '<%s>' \"$SUBJECT\""], [Variable(key="SUBJECT", value=value)])
    assert run_script(sh, script).stdout.endswith(f"<{value}>")


@pytest.mark.parametrize("value", HOSTILE)
def test_a_file_variable_is_a_path_with_its_content(sh: str, paths: Paths, value: str) -> None:
    script = user_script(paths, ['cat "$SUBJECT"; echo "|$SUBJECT"'], [Variable(key="SUBJECT", value=value, file=True)])
    assert run_script(sh, script).stdout.endswith(f"{value}|{paths.project_dir}.tmp/SUBJECT\n")


def test_a_variables_name_is_no_command(sh: str, paths: Paths) -> None:
    done = run_script(sh, user_script(paths, ["true"], [Variable(key="X;touch pwned;Y", value="1")]))
    assert done.returncode != 0
    assert not os.path.exists(f"{paths.project_dir}/pwned")


def test_commands_run_in_the_project_folder(sh: str, paths: Paths) -> None:
    assert run_script(sh, user_script(paths, ["pwd"])).stdout.endswith(f"{paths.project_dir}\n")


def test_each_command_is_shown_before_it_runs(sh: str, paths: Paths) -> None:
    done = run_script(sh, user_script(paths, ["echo 'a\\nb' $HOME", "echo two"]))
    lines = done.stdout.splitlines()
    assert lines[0] == "\x1b[32;1m$ echo 'a\\nb' $HOME\x1b[0;m"
    assert lines[-2:] == ["\x1b[32;1m$ echo two\x1b[0;m", "two"]


def test_a_multi_line_command_is_shown_collapsed(sh: str, paths: Paths) -> None:
    done = run_script(sh, user_script(paths, ["echo one\necho two\n"]))
    assert done.stdout == "\x1b[32;1m$ echo one # collapsed multi-line command\x1b[0;m\none\ntwo\n"


def test_a_here_document_is_one_command(sh: str, paths: Paths) -> None:
    done = run_script(sh, user_script(paths, ["cat << 'EOF'\n$HOME 'x'\nEOF", "echo end"]))
    assert "$HOME 'x'\n" in done.stdout
    assert done.stdout.endswith("end\n")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["true"], 0),
        (["false"], 1),
        (["exit 42"], 42),
        (["(exit 7)", "echo not reached"], 7),
        (["if then"], 2),
        (["no-such-command-at-all"], 127),
        (["kill -KILL $(sh -c 'echo $PPID')"], 137),
    ],
)
def test_the_exit_code_is_the_commands(sh: str, paths: Paths, lines: list[str], code: int) -> None:
    done = run_script(sh, user_script(paths, lines))
    assert (done.returncode, "not reached" in done.stdout) == (code, False)


def test_a_failing_pipe_fails_where_the_shell_can_tell(paths: Paths) -> None:
    script = user_script(paths, ["false | true"])
    assert (run_script("bash", script).returncode, run_script("dash", script).returncode) == (1, 0)


def test_commands_have_no_input(sh: str, paths: Paths) -> None:
    """The script itself comes on the shell's input: a command that reads must not eat it."""
    done = run_script(sh, user_script(paths, ["cat", "echo end"]))
    assert done.stdout.endswith("end\n")


def test_lines_in_gitlab_env_are_exported_in_later_stages(sh: str, paths: Paths) -> None:
    run_script(sh, user_script(paths, ['echo "LATER=a b=c" >> "$GITLAB_ENV"']))
    assert run_script(sh, user_script(paths, ['echo "<$LATER>"'])).stdout.endswith("<a b=c>\n")


def test_a_new_job_does_not_see_an_older_gitlab_env(sh: str, paths: Paths) -> None:
    run_script(sh, user_script(paths, ['echo "LATER=1" >> "$GITLAB_ENV"']))
    assert run_script(sh, scripts.prepare_script(paths)).stdout.startswith("Running on ")
    assert run_script(sh, user_script(paths, ['echo "<$LATER>"'])).stdout.endswith("<>\n")


def test_cleanup_removes_files_of_variables(sh: str, paths: Paths) -> None:
    variables = [Variable(key="SECRET", value="s", file=True)]
    run_script(sh, user_script(paths, ["true"], variables))
    assert os.listdir(paths.temporary_dir)
    assert run_script(sh, scripts.cleanup_file_variables(paths, variables)).returncode == 0
    assert os.listdir(paths.temporary_dir) == []


def test_sigterm_to_the_group_ends_the_script_with_1(sh: str, paths: Paths) -> None:
    process = subprocess.Popen([sh], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0, text=True)
    assert process.stdin and process.stdout
    process.stdin.write(user_script(paths, ["echo ready", "sleep 20", "echo done"]))
    process.stdin.close()
    while process.stdout.readline().strip() != "ready":
        pass
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=5) == 1
    assert "done" not in process.stdout.read()
    process.stdout.close()


class TestGetSources:
    """What the project folder is after get_sources. The delivered sources are a folder of the test here."""

    @pytest.fixture
    def sources(self, tmp_path: Path, origin: Path) -> Path:
        """`repository` is a real one, `submodules` a folder of files."""
        origin = origin.rename(tmp_path / "repository")
        write(tmp_path, {"submodules/lib/x": "x"})
        write(origin, {"a.txt": "a", "bin/run": "#!/bin/sh\n"})
        (origin / "bin/run").chmod(0o777)
        (origin / "link").symlink_to("a.txt")
        git(origin, "add", "--all")
        git(origin, "commit", "--quiet", "--message", "first")
        return tmp_path

    def script(self, paths: Paths, sources: Path, *, strategy: str = "", submodules: bool = False) -> str:
        text = scripts.get_sources(paths, (), strategy=strategy, summary="Checking out", submodules=submodules)
        return text.replace(scripts.SOURCES_DIR, str(sources))

    def test_it_is_a_copy_of_the_delivered_repository(self, sh: str, paths: Paths, sources: Path) -> None:
        assert run_script(sh, self.script(paths, sources)).returncode == 0
        assert sorted(os.listdir(paths.project_dir)) == [".git", "a.txt", "bin", "link"]
        assert os.readlink(f"{paths.project_dir}/link") == "a.txt"
        assert os.access(f"{paths.project_dir}/bin/run", os.X_OK)

    def test_submodules_come_where_they_are_asked_for(self, sh: str, paths: Paths, sources: Path) -> None:
        run_script(sh, self.script(paths, sources, submodules=True))
        assert os.listdir(f"{paths.project_dir}/lib") == ["x"]

    def test_git_calls_the_copy_unchanged(self, sh: str, paths: Paths, sources: Path) -> None:
        run_script(sh, self.script(paths, sources))
        changed = subprocess.run(["git", "diff-files", "--quiet"], cwd=paths.project_dir, check=False)
        assert changed.returncode == 0

    def test_nothing_of_an_older_job_stays(self, sh: str, paths: Paths, sources: Path) -> None:
        locked = f"{paths.project_dir}/locked"
        os.makedirs(locked)
        open(f"{locked}/old", "w").close()
        os.chmod(locked, 0)
        assert run_script(sh, self.script(paths, sources)).returncode == 0
        assert not os.path.exists(locked)

    def test_strategy_none_keeps_what_is_there(self, sh: str, paths: Paths, sources: Path) -> None:
        open(f"{paths.project_dir}/old", "w").close()
        done = run_script(sh, self.script(paths, sources, strategy="none"))
        assert os.listdir(paths.project_dir) == ["old"]
        assert "Skipping Git checkout" in done.stdout

    def test_strategy_empty_leaves_an_empty_folder(self, sh: str, paths: Paths, sources: Path) -> None:
        open(f"{paths.project_dir}/old", "w").close()
        assert run_script(sh, self.script(paths, sources, strategy="empty")).returncode == 0
        assert os.listdir(paths.project_dir) == []

    def test_folders_go_to_the_images_user_where_the_driver_says_so(self, sh: str, paths: Paths, sources: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can give files away")
        mark = f"{paths.builds_dir}/.gitlab-build-uid-gid"
        open(mark, "w").close()
        os.chown(mark, 1234, 1234)
        run_script(sh, self.script(paths, sources))
        assert os.stat(f"{paths.project_dir}/a.txt").st_uid == 1234


def test_hand_over_does_nothing_without_the_drivers_mark(sh: str, paths: Paths) -> None:
    assert run_script(sh, shell.script(shell.hand_over(paths, paths.builds_dir))).returncode == 0
