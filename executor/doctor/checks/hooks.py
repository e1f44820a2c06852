"""`[runners.custom]`: the driver's four commands, and how long they may take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from executor import __version__
from executor.doctor.model import Repair, Skip, Verdict, check, error, note, passed, warning
from executor.doctor.scene import PHASES, option_words
from executor.settings.load import SYSTEM_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.doctor.scene import Scene

EXPECTED = "/usr/local/bin/executor"
OWN_GRACE_SECONDS = 15
CLEANUP_BEGINS_SECONDS = 300
DEFAULT_GRACEFUL_SECONDS = 600
LEAST_SECONDS = {"config_exec_timeout": 10, "prepare_exec_timeout": 60, "cleanup_exec_timeout": 15}
# Those that read settings.
READING_PHASES = ("config", "prepare")
NO_PHASE = {
    "config": "Without it the runner does not know where builds and caches lie.",
    "prepare": "Without it no container is made, and every job fails at its first stage.",
    "run": "Without it gitlab-runner refuses every job.",
    "cleanup": "Without it the containers of every job stay on this host.",
}


def programs(scene: Scene) -> Iterator[tuple[str, str]]:
    """The phases of all custom runners and the programs for them."""
    for section in scene.sections:
        for phase in PHASES:
            program = _custom(section).get(f"{phase}_exec")
            if isinstance(program, str) and program:
                yield phase, program


@check("runner.hooks.complete", "[runners.custom] names a program for each of the four phases")
def complete(scene: Scene) -> Verdict:
    """A phase without program is never called."""
    for section in scene.sections:
        custom = _custom(section)
        missing = [phase for phase in PHASES if not custom.get(f"{phase}_exec")]
        if missing:
            return error(
                f"[runners.custom] of {section.get('name') or 'a runner'} has no "
                f"{', '.join(f'{phase}_exec' for phase in missing)}.",
                expected="config_exec, prepare_exec, run_exec and cleanup_exec",
                why=" ".join(NO_PHASE[phase] for phase in missing),
                fix=f'editor {scene.config}   # {missing[0]}_exec = "{EXPECTED}", {missing[0]}_args = ["{missing[0]}"]',
            )
    return passed()


@check("runner.hooks.absolute", "The programs of [runners.custom] are absolute paths")
def absolute(scene: Scene) -> Verdict:
    """The runner calls them from a temporary folder."""
    relative = [(phase, program) for phase, program in programs(scene) if not program.startswith("/")]
    if not relative:
        return passed()
    phase, program = relative[0]
    return error(
        f"{phase}_exec = {program!r} is a relative path.",
        expected="an absolute path",
        why="gitlab-runner calls it from a temporary folder, where it is not found.",
        fix=f'editor {scene.config}   # {phase}_exec = "{EXPECTED}"',
    )


@check("runner.hooks.exist", "The programs of [runners.custom] are there")
def exist(scene: Scene) -> Verdict:
    """As the account sees them."""
    missing = [(phase, program) for phase, program in programs(scene) if not _there(program)]
    if not missing:
        return passed()
    phase, program = missing[0]
    return error(
        f"{phase}_exec names {program}, which is not there.",
        expected="the executor of this installation",
        why=f"gitlab-runner cannot start it: every job fails in {phase}.",
        fix=f"ln -sf {_launcher()} {program}",
    )


@check("runner.hooks.executable", "The account that runs jobs may execute them")
def executable(scene: Scene) -> Verdict:
    """With all folders above them."""
    closed = [
        (phase, program)
        for phase, program in programs(scene)
        if program.startswith("/") and _there(program) and not scene.world.may(program, os.X_OK)
    ]
    if not closed:
        return passed()
    phase, program = closed[0]
    return error(
        f"{scene.account.name} may not execute {program} ({phase}_exec).",
        expected="mode 0755, in folders that the account may enter",
        why=f"gitlab-runner cannot start it: every job fails in {phase}.",
        fix=(f"chmod 755 {os.path.realpath(program)}", f"namei -l {program}   # shows a folder that is closed"),
    )


@check("runner.hooks.mode", "Only root and the account itself may change the driver")
def hooks_mode(scene: Scene) -> Verdict:
    """Who can write to it is the account that runs jobs."""
    for _, program in programs(scene):
        path = os.path.realpath(program)
        if program.startswith("/") and os.path.isfile(path) and os.stat(path).st_mode & 0o002:
            mode = f"{os.stat(path).st_mode & 0o7777:04o}"
            return warning(
                f"{path} is {mode}: others may change it.",
                expected="0755",
                why=f"Whoever may write there runs programs as {scene.account.name}, and sees the secrets of all jobs.",
                fix=f"chmod go-w {path}",
                repair=_close(path),
            )
    return passed()


def _close(path: str) -> Repair:
    return Repair(what=f"chmod go-w {path}", do=lambda: os.chmod(path, os.stat(path).st_mode & 0o7755))


@check("runner.hooks.same", "All phases go to the same program")
def same(scene: Scene) -> Verdict:
    """Different versions do not understand each other's state."""
    found = {os.path.realpath(program) for _, program in programs(scene) if program.startswith("/") and _there(program)}
    if len(found) < 2:
        return passed(next(iter(found), ""))
    return error(
        f"The phases of [runners.custom] go to different programs: {', '.join(sorted(found))}.",
        expected="one program",
        why="What one version prepares another does not understand: jobs fail, or leave their containers behind.",
        fix=f'editor {scene.config}   # "{EXPECTED}" in all four',
    )


