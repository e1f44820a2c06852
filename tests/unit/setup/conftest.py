"""A folder that stands for a host, and commands called in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.setup.gitlab import ACCESS_TOKEN, RUNNER_TOKEN, GitLab

if TYPE_CHECKING:
    from collections.abc import Iterator

LAUNCHER = str(Path(sys.executable).parent / "executor")


class Host:
    """`executor` with `--root`, as it is installed. No message may hold a token."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "etc/gitlab-runner/config.toml"
        self.settings = root / "etc/gitlab-runner/executor.toml"
        self.start_script = root / "usr/local/bin/executor"
        self.state_dir = root / "var/lib/virida-executor"
        self.environment: dict[str, str] = {}

    def call(self, command: str, *words: str, stdin: str = "", code: int = 0) -> str:
        """What the command said, standard output before standard error, once it has ended with `code`."""
        clean = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        ended = subprocess.run(
            [LAUNCHER, command, "--root", str(self.root), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={**clean, "NO_PROXY": "*", **self.environment},
            check=False,
        )
        told = ended.stdout + ended.stderr
        assert ended.returncode == code, told
        assert "Traceback" not in told
        assert RUNNER_TOKEN not in told
        assert ACCESS_TOKEN not in told
        return told

    def write_config(self, text: str) -> None:
        """Write config.toml, as its package leaves it."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_bytes(text.encode())
        self.config.chmod(0o600)

    def files(self) -> dict[str, bytes]:
        """Every file of the host with its content."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with nothing on it."""
    root = tmp_path / "host"
    root.mkdir()
    return Host(root)


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    """GitLab."""
    server = GitLab()
    yield server
    server.close()
