"""What containers wrote themselves, line by line, each with the name of its container."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from executor.errors import ExecutorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.engine.client import Engine
    from executor.inspection.containers import JobContainer

LONGEST_LINE = 1 << 16


def lines_of(engine: Engine, container: JobContainer, *, tail: int | str, follow: bool = False) -> Iterator[str]:
    """The lines, both streams in the order in which they came."""
    rest = b""
    for _, data in engine.logs(container.id, tail=tail, follow=follow):
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode(errors="replace").rstrip("\r") for line in whole)
        if len(rest) > LONGEST_LINE:
            yield rest.decode(errors="replace")
            rest = b""
    if rest:
        yield rest.decode(errors="replace")


def followed(engine: Engine, containers: list[JobContainer], *, tail: int | str) -> Iterator[tuple[str, str]]:
    """Pairs of a container's title and a line, as they come, until all have ended."""
    lines: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
    for container in containers:
        threading.Thread(target=_follow, args=(engine, container, tail, lines), daemon=True).start()
    open_ones = len(containers)
    while open_ones:
        if (entry := lines.get()) is None:
            open_ones -= 1
        else:
            yield entry


def _follow(
    engine: Engine, container: JobContainer, tail: int | str, lines: queue.SimpleQueue[tuple[str, str] | None]
) -> None:
    try:
        for line in lines_of(engine, container, tail=tail, follow=True):
            lines.put((container.title, line))
    except ExecutorError as error:
        lines.put((container.title, f"({error.what})"))
    finally:
        lines.put(None)
