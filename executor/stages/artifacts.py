"""The reports on what a job used, sent to GitLab by its own helper container before the job's last stage.

    <job>/report      where they go: JSON with the server's `url`, the `address` that an annotation leads to and the
                      `temporary` folder of the job; written by `prepare` where the operator wants reports

Nothing here may fail a job, or be seen in its log.
"""

from __future__ import annotations

import json
import os

from executor.plan.model import HELPER
from executor.report.upload import reports_for, target_of, upload_script
from executor.sandbox.state import write_private
from executor.stages.own import run_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.usage.model import Usage

FILE = "report"


def ask_for_artifacts(folder: str, *, url: str, address: str, temporary: str) -> None:
    """Note that the job's reports are to be sent, and where to."""
    write_private(f"{folder}/{FILE}", json.dumps({"url": url, "address": address, "temporary": temporary}))


def send_measured(folder: str) -> None:
    """Send what has been measured so far, if anything was."""
    from executor.sandbox.measuring import read_data
    from executor.stages.measured import ask
    from executor.usage.summary import summarize

    ask(folder, "save")
    data = read_data(folder)
    if data is None:
        return
    try:
        send_artifacts(folder, summarize(data))
    except (KeyError, TypeError, ValueError):
        return


def send_artifacts(folder: str, usage: Usage) -> None:
    """Send the reports that the job does not send itself."""
    wanted, response = _read(f"{folder}/{FILE}"), _read(os.environ.get("JOB_RESPONSE_FILE", ""))
    target = target_of(response, wanted.get("url", ""))
    reports = reports_for(usage, target, wanted.get("address", "")) if target else {}
    if target and reports:
        run_own(folder, HELPER, upload_script(target, reports, wanted.get("temporary", "")))


def _read(path: str) -> dict[str, Any]:
    """JSON of a file, nothing where there is none."""
    try:
        with open(path) as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
