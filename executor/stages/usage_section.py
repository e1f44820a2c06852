"""What the job used, at the end of its log: a section that is closed until somebody opens it."""

from __future__ import annotations

from executor.stages.measured import ask
from executor.terminal import log_section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "resource_usage"
FOLDED = "folded"


def tell_section(job_folder: str) -> None:
    """Print the section. The process that measures the job has made it; where that is dead, it is made here."""
    text = _read(f"{job_folder}/usage/section") if ask(job_folder, "section") else _made_here(job_folder)
    form, _, rest = text.partition("\n")
    title, *lines = rest.splitlines() or [""]
    if title:
        log_section(NAME, title, lines, folded=form == FOLDED)


def section_of(data: dict[str, Any], *, unicode: bool = True) -> str:
    """The section's form, its title and its lines; "" where the data makes no sense."""
    from executor.report.section import render_section, section_title
    from executor.stages.verdict import history_says
    from executor.usage.clues import clues_of
    from executor.usage.summary import summarize
    from executor.usage.verdicts import judge

    try:
        usage = summarize(data)
    except (KeyError, TypeError, ValueError):
        return ""
    comparison = history_says(data, usage)
    verdicts = judge(usage, clues_of(data, comparison))
    lines = render_section(usage, verdicts, comparison, unicode=unicode)
    return "\n".join([FOLDED if data.get("trace_sections") else "plain", section_title(usage), *lines, ""])


def _made_here(job_folder: str) -> str:
    from executor.sandbox.measuring import read_data

    data = read_data(job_folder)
    return section_of(data) if data else ""


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
