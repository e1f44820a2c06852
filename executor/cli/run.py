"""`executor run SCRIPT STAGE`: one stage of a job, called by gitlab-runner.

On the hot path: a job calls this 4 to 9 times.
"""

from __future__ import annotations

import os

from executor.cli.options import split_options
from executor.errors import SUCCESS, OperatorError, SystemFailure, report_build_exit_code
from executor.job.stages import BUILD, CACHE_STAGES, LAST, container_of
from executor.sandbox.state import job_folder, note_stage
from executor.stages.measured import oom_kills, tell_begin, tell_end
from executor.stages.run import run_stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def main(arguments: list[str]) -> int:
    """Run the stage and give gitlab-runner its exit code, the script's own in BUILD_EXIT_CODE_FILE."""
    options, words = split_options(arguments)
    if len(words) != 2:
        raise OperatorError(
            f"`executor run` takes a script and a stage, not {len(words)} arguments.",
            fix='Set run_args = ["run"] under [runners.custom].',
        )
    script, stage = words
    role = _role_for(script, stage)
    folder = job_folder()
    note_stage(folder, stage)
    tell_begin(folder, stage)
    if role == BUILD:
        _hand_over_if_wanted(folder)
    if stage == LAST and os.path.exists(f"{folder}/report"):
        _send_reports(folder)
    if stage in CACHE_STAGES and os.path.exists(f"{folder}/caches"):
        code = _run_cache_stage(folder, stage, options)
    else:
        code = _run_in_attempts(folder, role, script)
    if stage == LAST and os.path.exists(f"{folder}/usage/section"):
        _tell_what_was_used(folder)
    tell_end(folder, code)
    if code and role == BUILD:
        _tell_reasons(folder, script, code)
    if code or (role == BUILD and oom_kills(folder)):
        _tell_verdicts(folder)
    if os.path.exists(f"{folder}/keep"):
        _keep_if_wanted(folder, stage, code, options)
    return SUCCESS if code == 0 else report_build_exit_code(code)


def _role_for(script: str, stage: str) -> str:
    """The container that is to run the script."""
    role = container_of(stage)
    if role is None:
        raise SystemFailure(
            f"gitlab-runner asked for a stage that this driver does not know: {stage!r}.",
            cause="The runner is newer than virida-executor.",
            fix="Update virida-executor.",
        )
    if script.endswith(".ps1"):
        raise OperatorError(
            "gitlab-runner sent a PowerShell script: this driver runs scripts for bash and sh.",
            fix='Set shell = "bash" under [[runners]] in config.toml.',
        )
    return role


def _run_cache_stage(folder: str, stage: str, options: Mapping[str, str]) -> int:
    """Restore or save the caches of a job that has them in the store: no script runs for them."""
    from executor.stages.caching import run_cache_stage

    return run_cache_stage(folder, stage, options)


def _send_reports(folder: str) -> None:
    """Send what the job used to GitLab, before its last stage removes what that takes."""
    from contextlib import suppress

    from executor.stages.artifacts import send_measured

    with suppress(Exception):
        send_measured(folder)


def _hand_over_if_wanted(folder: str) -> None:
    """Give the sources to the build container's user before its first stage, where the job asks for that."""
    if os.path.exists(f"{folder}/handover"):
        from executor.stages.handover import hand_over_sources

        hand_over_sources(folder)


def _tell_reasons(folder: str, script: str, code: int) -> None:
    """What may be behind a failure of the job's own script."""
    from executor.stages.service_deaths import tell_dead_services
    from executor.stages.unfit_shell import tell_unfit_shell

    tell_unfit_shell(folder, script, code)
    tell_dead_services(folder)


def _tell_verdicts(folder: str) -> None:
    """What the job's use of the machine has to do with it. Nothing that goes wrong here changes the stage's result."""
    from contextlib import suppress

    from executor.stages.verdict import tell_verdicts

    with suppress(Exception):
        tell_verdicts(folder)


def _tell_what_was_used(folder: str) -> None:
    """What the job used, at the end of its log."""
    from contextlib import suppress

    from executor.stages.usage_section import tell_section

    with suppress(Exception):
        tell_section(folder)


def _run_in_attempts(folder: str, role: str, script: str) -> int:
    """Run the stage, again where its container vanished and the job asks for that."""
    if not os.path.exists(f"{folder}/attempts"):
        return _run_beside_services(folder, role, script)
    from executor.stages.attempts import run_in_attempts

    return run_in_attempts(folder, lambda: _run_beside_services(folder, role, script))


def _run_beside_services(folder: str, role: str, script: str) -> int:
    """Run the stage, with what the job's services write meanwhile where the job wants to see it."""
    if not os.path.exists(f"{folder}/service-logs"):
        return run_stage(folder, role, script)
    from executor.stages.service_logs import ServiceLogs

    logs = ServiceLogs(folder)
    logs.begin()
    try:
        return run_stage(folder, role, script)
    finally:
        logs.end()


def _keep_if_wanted(folder: str, stage: str, code: int, options: Mapping[str, str]) -> None:
    """Remember a failure of a job that is kept on failure; tell so in its log while there still is one."""
    from executor.sandbox.keeping import keep_if_failed, note_outcome

    note_outcome(folder, stage, code)
    until = keep_if_failed(folder, os.environ.get("CUSTOM_ENV_CI_JOB_STATUS", "")) if stage == LAST else None
    if until is not None:
        _tell_kept(folder, until, options.get("config", ""))


def _tell_kept(folder: str, until: float, config: str) -> None:
    import time

    from executor.terminal import log

    job = os.path.basename(folder).rpartition("-")[0]
    command = f"executor {f'--config {config} ' if config else ''}shell {job}"
    end = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(until))
    log(f"The job's containers are kept until {end}. Enter on {os.uname().nodename}: {command}")
