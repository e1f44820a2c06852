r"""An image whose only shell cannot read the runner's scripts: dash takes `$'a\nb'` for something else.

Found out after a failure alone: no script that runs pays for it.
"""

from __future__ import annotations

from executor.errors import JobError
from executor.job.stages import BUILD
from executor.stages.own import run_own
from executor.terminal import log_failure

SYNTAX_ERROR = 2
UNFIT = 9
QUESTION = f"case $'\\141' in a) ;; *) exit {UNFIT} ;; esac\n"
# What the runner writes without FF_POSIXLY_CORRECT_ESCAPES, for which dash is good enough.
NEEDS_BASH = b" eval $'"


def tell_unfit_shell(job_folder: str, script: str, code: int) -> None:
    """Say so where `script` (a path) failed with `code` because the build container's shell cannot read it."""
    if code == SYNTAX_ERROR and _needs_bash(script) and run_own(job_folder, BUILD, QUESTION) == UNFIT:
        log_failure(
            JobError(
                "NO BASH: the image's only shell cannot read the scripts that gitlab-runner writes.",
                cause="It is dash, or another one that does not know $'...'.",
                fix="Install bash in the image, or choose one that has bash or busybox.",
            )
        )


def _needs_bash(script: str) -> bool:
    """Whether the runner wrote it in the way that dash does not know. One that is gone says nothing."""
    try:
        with open(script, "rb") as file:
            return NEEDS_BASH in file.read()
    except OSError:
        return False
