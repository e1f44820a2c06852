"""What `--fix` may do: only what is harmless, told before, and looked at again afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.errors import ExecutorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.doctor.model import Finding


def repairable(findings: Sequence[Finding]) -> list[Finding]:
    """Those that `--fix` knows to mend."""
    return [finding for finding in findings if finding.verdict.repair]


def repair(finding: Finding) -> str:
    """Mend it; why that failed, "" where it went well."""
    if not finding.verdict.repair:
        return "nothing is known to do about it"
    try:
        finding.verdict.repair.do()
    except OSError as failure:
        return failure.strerror or type(failure).__name__
    except ExecutorError as failure:
        return failure.what
    return ""
