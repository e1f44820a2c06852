"""The rules of the house, read from the imports: data goes one way, one room talks to Docker, one writer prints."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2] / "executor"
FILES = sorted(HOUSE.rglob("*.py"))
BASE = {"executor", "executor.errors"}

# What each room may use beside itself and `BASE`. `cli` stands above all rooms and may use any.
ROOMS = {
    "job": set(),
    "settings": set(),
    "plan": {"job", "settings"},
    "engine": {"settings"},
    "sandbox": {"cache", "engine", "job", "plan", "settings", "terminal", "usage"},
    "stages": {"cache", "engine", "job", "plan", "report", "sandbox", "settings", "terminal", "usage"},
    "inspection": {"engine", "plan", "sandbox", "usage"},
    "cache": {"job", "settings", "terminal"},
    "usage": {"job", "settings"},
    "report": {"job", "settings", "terminal", "usage"},
    "doctor": {"cache", "engine", "plan", "sandbox", "settings", "usage"},
    "pipeline": {"job", "settings", "terminal"},
    "setup": {"doctor", "settings"},
}  # type: dict[str, set[str]]

# The SDK's way to ask credential helpers: it speaks to no engine.
DOCKER_READERS = {"docker.credentials"}


def room_of(path: Path) -> str:
    """The room that a file belongs to; a file of the house itself is its own."""
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} is a relative import"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "docker" else {module}
    return found


def calls_of(path: Path) -> set[str]:
    """Every call in a file, as it is written: `print`, `sys.stdout.write`."""
    tree = ast.parse(path.read_text())
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_uses_only_those_before_it(room: str) -> None:
    reaches = {
        f"{path.relative_to(HOUSE)} imports {module}"
        for path in FILES
        if room_of(path) == room
        for module in imports_of(path)
        if module.startswith("executor") and module not in BASE and module.split(".")[1] not in ROOMS[room] | {room}
    }

    assert not reaches


def test_every_room_has_its_rule() -> None:
    rooms = {path.name for path in HOUSE.iterdir() if path.is_dir() and list(path.glob("*.py"))}

    assert rooms - {"cli"} <= ROOMS.keys()


def test_nothing_but_commands_uses_commands() -> None:
    assert not [
        path for path in FILES if room_of(path) != "cli" and any(m.startswith("executor.cli") for m in imports_of(path))
    ]


def test_only_the_engine_room_talks_to_docker() -> None:
    speakers = {
        str(path.relative_to(HOUSE))
        for path in FILES
        if room_of(path) != "engine"
        and (
            any(m.split(".")[0] == "docker" and m not in DOCKER_READERS for m in imports_of(path))
            or "AF_UNIX" in path.read_text()
            or "docker.from_env" in path.read_text()
        )
    }

    assert not speakers


def test_only_the_terminal_prints() -> None:
    printing = {"print", "sys.stdout.write", "sys.stderr.write", "Console", "sys.stdout.writelines"}
    writers = {
        f"{path.relative_to(HOUSE)} calls {call}"
        for path in FILES
        if path.name != "terminal.py"
        for call in calls_of(path) & printing
    }

    assert not writers


def test_pure_rooms_start_no_process_and_open_no_connection() -> None:
    effects = {"subprocess", "socket", "http.client", "httpx", "shutil", "tempfile", "docker"}
    impure = {
        f"{path.relative_to(HOUSE)} imports {module}"
        for path in FILES
        if room_of(path) in ("job", "plan")
        for module in imports_of(path) & effects
    }

    assert not impure
