"""What the kernel says of the processes that it killed for memory: which, and what was largest then.

Only privileged accounts may read its log; others go without.
"""

from __future__ import annotations

import os

from executor.usage.model import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

KERNEL_LOG = "/dev/kmsg"
PAGE = os.sysconf("SC_PAGE_SIZE")
RECORD = 8192
MOST_RECORDS = 50_000
TOP = 5


class Kill:
    """One kill: the process with what it held, the largest ones of its container then, and what all of them held."""

    def __init__(self, victim: Process, table: list[Process]) -> None:
        self.victim = victim
        self.largest = sorted((one for one in table if one.memory), key=lambda one: -one.memory)[:TOP]
        self.total = sum(one.memory for one in table)


def kills_in(container: str, path: str = KERNEL_LOG) -> list[Kill]:
    """The kills among the processes of the container with the id `container` that the kernel still remembers."""
    return parse_kills(_records(path), container) if container else []


def parse_kills(lines: list[str], container: str) -> list[Kill]:
    """The same, of the log's lines without their heads: a table of processes, `oom-kill:…`, `… Killed process …`."""
    kills: list[Kill] = []
    columns: list[str] = []
    table: list[Process] = []
    for line in lines:
        if line.startswith("[") and "total_vm" in line and line.endswith("name"):
            columns, table = line.replace("[  pid  ]", "pid").split(), []
        elif line.startswith("[") and columns:
            table += _row(line, columns)
        elif line.startswith("oom-kill:"):
            if container in line.partition("task_memcg=")[2].partition(",")[0]:
                kills.append(Kill(_victim(line, table), table))
            columns = []
    return kills


def _victim(line: str, table: list[Process]) -> Process:
    """The process of `…,task=NAME,pid=N,uid=N`; its memory is the table's, where the largest of its name is it."""
    name = line.rpartition(",task=")[2].rpartition(",pid=")[0]
    held = max((process.memory for process in table if process.name == name), default=0)
    return Process(name=name, memory=held)


def _row(line: str, columns: list[str]) -> list[Process]:
    """`[  14873]     0 14873    25746    25471 … 0 tail`, under the names of its columns."""
    words = line.replace("[", " ").replace("]", " ").split(None, len(columns) - 1)
    if len(words) < len(columns):
        return []
    values = dict(zip(columns, words, strict=True))
    pages = values.get("rss_anon") or values.get("rss", "")
    return [Process(name=values["name"], memory=int(pages) * PAGE)] if pages.isdigit() else []


def _records(path: str) -> list[str]:
    """The texts of all records; none where the log must not be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        return [record.partition(b";")[2].partition(b"\n")[0].decode(errors="replace") for record in _each(descriptor)]
    finally:
        os.close(descriptor)


def _each(descriptor: int) -> Iterator[bytes]:
    """One record a read. A record that is overwritten under our eyes is left out."""
    for _ in range(MOST_RECORDS):
        try:
            record = os.read(descriptor, RECORD)
        except BrokenPipeError:
            continue
        except OSError:
            return
        if not record:
            return
        yield record
