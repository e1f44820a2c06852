"""Findings as lines for people: what is wrong first, then why it matters, then what to do."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.doctor.model import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from executor.doctor.model import Finding, Status

WIDTH = 100
CATEGORY_WIDTH = 12
INDENT = " " * (CATEGORY_WIDTH + 2)
UNICODE = {"ok": "✔", "info": "•", "warning": "▲", "error": "✖", "skipped": "–", "crashed": "‼"}
ASCII = {"ok": "+", "info": "i", "warning": "!", "error": "x", "skipped": "-", "crashed": "?"}
STYLES = {
    "ok": "green",
    "info": "cyan",
    "warning": "yellow",
    "error": "red bold",
    "skipped": "dim",
    "crashed": "magenta",
}
TOLD: tuple[Status, ...] = ("error", "crashed", "warning")


@dataclass(frozen=True)
class Line:
    """A line and how it is shown where colours are."""

    text: str
    style: str = ""


def lines(findings: Sequence[Finding], *, unicode: bool, verbose: bool = False) -> Iterator[Line]:
    """A block for each category that was looked at. With `verbose` every check has its line."""
    marks = UNICODE if unicode else ASCII
    for category in CATEGORIES:
        its = [finding for finding in findings if finding.check.category == category]
        if its:
            yield from _category(category, its, marks, verbose=verbose)


def _category(category: str, findings: list[Finding], marks: dict[str, str], *, verbose: bool) -> Iterator[Line]:
    told = findings if verbose else [finding for finding in findings if finding.verdict.status in TOLD]
    name = category.ljust(CATEGORY_WIDTH)
    for finding in told:
        mark = marks[finding.verdict.status]
        yield Line(f"{name}{mark} {finding.check.id}", STYLES[finding.verdict.status])
        yield from _details(finding, verbose=verbose)
        name = " " * CATEGORY_WIDTH
    if not told:
        yield _all_well(name, findings, marks)


def _all_well(name: str, findings: list[Finding], marks: dict[str, str]) -> Line:
    skipped = [finding for finding in findings if finding.verdict.status == "skipped"]
    if len(skipped) == len(findings):
        return Line(f"{name}{marks['skipped']} skipped: {skipped[0].verdict.found}", STYLES["skipped"])
    count = len(findings) - len(skipped)
    return Line(f"{name}{marks['ok']} {count} check{'' if count == 1 else 's'}", STYLES["ok"])


def _details(finding: Finding, *, verbose: bool) -> Iterator[Line]:
    verdict = finding.verdict
    if verdict.status not in TOLD:
        text = verdict.found or finding.check.title
        yield from _wrapped(f"skipped: {text}" if verdict.status == "skipped" else text)
        if verdict.status == "info":
            yield from (Line(f"{INDENT}{step}") for step in verdict.fix)
        return
    yield from _wrapped(f"{verdict.found} {verdict.why}".strip())
    if verdict.expected:
        yield from _wrapped(f"expected: {verdict.expected}")
    for index, step in enumerate(verdict.fix):
        # Never wrapped: it is there to be copied.
        yield Line(f"{INDENT}{'fix: ' if index == 0 else '     '}{step}", "bold")
    if verbose:
        yield Line(f"{INDENT}{finding.check.link}", "dim")


def _wrapped(text: str) -> Iterator[Line]:
    for line in textwrap.wrap(text, WIDTH - len(INDENT), break_long_words=False, break_on_hyphens=False):
        yield Line(f"{INDENT}{line}")