@check("runner.hooks.args", "The programs of [runners.custom] get the right arguments")
def args(scene: Scene) -> Verdict:
    """The phase's name, and this very config.toml."""
    for section in scene.sections:
        custom = _custom(section)
        for phase in PHASES:
            if custom.get(f"{phase}_exec") and (problem := _wrong(scene, phase, custom.get(f"{phase}_args"))):
                return error(
                    problem,
                    expected=f'{phase}_args = ["{phase}", "--config", "{scene.config}"]',
                    why=f"The driver does not do what {phase} needs, or does it with other settings.",
                    fix=f'editor {scene.config}   # {phase}_args = ["{phase}", "--config", "{scene.config}"]',
                )
    return passed()


def _wrong(scene: Scene, phase: str, arguments: Any) -> str:
    """What is wrong with the arguments of a phase, "" for nothing."""
    words = arguments if isinstance(arguments, list) else []
    options = option_words(words)
    if phase not in words:
        return f'{phase}_args does not hold "{phase}".'
    if others := [word for word in words if word in PHASES and word != phase]:
        return f'{phase}_args holds "{others[0]}" beside "{phase}".'
    config = options.get("--config")
    if config is None and phase in READING_PHASES and not _is_usual(scene, scene.config):
        return f"{phase}_args does not name {scene.config}: the driver does not find it by itself, and takes defaults."
    if config is not None and not os.path.isabs(config):
        return f"{phase}_args names {config!r}, a relative path: the runner calls the driver from another folder."
    if config is not None and not os.path.isfile(config):
        return f"{phase}_args names the file {config}, which is not there."
    if config is not None and os.path.realpath(config) != os.path.realpath(scene.config):
        return f"{phase}_args names {config}, not {scene.config}."
    name = options.get("--runner")
    names = [section.get("name") for section in scene.sections]
    if name is not None and name not in names:
        return f"{phase}_args names the runner {name!r}, which config.toml does not have."
    return ""


