"""`executor run SCRIPT STAGE`: one stage of a job, called by gitlab-runner.

On the hot path: a job calls this 4 to 9 times.
"""

from __future__ import annotations

from executor.cli.options import split_options
from executor.errors import SUCCESS, OperatorError, SystemFailure, report_build_exit_code
from executor.job.stages import container_of
from executor.sandbox.state import job_folder
from executor.stages.run import run_stage


def main(arguments: list[str]) -> int:
    """Run the stage and give gitlab-runner its exit code, the script's own in BUILD_EXIT_CODE_FILE."""
    _, words = split_options(arguments)
    if len(words) != 2:
        raise OperatorError(
            f"`executor run` takes a script and a stage, not {len(words)} arguments.",
            fix='Set run_args = ["run"] under [runners.custom].',
        )
    script, stage = words
    role = container_of(stage)
    if role is None:
        raise SystemFailure(
            f"gitlab-runner asked for a stage that this driver does not know: {stage!r}.",
            cause="The runner is newer than virida-executor.",
            fix="Update virida-executor.",
        )
    code = run_stage(job_folder(), role, script)
    return SUCCESS if code == 0 else report_build_exit_code(code)
