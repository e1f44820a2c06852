"""A job's log: raw into its file, as GitLab would have it, and line by line to whoever shows it."""

from __future__ import annotations

import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

CYAN = "\x1b[36;1m"
CLEAR = "\r\x1b[0K"
RESET = "\x1b[0;m"
MASK = b"[MASKED]"
SHORTEST_MASKED = 4

SECTIONS = {
    "prepare_executor": 'Preparing the "custom" executor',
    "prepare_script": "Preparing environment",
    "get_sources": "Getting source from Git repository",
    "restore_cache": "Restoring cache",
    "download_artifacts": "Downloading artifacts",
    "step_script": 'Executing "step_script" stage of the job script',
    "after_script": "Running after_script",
    "archive_cache": "Saving cache for successful job",
    "archive_cache_on_failure": "Saving cache for failed job",
    "upload_artifacts_on_success": "Uploading artifacts for successful job",
    "upload_artifacts_on_failure": "Uploading artifacts for failed job",
    "cleanup_file_variables": "Cleaning up project directory and file based variables",
}

_MARK = re.compile(r"section_(?:start|end):\d+:[^\r\n]*(?:\r\x1b\[0K)?")
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^\[\]]|[\x00-\x08\x0b-\x0d\x0e-\x1a\x1c-\x1f\x7f]"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class JobLog:
    """Writes one job's log. `secrets` never reach file or terminal, as long as a line holds them whole."""

    def __init__(self, path: Path, show: Callable[[str], None], secrets: Iterable[str] = ()) -> None:
        self.path = path
        self._file = open(path, "wb")  # noqa: SIM115
        self._show = show
        self._secrets = [secret.encode() for secret in secrets if len(secret) >= SHORTEST_MASKED]
        self._rest = b""

    def write(self, chunk: bytes) -> None:
        """Take output as it comes, in pieces of any size."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)

    def say(self, text: str, colour: str = "") -> None:
        """A line of our own."""
        self.write(f"{colour}{text}{RESET}\n".encode() if colour else f"{text}\n".encode())

    def begin(self, section: str) -> None:
        """A section of the log begins."""
        title = SECTIONS.get(section, section)
        self._flush()
        self._mark(f"section_start:{int(time.time())}:{section}{CLEAR}{CYAN}{title}{RESET}\n")
        self._show(f"{CYAN}{title}{RESET}")

    def end(self, section: str) -> None:
        """A section of the log ends."""
        self._flush()
        self._mark(f"section_end:{int(time.time())}:{section}{CLEAR}\n")

    def close(self) -> None:
        """Write what is left and close the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rest:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        for secret in self._secrets:
            line = line.replace(secret, MASK)
        self._file.write(line + b"\n")
        self._file.flush()
        text = line.decode(errors="replace")
        # A line of marks alone is for GitLab.
        if visible(text) or not _MARK.search(text):
            self._show(text)

    def _mark(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()


def visible(line: str) -> str:
    """A line as a terminal would show it in the end: its last overwriting, colours kept, no other control codes."""
    text = _MARK.sub("", line).rstrip("\r")
    return _CONTROL.sub("", text.rpartition("\r")[2])


def plain(line: str) -> str:
    """The line without colours either."""
    return _COLOUR.sub("", visible(line))
