"""Scripts of the stages that every job has: sources, the user's script, after_script, and their clean-up."""

from __future__ import annotations

from executor.pipeline.local import shell
from executor.pipeline.local.shell import quote, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.job.model import Variable
    from executor.pipeline.local.model import Paths

SOURCES_DIR = "/executor/sources"
REPOSITORY = f"{SOURCES_DIR}/repository"
SUBMODULES = f"{SOURCES_DIR}/submodules"


def prepare_script(paths: Paths) -> str:
    """Forget what an earlier job in the same folder left in GITLAB_ENV."""
    return shell.script('echo "Running on $(hostname)..."', f"rm -f {quote(shell.environment_file(paths))}")


def get_sources(
    paths: Paths,
    variables: Sequence[Variable],
    *,
    strategy: str,
    summary: str,
    submodules: bool = False,
    hook: Sequence[str] = (),
) -> str:
    """Lay a fresh copy of the delivered repository into the project folder, as GIT_STRATEGY says.

    `summary` tells what is checked out; `submodules` adds theirs. The copy takes the umask's permissions and the
    container's user as owner.
    """
    bodies = {"none": _no_sources, "empty": _empty_sources}
    body = bodies[strategy](paths) if strategy in bodies else _copied_sources(paths, summary, submodules=submodules)
    return shell.script(
        shell.exports(variables, paths), command_lines(hook), body, shell.hand_over(paths, paths.builds_dir)
    )


def user_script(paths: Paths, variables: Sequence[Variable], lines: Sequence[str], *, heading: str = "") -> str:
    """The job's own commands in the project folder, each one shown before it runs."""
    return shell.script(
        shell.exports(variables, paths),
        f"cd {quote(paths.project_dir)}",
        say(heading, shell.GREEN) if heading else "",
        command_lines(lines),
    )


def cleanup_file_variables(paths: Paths, variables: Sequence[Variable]) -> str:
    """Remove the files of file variables, and GITLAB_ENV."""
    files = [shell.variable_file(variable, paths) for variable in variables if variable.file]
    doomed = [shell.environment_file(paths), *files, f"{paths.builds_dir}/.gitlab-build-uid-gid"]
    return shell.script(*(f"rm -f {quote(path)}" for path in doomed))


def command_lines(lines: Sequence[str]) -> str:
    """The commands, verbatim, each after the line of the log that shows it."""
    return "\n".join(f"{say(shown(line), shell.GREEN)}\n{line.strip()}" for line in lines if line.strip())


def shown(line: str) -> str:
    """How the log shows a command: `$ command`, a multi-line one by its first line."""
    first, newline, _ = line.strip().partition("\n")
    return f"$ {first} # collapsed multi-line command" if newline else f"$ {first}"


def _copied_sources(paths: Paths, summary: str, *, submodules: bool) -> str:
    project = quote(paths.project_dir)
    copy_submodules = f"{say('Updating submodules...', shell.GREEN)}\ncp -R -P {SUBMODULES}/. {project}/"
    return "\n".join(
        [
            say(summary, shell.GREEN),
            _removed(paths),
            f"mkdir -p {project}",
            f"cp -R -P {REPOSITORY}/. {project}/",
            copy_submodules if submodules else say("Skipping Git submodules setup", shell.GREEN),
            f"cd {project}",
            # The copies have new inodes and times: without this `git diff-files` calls every file changed.
            "if command -v git > /dev/null; then",
            f"  git -c safe.directory={project} update-index -q --refresh > /dev/null 2>&1 || true",
            "fi",
        ]
    )


def _no_sources(paths: Paths) -> str:
    skipped = [
        say(f"Skipping Git {what}", shell.GREEN) for what in ("repository setup", "checkout", "submodules setup")
    ]
    return "\n".join([f"mkdir -p {quote(paths.project_dir)}", *skipped])


def _empty_sources(paths: Paths) -> str:
    return f"{_removed(paths)}\n{_no_sources(paths)}"


def _removed(paths: Paths) -> str:
    """Commands that remove the project folder, also where a job took away its own permissions."""
    project = quote(paths.project_dir)
    return f"if [ -d {project} ]; then chmod -R u+rwX {project}; fi\nrm -r -f {project}"
