"""The stage loop as a process of this host, and drivers that run stages in it: no container, no sweeping."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from executor.plan.model import CONTROL
from executor.sandbox.loop import SHELLS, loop_command
from executor.stages.channel import Channel, NotListening

if TYPE_CHECKING:
    from pathlib import Path

DRIVER = """
import json, sys
from executor.stages.run import run_stage
folder, result, *scripts = sys.argv[1:]
codes = [run_stage(folder, "build", script) for script in scripts]
with open(result, "w") as file:
    json.dump(codes, file)
"""
RUNNER = "import os, sys; sys.path[:0] = [os.getcwd()]\n" + DRIVER


class LocalLoop:
    """A job folder whose build container is a shell of this host. Only for loops that share processes: the other
    kind ends every process that it does not know."""

    def __init__(self, folder: Path, shell: list[str], stage_shell: str) -> None:
        self.folder = folder / "job"
        self.scripts = folder / "scripts"
        self.scripts.mkdir()
        (self.folder / "build").mkdir(parents=True)
        self.channel = Channel.create(str(self.folder / "build/ctl"))
        text = loop_command(shared_processes=True).replace(CONTROL, self.channel.folder)
        assert text.startswith("shared_processes=1\n")
        assert CONTROL not in text
        self.process = subprocess.Popen(
            [*shell, "-c", text.replace(" ".join(SHELLS), stage_shell)],
            stdin=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
        )
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                os.close(os.open(f"{self.channel.folder}/go", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise NotListening

    def script(self, text: str) -> str:
        """The path of a script, as closed as the runner makes it."""
        path = self.scripts / str(len(os.listdir(self.scripts)))
        path.write_text(text)
        path.chmod(0o700)
        return str(path)

    def driver(self, *texts: str, **options: object) -> subprocess.Popen[bytes]:
        """A driver that runs these scripts one after the other."""
        result = self.scripts.parent / "result"
        result.unlink(missing_ok=True)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        words = [sys.executable, "-c", RUNNER, str(self.folder), str(result), *map(self.script, texts)]
        return subprocess.Popen(words, **pipes)  # type: ignore[call-overload, no-any-return]

    def run(self, *texts: str) -> tuple[list[int], bytes, bytes]:
        """The exit codes of the scripts, and what they wrote to standard output and error."""
        with self.driver(*texts) as driver:
            out, err = driver.communicate(timeout=60)
        assert driver.returncode == 0, err.decode()
        return self.codes(), out, err

    def codes(self) -> list[int]:
        """What the last driver made of its stages."""
        found: list[int] = json.loads((self.scripts.parent / "result").read_text())
        return found

    def left_over(self) -> set[str]:
        """What is in the control folder besides what belongs there."""
        return set(os.listdir(self.channel.folder)) - {"go", "status"}

    def stop(self) -> None:
        """End the loop, and what its stages may have left in its session."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
