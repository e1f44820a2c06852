"""Findings for programs, and the sentence that ends them for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.doctor.model import Finding

# Changes when a key is renamed, removed or gets another meaning.
VERSION = 1
ORDER = ("error", "crashed", "warning", "info", "skipped", "ok")
BAD = ("error", "crashed")


def summary(findings: Sequence[Finding], facts: dict[str, str]) -> dict[str, Any]:
    """Plain values: what the host is, a count of each status, and one object a check."""
    counts = _counts(findings)
    return {
        "version": VERSION,
        "status": worst(findings),
        "host": facts,
        "counts": {status: counts.get(status, 0) for status in ORDER},
        "checks": [_plain(finding) for finding in findings],
    }


def worst(findings: Sequence[Finding]) -> str:
    """The worst status of all; `ok` where nothing is to be mended."""
    found = {finding.verdict.status for finding in findings}
    return next((status for status in ("error", "crashed", "warning") if status in found), "ok")


def is_failed(findings: Sequence[Finding], *, strict: bool) -> bool:
    """Whether the exit code tells of it: errors and crashes, with `strict` warnings too."""
    bounds = (*BAD, "warning") if strict else BAD
    return any(finding.verdict.status in bounds for finding in findings)


def closing(findings: Sequence[Finding], seconds: float, *, sees_all: bool = True) -> str:
    """Totals, and what they mean for jobs. `sees_all` is whether we see what the account that runs jobs sees."""
    counts = _counts(findings)
    words = {
        "ok": "ok",
        "warning": _plural(counts["warning"], "warning"),
        "error": _plural(counts["error"], "error"),
        "crashed": "crashed",
        "info": "to know (--verbose)",
        "skipped": "not needed here",
    }
    told = ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])
    number = _plural(len(findings), "check", number=True)
    return f"{number} in {seconds:.1f} s: {told}. {_meaning(counts, sees_all=sees_all)}"


def _counts(findings: Sequence[Finding]) -> Counter[str]:
    return Counter(finding.verdict.status for finding in findings)


def _meaning(counts: Counter[str], *, sees_all: bool) -> str:
    if counts["error"]:
        return f"Jobs will fail until the {_plural(counts['error'], 'error')} {_is(counts['error'])} fixed."
    if counts["crashed"]:
        return "A check failed by itself: please report it."
    if counts["warning"]:
        return "Jobs run, but not as they should."
    return "This host is ready for jobs." if sees_all else "What you may see of this host is in order; root sees more."


def _plain(finding: Finding) -> dict[str, Any]:
    check, verdict = finding.check, finding.verdict
    return {
        "id": check.id,
        "category": check.category,
        "status": verdict.status,
        "title": check.title,
        "found": verdict.found,
        "expected": verdict.expected,
        "why": verdict.why,
        "fix": list(verdict.fix),
        "link": check.link,
        "duration_ms": finding.milliseconds,
    }


def _plural(count: int, word: str, *, number: bool = False) -> str:
    text = word if count == 1 else f"{word}s"
    return f"{count} {text}" if number else text


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
