"""`executor usage JOB --html`: the page in a file."""

from __future__ import annotations

import os
from contextlib import suppress

from executor.errors import OperatorError
from executor.report.html import render_html

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.comparison import Comparison
    from executor.usage.model import Usage, Verdict


def write_page(path: str, usage: Usage, verdicts: tuple[Verdict, ...], comparison: Comparison) -> str:
    """Write the page to `path` ("" is `usage-JOB.html` here), a file in one step; the path."""
    path = path or f"usage-{usage.job.id}.html"
    page = render_html(usage, verdicts, comparison)
    try:
        _write(path, page)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}.", fix="Name another file.") from None
    return path


def _write(path: str, page: str) -> None:
    """A device or a pipe stays what it is: a file in its place would harm others."""
    if os.path.exists(path) and not os.path.isfile(path):
        _fill(path, page)
        return
    temporary = f"{path}.{os.getpid()}"
    try:
        _fill(temporary, page)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _fill(path: str, page: str) -> None:
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(page)
