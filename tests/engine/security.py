"""What tests of the walls share: hosts that are taken down, and how to look for secrets everywhere."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.parse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker

from tests.engine.calls import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.calls import Calls


@contextmanager
def host_in(folder: Path, *, docker: str = "", executor: str = "") -> Iterator[Host]:
    """A host whose jobs are ended afterwards; nothing of them may be left. `executor` are lines of executor.toml."""
    host = Host(folder, docker=docker)
    with (folder / "executor.toml").open("a") as file:
        file.write(executor)
    yield host
    for calls in host.calls:
        if calls.tmpdir.exists():
            calls.end()
    host.assert_nothing_left()


def spelled(secret: str) -> set[bytes]:
    """A secret as it may be written: plain, quoted for URLs and JSON, base64 from each of three beginnings."""
    plain = secret.encode()
    encoded = {_base64_part(plain, offset) for offset in range(3)}
    quoted = {urllib.parse.quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    return {plain, *quoted, *encoded}


def _base64_part(plain: bytes, offset: int) -> bytes:
    """The characters that base64 makes of `plain` alone, where it begins `offset` bytes into what is encoded."""
    whole = base64.b64encode(b"\0" * offset + plain)
    first = (0, 2, 3)[offset]
    return whole[first : (offset + len(plain)) // 3 * 4]


def secrets_in(data: bytes, secrets: list[str]) -> list[str]:
    """Those of `secrets` that `data` holds in some spelling."""
    return [secret for secret in secrets if any(spelling in data for spelling in spelled(secret))]


def command_lines() -> dict[int, bytes]:
    """The arguments of every process of this machine."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
    return found


def inspected(calls: Calls) -> dict[str, bytes]:
    """All that the Engine tells of what belongs to the job: containers, networks, and the volumes of those."""
    client = docker.from_env()
    try:
        label = {"label": f"com.gitlab.gitlab-runner.job.id={calls.job.id}"}
        told: dict[str, Any] = {}
        for found in client.api.containers(all=True, filters=label):
            told[found["Names"][0]] = container = client.api.inspect_container(found["Id"])
            volumes = [mount["Name"] for mount in container["Mounts"] if mount["Type"] == "volume"]
            told |= {name: client.api.inspect_volume(name) for name in volumes}
        for network in client.api.networks(filters=label):
            told[network["Name"]] = client.api.inspect_network(network["Id"])
    finally:
        client.close()
    return {name: json.dumps(value, ensure_ascii=False).encode() for name, value in told.items()}


def files_below(folder: Path) -> Iterator[Path]:
    """Every plain file, with no link followed."""
    for parent, _, names in os.walk(folder):
        yield from (path for path in (Path(parent, name) for name in names) if path.is_file() and not path.is_symlink())


def open_to_others(path: Path, root: Path) -> bool:
    """Whether another user may read `path`, where everyone may come as far as `root`."""
    folders = [folder for folder in path.parents if folder == root or root in folder.parents]
    return bool(path.stat().st_mode & 0o004) and all(folder.stat().st_mode & 0o001 for folder in folders)


def in_container(calls: Calls, role: str, command: str) -> str:
    """What a command beside the job says, in a container of the job."""
    client = docker.from_env()
    try:
        label = [f"com.gitlab.gitlab-runner.job.id={calls.job.id}", f"io.virida.executor.role={role}"]
        (found,) = client.api.containers(filters={"label": label})
    finally:
        client.close()
    ended = subprocess.run(["docker", "exec", found["Id"], "sh", "-c", command], capture_output=True, text=True)
    return ended.stdout + ended.stderr
