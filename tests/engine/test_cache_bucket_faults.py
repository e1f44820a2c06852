"""A real S3 server that is dead, slow, refuses or lies: a miss with one line of reason, in time, with nothing left."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from executor.cache.remote.bucket import STALL
from executor.cache.remote.remote import Remote
from executor.cache.store.model import Place
from executor.settings.load import load_settings
from tests.engine import test_cache_bucket_commands as bucket
from tests.engine.faulty_proxy import Fault, FaultyProxy
from tests.unit.cli.caches import LAUNCHER, LEASE, CacheHost
from tests.unit.cli.test_cli_cache_bucket import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from executor.cache.store.model import Snapshot

pytestmark = bucket.pytestmark
port = bucket.port

SECRET = "a-secret-of-the-operator"

FAULTS = {
    "a blob is cut off": Fault(where="/blobs/", kind="cut"),
    "a blob stalls": Fault(where="/blobs/", kind="stall"),
    "a blob has other bytes": Fault(where="/blobs/", kind="wrong"),
    "a blob is too short": Fault(where="/blobs/", kind="short"),
    "a blob is not there": Fault(where="/blobs/", status=404, code="NoSuchKey"),
    "the pointer is garbage": Fault(where="/keys/", kind="garbage"),
    "the pointer is cut off": Fault(where="/keys/", kind="cut"),
    "access is denied": Fault(status=403, code="AccessDenied"),
    "the clocks differ": Fault(status=403, code="RequestTimeTooSkewed"),
    "the key is wrong": Fault(status=403, code="SignatureDoesNotMatch"),
    "the server is overloaded": Fault(status=503, code="SlowDown"),
    "the server is broken": Fault(status=500, code="InternalError"),
    "there is no bucket": Fault(status=404, code="NoSuchBucket"),
}


class Hosts:
    """`here` has saved a cache, `there` asks for it through a proxy."""

    def __init__(self, folder: Path, port: int) -> None:
        self.proxy = FaultyProxy(port)
        self.here, self.there = (self._host(folder / name) for name in ("here", "there"))

    def _host(self, folder: Path) -> CacheHost:
        folder.mkdir()
        host = CacheHost(folder)
        first = host.config.read_text().split("[[runners]]")[1]
        host.config.write_text(f"[[runners]]{first}{BUCKET.format(port=self.proxy.port)}")
        return host

    def push(self, snapshot: Snapshot) -> str:
        """Push as after a job; the reason why it failed."""
        return remote(self.here).push(self.here.store(), snapshot).failure

    def pull(self, place: Place) -> tuple[Snapshot | None, list[str]]:
        """Pull as before a job; what was found, and what was told."""
        told: list[str] = []
        return remote(self.there).pull(self.there.store(), [place], LEASE, tell=told.append), told


def remote(host: CacheHost) -> Remote:
    made = Remote.from_settings(load_settings(config=str(host.config)))
    assert made
    return made


@pytest.fixture
def hosts(port: int, tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path, port)
    yield made
    made.proxy.close()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_a_miss_with_one_line(hosts: Hosts, fault: Fault) -> None:
    snapshot = hosts.here.save(os.urandom(8).hex(), files=40)
    assert hosts.push(snapshot) == ""
    hosts.proxy.fault = fault
    began = time.monotonic()
    found, told = hosts.pull(snapshot.place)

    assert found is None
    assert len(told) == 1, told
    assert SECRET not in told[0]
    assert time.monotonic() - began < STALL + 10
    nothing_is_left(hosts.there)

    hosts.proxy.fault = Fault(where="no path holds this")
    found, told = hosts.pull(snapshot.place)
    assert (found is not None, told) == (True, [])


def nothing_is_left(host: CacheHost) -> None:
    """Nothing is published, and nothing is staged that a job could trip over."""
    store = host.store()
    assert store.snapshots() == []
    assert os.listdir(f"{store.folder}/l") == []
    assert os.listdir(f"{store.folder}/tmp") == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=403, code="AccessDenied"),
        Fault(status=503, code="SlowDown"),
        Fault(where="/blobs/", status=500, code="InternalError"),
        Fault(where="/keys/", status=507, code="QuotaExceeded"),
    ],
    ids=["denied", "overloaded", "no blob is taken", "no pointer is taken"],
)
def test_a_push_that_fails_says_why_and_leaves_the_old_version(hosts: Hosts, fault: Fault) -> None:
    first = hosts.here.save(os.urandom(8).hex())
    assert hosts.push(first) == ""
    second = hosts.here.save(first.place.key, base=first)
    hosts.proxy.fault = fault
    failure = hosts.push(second)

    assert failure
    assert SECRET not in failure
    hosts.proxy.fault = Fault(where="no path holds this")
    found, _ = hosts.pull(first.place)
    assert found
    assert found.files == 3
    assert hosts.push(second) == ""


def test_a_push_that_is_killed_leaves_the_old_version_or_the_new_one(hosts: Hosts) -> None:
    """Killed as soon as the server has heard so many of its requests, from none to more than it makes."""
    saved = hosts.here.save(os.urandom(8).hex(), files=1)
    assert hosts.push(saved) == ""
    before = 1
    for requests in range(8):
        saved = hosts.here.save(saved.place.key, files=1, base=saved)
        push_and_kill(hosts, saved.place.key, requests)
        hosts.pull(saved.place)
        found = hosts.there.store().pin(saved.place, LEASE)
        assert found
        assert found.files in (before, saved.files), requests
        before = found.files
    assert hosts.push(saved) == ""


def push_and_kill(hosts: Hosts, key: str, requests: int) -> None:
    """Push in a process of its own, which dies after so many requests."""
    hosts.proxy.seen.clear()
    command = [LAUNCHER, "--config", str(hosts.here.config), "cache", "push", key]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as push:
        while push.poll() is None and len(hosts.proxy.seen) < requests:
            time.sleep(0.001)
        push.kill()


@pytest.mark.parametrize("key", ["é" * 400_000, "k" * 1_100_000], ids=["large once written", "longer than is read"])
def test_a_key_that_no_host_could_read_back_is_refused_before_anything_is_uploaded(hosts: Hosts, key: str) -> None:
    failure = hosts.push(hosts.here.save(key))

    assert "Its key or its list of paths is longer than is read back." in failure
    assert hosts.proxy.seen == []


def test_a_server_that_is_not_there(hosts: Hosts) -> None:
    hosts.proxy.close()
    began = time.monotonic()
    found, told = hosts.pull(Place(project_id=7, trust="u", key="any"))

    assert (found, len(told)) == (None, 1)
    assert time.monotonic() - began < 15


def test_what_this_host_has_is_neither_uploaded_nor_fetched_again(hosts: Hosts) -> None:
    first = hosts.here.save(os.urandom(8).hex(), files=200)
    assert hosts.push(first) == ""
    assert hosts.pull(first.place)[0]
    second = hosts.here.save(first.place.key, files=2, base=first)
    hosts.proxy.bytes = 0
    assert hosts.push(second) == ""
    found, told = hosts.pull(first.place)

    assert found
    assert (found.files, found.generation, told) == (202, second.generation, [])
    assert hosts.proxy.bytes < 100_000


def test_a_pointer_with_hostile_fields_is_a_miss(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    from executor.cache.remote import pointers, push

    snapshot = hosts.here.save(os.urandom(8).hex())
    written = pointers.written
    monkeypatch.setattr(push, "_check_fits", lambda _: None)
    monkeypatch.setattr(pointers, "written", lambda pointer: written(pointer).replace(b"node_modules", b"../../../etc"))
    assert hosts.push(snapshot) == ""
    found, told = hosts.pull(snapshot.place)

    assert (found, len(told)) == (None, 1)
    nothing_is_left(hosts.there)


def test_a_key_as_long_as_a_job_can_make_it(hosts: Hosts) -> None:
    snapshot = hosts.here.save("k" * 100_000 + os.urandom(8).hex())
    assert hosts.push(snapshot) == ""
    found, told = hosts.pull(snapshot.place)

    assert found
    assert told == []
    assert json.dumps(found.place.key) == json.dumps(snapshot.place.key)
