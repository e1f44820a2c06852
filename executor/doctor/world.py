"""What checks may ask of the host. Tests put another world in its place, with one thing wrong."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.doctor import web
from executor.doctor.account import read_unit
from executor.doctor.processes import runner_processes
from executor.engine.client import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executor.doctor.account import Account, Unit
    from executor.doctor.processes import Process
    from executor.doctor.witness import Witness
    from executor.engine.endpoint import Endpoint
    from executor.sandbox.garbage import Garbage
    from executor.settings.model import Settings

ENGINE_SECONDS = 2.0
COMMAND_SECONDS = 2.0
OCTAL = ("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")


@dataclass(frozen=True, kw_only=True)
class Space:
    """Room on the file system of a path: bytes and inodes. `inodes` is 0 where it has no such bound."""

    device: int
    total: int
    free: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, kw_only=True)
class Mount:
    """The mount that a path lies in."""

    target: str
    kind: str
    options: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a command ended. `code` is None where it did not end in time or could not be started (`output` says why)."""

    code: int | None
    output: str


class World:
    """This host. `account` and `witness` speak for who runs jobs; `open_files` is how many we may open ourselves."""

    def __init__(self, account: Account, witness: Witness, open_files: int = 0) -> None:
        self.account = account
        self.open_files = open_files
        self._witness = witness

    @property
    def speaks_for_account(self) -> bool:
        """Whether `may` tells the truth about the service's account."""
        return self._witness.speaks_for_account

    def read(self, path: str) -> str:
        """A file of the system, such as below /proc; "" where there is none."""
        try:
            with open(path, errors="surrogateescape") as file:
                return file.read()
        except OSError:
            return ""

    def modified(self, path: str) -> float:
        """When the file or folder was last written, in seconds since the epoch; 0 where it is not there."""
        try:
            return os.stat(path).st_mtime
        except OSError:
            return 0.0

    def may(self, path: str, mode: int) -> bool:
        """Whether the service's account may reach `path` in `mode`."""
        return self._witness.may(path, mode)

    def space(self, path: str) -> Space | None:
        """Room where `path` lies or will lie; None where that cannot be told."""
        path = existing(path)
        try:
            room, device = os.statvfs(path), os.stat(path).st_dev
        except OSError:
            return None
        return Space(
            device=device,
            total=room.f_blocks * room.f_frsize,
            free=room.f_bavail * room.f_frsize,
            inodes=room.f_files,
            inodes_free=room.f_favail,
        )

    def mount(self, path: str) -> Mount | None:
        """The mount that `path` lies in or will lie in."""
        real = os.path.realpath(existing(path))
        found = None
        for line in self.read("/proc/self/mountinfo").splitlines():
            mount = _mount(line)
            if f"{real}/".startswith(f"{mount.target.rstrip('/')}/") and (
                not found or len(mount.target) >= len(found.target)
            ):
                found = mount
        return found

    def run(
        self,
        command: Sequence[str],
        seconds: float = COMMAND_SECONDS,
        *,
        environment: Mapping[str, str] | None = None,
        folder: str = "/",
    ) -> Ran:
        """Run a command in `folder` as the service's account, with its environment and `environment` added."""
        own = {"PATH": self.account.path, "HOME": self.account.home}
        try:
            ended = subprocess.run(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**self.account.environment, **own, **(environment or {})},
                cwd=folder,
                timeout=seconds,
                check=False,
                **self._as_account(),
            )
        except subprocess.TimeoutExpired:
            return Ran(code=None, output=f"it did not end within {seconds:g} s")
        except (OSError, subprocess.SubprocessError) as failure:
            return Ran(code=None, output=getattr(failure, "strerror", None) or "it cannot be started")
        return Ran(code=ended.returncode, output=ended.stdout.decode(errors="replace"))

    def run_as_caller(self, command: Sequence[str], seconds: float = COMMAND_SECONDS) -> Ran:
        """Run a command of the system as who called us."""
        try:
            ended = subprocess.run(
                list(command), capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return Ran(code=None, output="")
        return Ran(code=ended.returncode, output=ended.stdout.decode(errors="replace"))

    def which(self, name: str) -> str:
        """Where the service finds a program, "" if it does not."""
        for folder in self.account.path.split(os.pathsep):
            path = os.path.join(folder, name)
            if folder and os.path.isfile(path) and self.may(path, os.X_OK):
                return path
        return ""

    def overlay_problem(self, store: str, builds: str) -> str | None:
        """Why caches in `store` cannot be mounted below `builds`, "" if they can; None where only root could tell."""
        if os.geteuid() != 0:
            return None
        from executor.cache.store.overlay import probe

        return probe(store, builds)

    def garbage(self, settings: Settings, endpoint: Endpoint) -> list[Garbage]:
        """What `executor gc` would remove. ExecutorError where the Engine does not answer."""
        from executor.sandbox.garbage import find_garbage

        return find_garbage(settings, Engine(endpoint))

    def ask(self, endpoint: Endpoint, method: str, path: str, body: Any = None) -> Any:
        """A call of the Engine. `ExecutorError` where it refuses or does not answer in time."""
        return Engine(endpoint).ask(method, path, body, seconds=ENGINE_SECONDS).value()

    def fetch(self, request: web.Request) -> web.Response:
        """An HTTP request; `Unreachable` where no answer comes."""
        return web.fetch(request)

    def resolve(self, host: str) -> list[str]:
        """The addresses of a name; `Unreachable` where nobody knows it."""
        return web.resolve(host)

    def name_server_answers(self, address: str) -> bool:
        """Whether a name server says anything."""
        return web.name_server_answers(address)

    def port_answers(self, host: str, port: int) -> bool:
        """Whether something listens there."""
        return web.port_answers(host, port)

    def runners(self) -> list[Process]:
        """The gitlab-runner processes."""
        return runner_processes()

    def unit(self) -> Unit | None:
        """The systemd unit of gitlab-runner."""
        return read_unit()

    def with_systemd(self) -> bool:
        """Whether systemd runs this host."""
        return os.path.isdir("/run/systemd/system")

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def cpus(self) -> int:
        """Processors."""
        return os.cpu_count() or 1

    def machine(self) -> str:
        """The architecture in the kernel's word."""
        return os.uname().machine

    def kernel(self) -> str:
        """The kernel's release."""
        return os.uname().release

    def _as_account(self) -> Mapping[str, Any]:
        if os.geteuid() != 0 or self.account.uid == 0:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": list(self.account.groups)}


def existing(path: str) -> str:
    """The path, or the nearest folder above it that is there."""
    while path not in ("", "/") and not os.path.exists(path):
        path = os.path.dirname(path)
    return path or "/"


def _mount(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    fields = before.split(" ")
    target = fields[4]
    for escaped, plain in OCTAL:
        target = target.replace(escaped, plain)
    kind, _, super_options = after.split(" ", 2)
    options = frozenset((*fields[5].split(","), *super_options.split(",")))
    return Mount(target=target, kind=kind, options=options)
