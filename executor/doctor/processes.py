"""The gitlab-runner processes of this host, as /proc tells of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.settings.load import SYSTEM_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "gitlab-runner"
OPTIONS = ("-c", "--config")


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process that runs jobs. `config` is the file that it was started with, else the one in its usual place.

    `executable` is its program's path; `environment` is None where this account may not see it.
    """

    pid: int
    uid: int
    gid: int
    groups: tuple[int, ...]
    config: str
    executable: str
    outdated: bool
    open_files: int
    file_size: str
    environment: Mapping[str, str] | None = field(repr=False)


def runner_processes(proc: str = "/proc") -> list[Process]:
    """Every `gitlab-runner run` (or `run-single`) of this host that can be seen."""
    return [process for pid in _numbers(proc) if (process := _process(f"{proc}/{pid}"))]


def _numbers(proc: str) -> Iterator[int]:
    yield from sorted(int(name) for name in os.listdir(proc) if name.isdigit())


def _process(folder: str) -> Process | None:
    try:
        words = _text(f"{folder}/cmdline").split("\0")
        if not os.path.basename(words[0]).startswith(NAME) or not {"run", "run-single"} & set(words):
            return None
        return _described(folder, words)
    except (OSError, ValueError, KeyError):
        # It ended while we looked, or is a zombie.
        return None


def _described(folder: str, words: list[str]) -> Process:
    status = dict(line.split(":", 1) for line in _text(f"{folder}/status").splitlines() if ":" in line)
    executable = _link(f"{folder}/exe")
    soft, size = _limits(folder)
    return Process(
        pid=int(os.path.basename(folder)),
        uid=int(status["Uid"].split()[1]),
        gid=int(status["Gid"].split()[1]),
        groups=tuple(int(group) for group in status.get("Groups", "").split()),
        config=_config(folder, words) or _usual_config(int(status["Uid"].split()[1]), _environment(folder)),
        executable=executable.removesuffix(" (deleted)"),
        outdated=executable.endswith(" (deleted)"),
        open_files=soft,
        file_size=size,
        environment=_environment(folder),
    )


def _config(folder: str, words: list[str]) -> str:
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in OPTIONS:
            path = value if equals else words[index + 1]
            return os.path.normpath(os.path.join(_link(f"{folder}/cwd") or "/", path))
    return ""


def _usual_config(uid: int, environment: Mapping[str, str] | None) -> str:
    if uid == 0:
        return f"{SYSTEM_FOLDER}/config.toml"
    home = (environment or {}).get("HOME") or _home(uid)
    return f"{home}/.gitlab-runner/config.toml"


def _home(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"


def _limits(folder: str) -> tuple[int, str]:
    """How many files may be open, 0 where that is unknown or without bound; how large one may be, as written."""
    try:
        lines = _text(f"{folder}/limits").splitlines()
    except OSError:
        return 0, "unlimited"
    open_files = next((line.split()[3] for line in lines if line.startswith("Max open files")), "0")
    size = next((line.split()[3] for line in lines if line.startswith("Max file size")), "unlimited")
    return int(open_files) if open_files.isdigit() else 0, size


def _environment(folder: str) -> dict[str, str] | None:
    try:
        entries = _text(f"{folder}/environ").split("\0")
    except OSError:
        return None
    return {name: value for name, equals, value in (entry.partition("=") for entry in entries) if equals}


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _text(path: str) -> str:
    with open(path, errors="surrogateescape") as file:
        return file.read()