@check("runner.hooks.starts", "The driver starts, in the version of this doctor")
def starts(scene: Scene) -> Verdict:
    """Called as the account, with the environment of the service."""
    if not scene.world.speaks_for_account:
        raise Skip("only root can call it as the service does")
    found = [program for _, program in programs(scene) if scene.world.may(program, os.X_OK) and program.startswith("/")]
    if not found:
        raise Skip("there is no program to start")
    ran = scene.world.run((found[0], "--version"))
    told = ran.output.strip()
    if ran.code == 0 and told == f"virida-executor {__version__}":
        return passed(told)
    if ran.code == 0 and told.startswith("virida-executor "):
        return warning(
            f"{found[0]} is {told}; this doctor belongs to {__version__}.",
            expected="one installation",
            why="What this doctor says may not hold for the driver that runs jobs.",
            fix=f"{found[0]} doctor",
        )
    told = told.split("\n")[-1][:200] or f"exit code {ran.code}"
    return error(
        f"{found[0]} --version, called as {scene.account.name}, fails: {told}.",
        expected=f"virida-executor {__version__}",
        why="gitlab-runner cannot start the driver: every job fails in config.",
        fix=("install virida-executor anew, in a folder that the account may read", f"ls -lL {found[0]}"),
    )


@check("runner.timeouts.graceful", "A canceled script is over before the runner begins to clean up")
def graceful(scene: Scene) -> Verdict:
    """The runner waits 300 s at most; the driver needs some to end a script gently."""
    seconds = scene.hooks.get("graceful_kill_timeout") or DEFAULT_GRACEFUL_SECONDS
    if not isinstance(seconds, int) or seconds <= 0:
        seconds = DEFAULT_GRACEFUL_SECONDS
    fix = f"editor {scene.config}   # graceful_kill_timeout = 30 under [runners.custom]"
    if seconds < OWN_GRACE_SECONDS:
        return warning(
            f"graceful_kill_timeout is {seconds} s.",
            expected=f"from {OWN_GRACE_SECONDS} to {CLEANUP_BEGINS_SECONDS - 1} s",
            why="The driver gives a canceled script 10 s to end by itself, and is killed before it has done so.",
            fix=fix,
        )
    if seconds >= CLEANUP_BEGINS_SECONDS:
        why = "The runner begins to clean up after 300 s, also where a driver that hangs has not ended yet."
        return note(f"graceful_kill_timeout is {seconds} s.", why=why, fix=fix)
    return passed(f"{seconds} s")


@check("runner.timeouts.phases", "Phases have enough time")
def phases(scene: Scene) -> Verdict:
    """Pulling an image takes minutes."""
    given = {key: scene.hooks.get(key) for key in LEAST_SECONDS}
    short = [key for key, value in given.items() if isinstance(value, int) and 0 < value < LEAST_SECONDS[key]]
    if not short:
        return passed()
    key = short[0]
    return warning(
        f"{key} is {given[key]} s.",
        expected=f"{LEAST_SECONDS[key]} s or more",
        why="The phase is cut off on a busy host: jobs fail, or leave containers behind.",
        fix=f"editor {scene.config}   # leave {key} out: the default is an hour",
    )


@check("runner.timeouts.shutdown", "Jobs are cleaned up when the service stops")
def shutdown(scene: Scene) -> Verdict:
    """What outlasts it is left over."""
    seconds = scene.table.get("shutdown_timeout") or 30
    if not isinstance(seconds, int) or seconds >= OWN_GRACE_SECONDS:
        return passed(f"{seconds} s")
    return warning(
        f"shutdown_timeout is {seconds} s.",
        expected=f"{OWN_GRACE_SECONDS} s or more",
        why="A restart of the service cuts running jobs off before their containers are removed.",
        fix=f"editor {scene.config}   # shutdown_timeout = 60",
    )


def _is_usual(scene: Scene, config: str) -> bool:
    """Whether the driver looks there by itself."""
    return config in (f"{SYSTEM_FOLDER}/config.toml", f"{scene.account.home}/.gitlab-runner/config.toml")


def _custom(section: dict[str, Any]) -> dict[str, Any]:
    custom = section.get("custom")
    return custom if isinstance(custom, dict) else {}


def _there(program: str) -> bool:
    return not program.startswith("/") or os.path.isfile(program)


def _launcher() -> str:
    import sys

    return os.path.abspath(sys.argv[0])
