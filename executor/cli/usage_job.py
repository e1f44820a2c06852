"""One job for a person's eyes: what it is, what it used, its curves, and what to do."""

from __future__ import annotations

import sys

from executor import terminal
from executor.cli.usage_table import result_word
from executor.report.chart import chart
from executor.report.columns import wrapped
from executor.report.section import build_container, curves_of, render_section
from executor.report.words import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.comparison import Comparison
    from executor.usage.model import Usage, Verdict

STYLES = {"ERROR:": "bold red", "WARNING:": "yellow", "suggestion:": "green"}
SHORT_SHA = 7


def print_job(usage: Usage, verdicts: tuple[Verdict, ...], comparison: Comparison) -> None:
    """The layout of the job log's section, with charts on a terminal."""
    unicode = terminal.speaks_unicode()
    titles = wrapped(heading(usage, unicode=unicode), indent="  ")
    lines = render_section(usage, verdicts, comparison, unicode=unicode)
    if not sys.stdout.isatty():
        for line in (*titles, *lines):
            terminal.show(line)
        return
    from rich.text import Text

    console = terminal.console()
    for line in titles:
        console.print(Text(line, style="bold"))
    for line in lines:
        console.print(Text(line, style=STYLES.get(line.partition(" ")[0], "")))
    for line in _charts(usage, min(console.width, 100), unicode=unicode):
        console.print(Text(line))


def heading(usage: Usage, *, unicode: bool) -> str:
    """`build:frontend · job 88214 · main 4f2a91c · passed · 6 m 12 s`."""
    job = usage.job
    parts = [
        job.name,
        f"job {job.id} of {job.project}",
        f"{job.ref} {job.sha[:SHORT_SHA]}",
        result_word(usage.result),
        span(usage.seconds),
    ]
    text = terminal.printable((" · " if unicode else " - ").join(parts))
    return text if unicode else text.encode("ascii", "replace").decode()


def _charts(usage: Usage, width: int, *, unicode: bool) -> list[str]:
    build = build_container(usage)
    lines = []
    for title, series in curves_of(usage):
        limit = None if build is None else build.limits.memory if series.unit == "bytes" else build.limits.cpus
        lines += ["", *chart(title, series, limit, unicode=unicode, width=width)]
    return lines
