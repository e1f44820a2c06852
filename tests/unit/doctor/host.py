"""A runner's host made of data: tests/cases/doctor/healthy.toml, and one thing in it changed.

Folders and modes are real ones below a temporary folder, `{host}` in the data; what only a whole machine has (the
Engine, GitLab, /proc, disks) is answered from the data.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import socket
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executor import __version__
from executor.doctor.account import Account, Unit
from executor.doctor.processes import Process
from executor.doctor.scene import Scene
from executor.doctor.web import Request, Response, Unreachable
from executor.doctor.witness import Witness
from executor.doctor.world import Mount, Ran, Space, World
from executor.engine.client import Engine, EngineError
from executor.engine.http import Broken
from executor.sandbox.garbage import Garbage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executor.engine.endpoint import Endpoint
    from executor.settings.model import Settings

CASES = Path(__file__).parents[2] / "cases" / "doctor"
ABSENT = "-"
GIB = 1024**3


class Host:
    """The host of a test. `facts` is the content of healthy.toml with what `change` replaces (`-` takes away)."""

    def __init__(self, folder: Path, change: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.facts: dict[str, Any] = merged(read_case("healthy.toml"), change or {})
        self.facts = substituted(self.facts, str(folder))
        self._make_files()

    @property
    def config(self) -> Path:
        """The runner's config.toml."""
        return self.folder / "etc/config.toml"

    def scene(self) -> Scene:
        """The host as checks see it."""
        world = FakeWorld(self.facts)
        process = next((one for one in world.runners() if one.config == str(self.config)), None)
        return Scene(world, str(self.config), process=process)

    def do(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Change files: `replace` in a text, `write`, `remove`, `folder`, `link`, `sqlite`; `owner`, `chmod`."""
        for step in substituted(list(steps), str(self.folder)):
            self._step(step)

    def _step(self, step: Mapping[str, Any]) -> None:
        path = Path(step["path"])
        if "replace" in step:
            old, new = step["replace"]
            text = path.read_text()
            assert old in text, f"{old!r} is not in {path}"
            path.write_text(text.replace(old, new))
        elif "write" in step:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(step["write"].encode("latin-1"))
        elif "remove" in step:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif "folder" in step:
            path.mkdir(parents=True)
        elif "link" in step:
            path.unlink(missing_ok=True)
            path.symlink_to(step["link"])
        elif "sqlite" in step:
            make_database(path, step["sqlite"])
        if "owner" in step:
            os.chown(path, step["owner"], -1)
        if "chmod" in step:
            path.chmod(int(step["chmod"], 8))

    def _make_files(self) -> None:
        for path in ("etc", "bin", "run", "tmp", "docker", "state/jobs"):
            (self.folder / path).mkdir(parents=True)
        (self.folder / "tmp").chmod(0o1777)
        for path in ("state", "state/jobs"):
            (self.folder / path).chmod(0o700)
        text = (CASES / "config.toml").read_text()
        self.config.write_text(text.replace("{host}", str(self.folder)))
        self.config.chmod(0o600)
        (self.folder / "etc/executor.toml").write_text(f'[storage]\nstate_dir = "{self.folder}/state"\n')
        for name in ("executor", "gitlab-runner"):
            program = self.folder / "bin" / name
            program.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 11 + b"\x3e\0")
            program.chmod(0o755)
        listening = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(self.folder / "run")
        listening.bind("docker.sock")
        os.chdir(here)
        listening.close()
        (self.folder / "run/docker.sock").chmod(0o660)


class FakeWorld(World):
    """Answers from data. See healthy.toml for its shape."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        account = facts["account"]
        super().__init__(
            Account(
                uid=os.getuid() if account["uid"] == ABSENT else account["uid"],
                gid=os.getgid(),
                groups=(),
                name=account["name"],
                home=account["home"],
                source="process",
                environment=account["environment"],
            ),
            Witness(_caller()),
        )
        self.asked: list[str] = []

    def read(self, path: str) -> str:
        text = self.facts["files"].get(path)
        if text is None and path.startswith(("/proc", "/sys", "/etc", "/lib", "/run", "/var")):
            return ""
        return str(text) if text is not None else super().read(path)

    def modified(self, path: str) -> float:
        return self.now() - float(self.facts["ages"].get(path, 0))

    def may(self, path: str, mode: int) -> bool:
        closed = [*self.facts["denied"], *(self.facts["read_only"] if mode & os.W_OK else [])]
        return not any(path.startswith(place) for place in closed) and super().may(path, mode)

    def space(self, path: str) -> Space | None:
        disk = self._disk(path)
        return Space(
            device=disk["device"],
            total=int(disk["total"] * GIB),
            free=int(disk["free"] * GIB),
            inodes=disk["inodes"],
            inodes_free=disk["inodes_free"],
        )

    def mount(self, path: str) -> Mount | None:
        disk = self._disk(path)
        return Mount(target=disk["path"], kind=disk["kind"], options=frozenset(disk["options"].split(",")))

    def run(
        self,
        command: Sequence[str],
        seconds: float = 0,
        *,
        environment: Mapping[str, str] | None = None,
        folder: str = "/",
    ) -> Ran:
        return self._ran(command)

    def run_as_caller(self, command: Sequence[str], seconds: float = 0) -> Ran:
        return self._ran(command)

    def overlay_problem(self, store: str, builds: str) -> str | None:
        return str(self.facts["overlay"])

    def garbage(self, settings: Settings, endpoint: Endpoint) -> list[Garbage]:
        return [
            Garbage(
                kind=entry["kind"], path=entry["path"], why="", things=tuple(entry["things"]), engine=Engine(endpoint)
            )
            for entry in self.facts["garbage"]
        ]

    def ask(self, endpoint: Endpoint, method: str, path: str, body: Any = None) -> Any:
        self.asked.append(f"{method} {path}")
        time.sleep(self.facts["engine_seconds"] if path == "/version" else 0)
        if endpoint.local and not os.path.exists(endpoint.host.removeprefix("unix://")):
            endpoint.connect(1)
        answers = self.facts["engine"]
        answer = _longest(answers, f"{method} {path}")
        if answer is None:
            raise EngineError(404, f"no such thing: {path}")
        if answer == "silent":
            raise Broken("no answer in time")
        if isinstance(answer, dict) and "refused" in answer:
            raise EngineError(answer["refused"], answer["message"])
        return answer

    def fetch(self, request: Request) -> Response:
        self.asked.append(f"{request.method} {request.url}")
        answers = self.facts["web"]
        answer = _longest(answers, request.url) or {"trouble": "refused"}
        if "trouble" in answer:
            raise Unreachable(answer["trouble"], answer.get("text", "no connection"))
        body = answer.get("body", "")
        return Response(
            status=answer["status"],
            headers={"date": self.facts["date"], "content-type": "application/json", **answer.get("headers", {})},
            body=(body if isinstance(body, str) else json.dumps(body)).encode(),
        )

    def resolve(self, host: str) -> list[str]:
        if host not in self.facts["names"]:
            raise Unreachable("dns", f"{host} is not known: Name or service not known")
        return [self.facts["names"][host]]

    def name_server_answers(self, address: str) -> bool:
        return address in self.facts["name_servers"]

    def port_answers(self, host: str, port: int) -> bool:
        return f"{host}:{port}" in self.facts["ports"]

    def runners(self) -> list[Process]:
        return [_process(entry) for entry in self.facts["processes"]]

    def unit(self) -> Unit | None:
        unit = self.facts["unit"]
        return Unit(settings=unit["settings"], environment={}, enabled=unit["enabled"]) if unit else None

    def with_systemd(self) -> bool:
        return bool(self.facts["systemd"])

    def now(self) -> float:
        return float(self.facts["now"])

    def cpus(self) -> int:
        return int(self.facts["cpus"])

    def machine(self) -> str:
        return str(self.facts["machine"])

    def kernel(self) -> str:
        return str(self.facts["kernel"])

    def _ran(self, command: Sequence[str]) -> Ran:
        words = " ".join([os.path.basename(command[0]), *command[1:]])
        answer = self.facts["commands"].get(words, {"output": "not found"})
        return Ran(code=answer.get("code"), output=answer["output"])

    def _disk(self, path: str) -> dict[str, Any]:
        fitting = [disk for disk in self.facts["disks"].values() if f"{path}/".startswith(disk["path"])]
        return max(fitting, key=lambda disk: len(disk["path"]))


def read_case(name: str) -> dict[str, Any]:
    """A file of tests/cases/doctor."""
    return tomllib.loads((CASES / name).read_text())


def merged(facts: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`facts` with the values of `change`, table by table; `-` takes a key away."""
    result = copy.deepcopy(facts)
    for key, value in change.items():
        if value == ABSENT:
            result.pop(key)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def substituted(value: Any, host: str) -> Any:
    """The data with `{host}` replaced by the host's folder, and `{version}` by the driver's."""
    if isinstance(value, dict):
        return {key.replace("{host}", host): substituted(entry, host) for key, entry in value.items()}
    if isinstance(value, list):
        return [substituted(entry, host) for entry in value]
    if not isinstance(value, str):
        return value
    return value.replace("{host}", host).replace("{version}", __version__)


def make_database(path: Path, version: int) -> None:
    """An SQLite file whose tables are of this version."""
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE job_run(number INTEGER)")
        connection.execute(f"PRAGMA user_version = {version}")


def _longest(answers: Mapping[str, Any], asked: str) -> Any:
    """The answer to what begins most like the question."""
    fitting = [key for key in answers if asked.startswith(key)]
    return answers[max(fitting, key=len)] if fitting else None


def _caller() -> Account:
    return Account(
        uid=os.geteuid(), gid=os.getegid(), groups=(), name="caller", home="/", source="caller", environment={}
    )


def _process(entry: dict[str, Any]) -> Process:
    return Process(
        pid=entry["pid"],
        uid=0,
        gid=0,
        groups=(),
        config=entry["config"],
        executable=entry["executable"],
        outdated=entry.get("outdated", False),
        open_files=entry.get("open_files", 65536),
        file_size=entry.get("file_size", "unlimited"),
        environment={},
    )
