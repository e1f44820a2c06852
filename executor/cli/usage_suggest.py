"""Limits that would suit the jobs: a table, the lines for `.gitlab-ci.yml`, and what it would save."""

from __future__ import annotations

import sys

from executor import terminal
from executor.cli.tables import print_rows
from executor.report.words import UNKNOWN, cores, memory_setting, setting, size
from executor.usage.comparison import KEEP, MEMORY
from executor.usage.fleet import total

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.comparison import Suggestion
    from executor.usage.fleet import JobAdvice, Prices, Totals

HEADINGS = ("Project", "Job", "Runs", "Memory", "Used", "Suggested", "CPUs", "Used", "Suggested", "Why")
NUMERIC = ("Runs", "Memory", "Used", "Suggested", "CPUs")
REASONS = {
    "oom": "killed for its memory",
    "near-limit": "close to its limit",
    "throttled": "slowed down by its limit",
    "unused": "needs less than half",
    "at-bound": "at the operator's bound: a leak?",
}


def print_advice(advice: list[JobAdvice], prices: Prices) -> None:
    """The jobs with the most to save first."""
    print_rows(HEADINGS, [_row(one) for one in advice], numeric=NUMERIC, empty="No job fits.")
    if not (advice and sys.stdout.isatty()):
        return
    wanted = [one for one in advice if _changes(one)]
    if wanted:
        terminal.show("\nIn .gitlab-ci.yml:")
    for one in wanted:
        settings = ", ".join(setting(suggestion) for suggestion in _changes(one))
        terminal.show(terminal.printable(f"  {one.newest.key}: variables: {{{settings}}}   # {one.newest.project}"))
    terminal.show("")
    for line in total_lines(total(one.totals for one in advice), prices):
        terminal.show(line)


def total_lines(totals: Totals, prices: Prices) -> list[str]:
    """What the runs took, what of it was reserved in vain, and at the operator's prices what that is."""
    jobs = "1 run" if totals.jobs == 1 else f"{totals.jobs} runs"
    lines = [f"{jobs}, {totals.hours:.1f} h: {totals.cpu_hours:.1f} CPU hours used"]
    if totals.cpu_reserved:
        lines[0] += f", {totals.cpu_reserved:.1f} reserved"
    if totals.memory_reserved:
        lines[0] += f"; memory: {totals.memory_used:.1f} of {totals.memory_reserved:.1f} GiB hours used"
    lines[0] += "."
    if totals.memory_savable or totals.cpu_savable:
        lines.append(
            f"The lower limits would free {totals.memory_savable:.1f} GiB hours and {totals.cpu_savable:.1f} CPU hours."
        )
    if prices.known:
        money = f"{totals.cost(prices):.2f} {prices.currency}".rstrip()
        lines.append(f"At your prices that is {totals.savable(prices):.2f} of {money}.")
    return lines


def _changes(one: JobAdvice) -> list[Suggestion]:
    return [suggestion for suggestion in one.suggestions if suggestion.direction != KEEP]


def _row(one: JobAdvice) -> list[str]:
    memory = next((suggestion for suggestion in one.suggestions if suggestion.resource == MEMORY), None)
    cpu = next((suggestion for suggestion in one.suggestions if suggestion.resource != MEMORY), None)
    reasons = [REASONS[suggestion.reason] for suggestion in one.suggestions if suggestion.reason in REASONS]
    return [
        one.newest.project,
        one.newest.key,
        str(one.totals.jobs),
        size(one.newest.memory_limit),
        size(memory.largest) if memory else UNKNOWN,
        memory_setting(memory.value) if memory else UNKNOWN,
        cores(one.newest.cpu_limit),
        cores(cpu.largest) if cpu else UNKNOWN,
        f"{cpu.value:g}" if cpu else UNKNOWN,
        "; ".join(dict.fromkeys(reasons)) or UNKNOWN,
    ]
