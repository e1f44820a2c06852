"""`executor usage JOB --html`: the page in a file."""

from __future__ import annotations

import os

from executor.errors import OperatorError
from executor.report.html import render_html

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.comparison import Comparison
    from executor.usage.model import Usage, Verdict


def write_page(path: str, usage: Usage, verdicts: tuple[Verdict, ...], comparison: Comparison) -> str:
    """Write the page to `path` ("" is `usage-JOB.html` here) in one step; the path."""
    path = path or f"usage-{usage.job.id}.html"
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8", errors="replace") as file:
            file.write(render_html(usage, verdicts, comparison))
        os.replace(temporary, path)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}.", fix="Name another file.") from None
    return path
