"""A build container with the stage loop, made as the driver makes it, and drivers that run stages in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from executor.engine.client import Engine
from executor.engine.endpoint import find_endpoint
from executor.plan.entrypoint import command
from executor.plan.model import CONTROL
from executor.sandbox.environment_file import wrapped_entrypoint
from executor.sandbox.loop import loop_command
from executor.sandbox.state import save
from executor.sandbox.workplace import engine_facts
from executor.settings.model import DockerSettings
from executor.stages.channel import Channel

if TYPE_CHECKING:
    from pathlib import Path

LABEL = "io.virida.executor.test"

DRIVER = """
import json, os, sys
sys.path[:0] = [os.getcwd()]
from executor.stages import ending
from executor.stages.run import run_stage
folder, result, patience, *scripts = sys.argv[1:]
if patience == "none heard":
    ending.TERM_SECONDS = ending.KILL_SECONDS = 0.3
    ending.signal_command = lambda *_: ["true"]
elif patience:
    ending.TERM_SECONDS = float(patience)
codes = [run_stage(folder, "build", script) for script in scripts]
with open(result, "w") as file:
    json.dump(codes, file)
"""


class BuildContainer:
    """One container of a job folder. `entrypoint` None keeps the image's; `host_config` is the Engine's."""

    def __init__(
        self,
        folder: Path,
        image: str,
        *,
        entrypoint: tuple[str, ...] | None = None,
        variables: dict[str, str] | None = None,
        host_config: dict[str, Any] | None = None,
    ) -> None:
        self.engine = Engine(find_endpoint(DockerSettings()))
        self.folder = folder
        self.name = f"virida-test-{os.getpid()}-{time.monotonic_ns()}"
        self.job = folder / "job"
        (self.job / "build").mkdir(parents=True)
        self.control = Channel.create(str(self.job / "build/ctl")).folder
        facts = {
            "engine": engine_facts(self.engine.endpoint),
            "containers": {"build": self.name},
            "prepared": True,
        }
        save(str(self.job), facts)
        self._create(image, entrypoint, variables or {}, host_config or {})

    def _create(
        self, image: str, entrypoint: tuple[str, ...] | None, variables: dict[str, str], host_config: dict[str, Any]
    ) -> None:
        of_image = tuple(self.engine.inspect_image(image).value()["Config"]["Entrypoint"] or ())
        loop = loop_command(shared_processes=bool(host_config.get("PidMode")))
        override, words = command(entrypoint, of_image, loop)
        effective = of_image if override is None else override
        if any(effective):
            override = wrapped_entrypoint(self.control, effective, variables)
        binds = [f"{self.control}:{CONTROL}:ro"]
        body: dict[str, Any] = {
            "Image": image,
            "Cmd": list(words),
            "Labels": {LABEL: str(os.getpid())},
            "HostConfig": {"NetworkMode": "none", "Binds": binds, **host_config},
        }
        if override is not None:
            body["Entrypoint"] = list(override)
        self.engine.create_container(self.name, body).value()
        self.engine.start_container(self.name).value()

    def script(self, text: str) -> str:
        """The path of a script, as closed as the runner makes it."""
        scripts = self.folder / "scripts"
        scripts.mkdir(exist_ok=True)
        path = scripts / str(len(os.listdir(scripts)))
        path.write_text(text)
        path.chmod(0o700)
        return str(path)

    def driver(self, *texts: str, patience: str = "") -> subprocess.Popen[bytes]:
        """A driver that runs these scripts one after the other; `patience` is what SIGTERM gives them, in
        seconds, or `none heard` for signals that have no effect.
        """
        (self.folder / "result").unlink(missing_ok=True)
        words = [str(self.job), str(self.folder / "result"), patience, *map(self.script, texts)]
        return subprocess.Popen([sys.executable, "-c", DRIVER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *texts: str) -> tuple[list[int], bytes, bytes]:
        """The exit codes of the scripts, and what they wrote to standard output and error."""
        with self.driver(*texts) as driver:
            out, err = driver.communicate(timeout=30)
        return self.codes(err), out, err

    def codes(self, err: bytes = b"") -> list[int]:
        """What the last driver made of its stages."""
        assert (self.folder / "result").exists(), err.decode()
        found: list[int] = json.loads((self.folder / "result").read_text())
        return found

    def begun(self, text: str, **options: str) -> subprocess.Popen[bytes]:
        """A driver whose script has said that it runs."""
        driver = self.driver(f"echo begun\n{text}", **options)
        assert driver.stdout
        assert driver.stdout.readline() == b"begun\n"
        return driver

    def state(self) -> dict[str, Any]:
        """The Engine's word on the container."""
        return dict(self.engine.inspect_container(self.name).value()["State"])

    def commands(self) -> list[str]:
        """The programs that run in the container."""
        found = self.engine.ask("GET", f"/containers/{self.name}/top?ps_args=-eo%20pid,args").value()
        return [" ".join(words[1:]) for words in found["Processes"]]

    def sleeping(self) -> list[str]:
        """The `sleep` programs that run in the container."""
        return [command for command in self.commands() if command.startswith("sleep 1")]

    def wait_until_ended(self) -> None:
        """Wait until the container's first process has ended."""
        self.engine.wait_container(self.name).value()

    def remove(self) -> None:
        """Take the container away."""
        self.engine.remove_container(self.name).settle()
