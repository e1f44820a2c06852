"""Which reports a job's own token may add to it, and the shell lines that send them from the helper container.

The helper has the runner's own uploader and the network and certificates that the job's other artifacts take. The
token goes into a private script and from there into the environment of one process, never into its arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from shlex import quote

from executor.report.annotations import NAME as ANNOTATIONS_FILE
from executor.report.annotations import render_annotations
from executor.report.openmetrics import NAME as METRICS_FILE
from executor.report.openmetrics import render_openmetrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from executor.usage.model import Usage

METRICS = "metrics"
ANNOTATIONS = "annotations"
EXPIRY = "30 days"
# A server that does not answer delays the job's end by this at most.
SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where reports go: the job `id` on the server `url`. `taken` are the types of the job's own reports."""

    url: str
    id: int
    token: str = field(repr=False)
    taken: frozenset[str] = frozenset()


def target_of(response: Mapping[str, Any], url: str) -> Target | None:
    """The job of JOB_RESPONSE_FILE's content; None where that says too little to send anything."""
    number, token, own = response.get("id"), response.get("token"), response.get("artifacts") or []
    if not (url and isinstance(number, int) and isinstance(token, str) and token and isinstance(own, list)):
        return None
    types = (entry.get("artifact_type") for entry in own if isinstance(entry, dict))
    return Target(url=url, id=number, token=token, taken=frozenset(str(kind) for kind in types if kind))


def reports_for(usage: Usage, target: Target, address: str) -> dict[str, tuple[str, str]]:
    """Name and content of each report to send, by its type; none of a type that the job sends itself.

    `address` is where an annotation leads, "" for no annotation.
    """
    reports = {METRICS: (METRICS_FILE, render_openmetrics(usage))}
    if address:
        reports[ANNOTATIONS] = (ANNOTATIONS_FILE, render_annotations(usage, address))
    return {kind: report for kind, report in reports.items() if kind not in target.taken}


def upload_script(target: Target, reports: Mapping[str, tuple[str, str]], temporary: str) -> str:
    """Shell lines that send the reports side by side, silently. `temporary` is where the runner's CA file may lie."""
    ca = quote(f"{temporary}/CI_SERVER_TLS_CA_FILE")
    lines = [
        "exec >/dev/null 2>&1",
        "umask 077",
        "runner=$(command -v gitlab-runner || command -v gitlab-runner-helper) && folder=$(mktemp -d) || exit 0",
        'cd "$folder" || exit 0',
        f"export CI_JOB_ID={target.id} CI_SERVER_URL={quote(target.url)} CI_JOB_TOKEN={quote(target.token)}",
        f"if [ -f {ca} ]; then export CI_SERVER_TLS_CA_FILE={ca}; fi",
    ]
    for kind, (name, content) in reports.items():
        lines += [
            f"printf %s {quote(content)} >{name}",
            f'timeout {SECONDS} "$runner" artifacts-uploader --artifact-type {kind} --artifact-format gzip'
            f" --path {name} --expire-in {quote(EXPIRY)} &",
        ]
    return "\n".join([*lines, "wait", 'rm -rf "$folder"', "exit 0", ""])
