"""The bar of commands that take a while: on a terminal, after a second, gone at the end."""

from __future__ import annotations

import os
import pty
import re
import sys

PROGRAM = """
import time
from executor.cli import progress
progress.PATIENCE = {patience}
with progress.progress({title!r}, {total}) as work:
    for _ in range(4):
        time.sleep(0.05)
        work.step(25)
    time.sleep(0.2)
print("done")
"""


def seen(patience: float, title: str = "Verifying caches", total: int | None = 100, **environment: str) -> str:
    """All that such work shows on a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        clean = {"TERM": "xterm", "COLUMNS": "80", "LC_ALL": "C.UTF-8", **environment}
        program = PROGRAM.format(patience=patience, title=title, total=total)
        os.execve(sys.executable, [sys.executable, "-c", program], clean)
    text = b""
    try:
        while chunk := os.read(terminal, 65536):
            text += chunk
    except OSError:
        pass
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    return text.decode()


def test_a_bar_moves_and_goes() -> None:
    text = seen(0.01)

    assert "Verifying caches" in text
    assert "100%" in text
    assert "━" in text
    # The line is erased before the command says what came of it.
    assert re.search(r"\x1b\[2K.*done\r\n$", text, re.DOTALL)


def test_short_work_shows_none() -> None:
    assert seen(30.0) == "done\r\n"


def test_nothing_moves_on_a_terminal_that_cannot() -> None:
    assert seen(0.01, TERM="dumb") == "done\r\n"


def test_ascii_where_the_locale_has_no_more() -> None:
    text = seen(0.01, LC_ALL="C")

    assert text.isascii()
    assert "100%" in text


def test_work_of_unknown_length() -> None:
    text = seen(0.01, total=None)

    assert "Verifying caches" in text
    assert "100%" not in text


def test_a_title_from_a_job_is_no_markup() -> None:
    text = seen(0.01, title="Pushing [red]\x1b[2Jkey[/red]")

    assert "[red]?[2Jkey[/red]" in text
    assert "\x1b[2J" not in text
