"""The report `annotations`: a link beside the job in GitLab, with what it used as its words."""

from __future__ import annotations

from urllib.parse import quote

from executor.report.section import average_cores, build_container
from executor.report.words import cores, pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.model import Usage

NAME = "annotations.json"
TITLE = "Resource usage"


def render_annotations(usage: Usage, address: str) -> str:
    """The file. `address` is the operator's `url`, with the job's facts in braces (see `JOB_FACTS`)."""
    import json

    link = {"label": label(usage), "url": filled(address, usage)}
    return json.dumps({TITLE: [{"external_link": link}]})


def label(usage: Usage) -> str:
    """`peak 1.9 / 2.0 GiB · 1.4 CPUs · 1 killed for memory`."""
    build = build_container(usage)
    parts = []
    if build is not None:
        peak, average = build.whole.memory_working_set_peak, average_cores(build.whole)
        parts += [f"peak {pair(peak, build.limits.memory)}"] if peak is not None else []
        parts += [f"{cores(average)} CPUs"] if average is not None else []
    kills = sum(container.whole.oom_kills or 0 for container in usage.containers)
    parts += [f"{kills} killed for memory"] if kills else []
    return " · ".join(parts) or "what the job used"


def filled(address: str, usage: Usage) -> str:
    """The address with the job's facts in it, written so that they cannot change where it leads."""
    job = usage.job
    facts = {
        "job": job.id,
        "pipeline": job.pipeline_id or "",
        "project": job.project,
        "project_id": job.project_id,
        "ref": job.ref,
        "sha": job.sha,
    }
    for name, value in facts.items():
        address = address.replace(f"{{{name}}}", quote(str(value), safe="", errors="replace"))
    return address
