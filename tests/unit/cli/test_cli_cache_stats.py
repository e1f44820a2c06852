"""`executor cache stats`: what it counts, and from what it estimates the time that was saved."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from executor.cache import unpacking
from executor.cache.unpacking import Measured, seconds_to_unpack
from tests.unit.cli.caches import LEASE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.caches import CacheHost

MIB = 1024**2


def facts(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return dict(line.split("\t") for line in capsys.readouterr().out.splitlines())


def look_up(host: CacheHost, key: str, times: int) -> None:
    place = next((each.snapshot.place for each in host.store().snapshots() if each.snapshot.place.key == key), None)
    for _ in range(times):
        host.store().find([place] if place else [], LEASE)
    host.store().release(LEASE)


def test_hits_and_misses(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    deps = host.save("deps", files=20)
    host.save("never used")
    look_up(host, "deps", 3)
    look_up(host, "unknown", 1)

    (one,) = host.answer(capsys, "stats")["stores"]

    assert (one["hits"], one["misses"], one["hit_rate"]) == (3, 1, 0.75)
    assert (one["caches"], one["layers"], one["leases"]) == (2, 2, 0)
    assert one["bytes_not_unpacked"] == 3 * deps.bytes
    assert one["estimated_from"] is None
    assert host.call("stats") == 0
    said = facts(capsys)
    assert said["hit rate"] == "75 % (caches that are here: 3 hits; not found: 1)"
    assert said["estimated"] == "at an idle 2-core host's speed; --measure does it here"
    assert said["bounds"] == "quota 20g, unused caches stay 14d"


def test_before_the_first_look_up(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save()
    host.says('[cache]\nquota = ""\nmax_age = ""')

    assert host.answer(capsys, "stats")["stores"][0]["hit_rate"] is None
    assert host.call("stats") == 0
    said = facts(capsys)
    assert said["hit rate"].startswith("- (")
    assert said["bounds"] == "quota without bound, unused caches stay for ever"


def test_time_saved_goes_by_size_files_and_hits(
    host: CacheHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = host.save(files=50)
    look_up(host, "deps", 4)
    monkeypatch.setattr(unpacking, "SECONDS_A_FILE", 0.01)

    (one,) = host.answer(capsys, "stats")["stores"]

    each = 50 * 0.01 + snapshot.bytes * unpacking.SECONDS_A_BYTE - unpacking.SECONDS_MOUNTED
    assert one["seconds_saved"] == pytest.approx(4 * each, abs=0.001)


def test_small_caches_save_no_time(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    """A mount takes longer than unpacking three files: that is no saving, but no loss to be told either."""
    host.save(files=3)
    look_up(host, "deps", 4)

    assert host.answer(capsys, "stats")["stores"][0]["seconds_saved"] == 0


def test_what_was_measured_counts(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save(files=50)
    slow = Measured(when=time.time() - 7200, seconds=100 * seconds_to_unpack(MIB, 10), bytes=MIB, files=10)
    with open(f"{host.store().folder}/.unpacking", "w") as file:
        json.dump(vars(slow), file)

    assert seconds_to_unpack(5 * MIB, 7, slow) == pytest.approx(100 * seconds_to_unpack(5 * MIB, 7))
    assert host.answer(capsys, "stats")["stores"][0]["estimated_from"]["files"] == 10
    assert host.call("stats") == 0
    assert facts(capsys)["estimated"].endswith("as gitlab-runner unpacked 10 files, 1.0 MiB here in 0.33 s, 2 h ago")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seconds": 1}'])
def test_a_measurement_that_cannot_be_read_is_none(
    host: CacheHost, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    host.save()
    with open(f"{host.store().folder}/.unpacking", "w") as file:
        file.write(content)

    assert host.answer(capsys, "stats")["stores"][0]["estimated_from"] is None


def test_caches_that_are_copied_save_nothing(
    host: CacheHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host.save(files=50)
    look_up(host, "deps", 4)
    monkeypatch.setattr("executor.sandbox.caches.file_system_obstacle", lambda _: "they lie apart")

    (one,) = host.answer(capsys, "stats")["stores"]
    assert (one["mounted"], one["bytes_not_unpacked"], one["seconds_saved"]) == (False, 0, 0)
    assert host.call("stats") == 0
    assert facts(capsys)["time saved"] == "none: they lie apart"


def test_each_runner_is_told(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save(runner="one")
    host.save(runner="two")

    assert host.call("stats") == 0
    assert capsys.readouterr().out.count("runner\t") == 2


@pytest.mark.skipif(not shutil.which("gitlab-runner"), reason="gitlab-runner is not installed")
def test_gitlab_runner_is_measured(
    host: CacheHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small caches would do to see that it works; real ones have to take a while."""
    host.save("largest", files=40)
    host.save("small", files=1)
    monkeypatch.setattr(unpacking, "SHORTEST", 0)

    (one,) = host.answer(capsys, "stats", "--measure")["stores"]

    assert one["estimated_from"]["files"] == 40
    assert (one["hits"], one["leases"]) == (0, 0)
    store = host.store()
    assert store.records.leases() == []
    assert not any((host.state / "caches").glob("*/tmp/*"))


def test_a_small_cache_is_no_measure(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save()
    runner = host.folder / "gitlab-runner"
    runner.write_text("#!/bin/sh\n")
    runner.chmod(0o755)
    host.says(f'[helper]\ngitlab_runner = "{runner}"')

    assert host.call("stats", "--measure") == 1
    assert "The largest cache is too small for that." in capsys.readouterr().err


@pytest.mark.parametrize(("program", "reason"), [("exit 3", "ended with 3."), ("", "")])
def test_a_gitlab_runner_that_fails(
    host: CacheHost,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    program: str,
    reason: str,
) -> None:
    host.save()
    runner = tmp_path / "gitlab-runner"
    runner.write_text(f"#!/bin/sh\n{program}\n" if program else "no program")
    runner.chmod(0o755 if program else 0o644)
    host.says(f'[helper]\ngitlab_runner = "{runner}"')
    monkeypatch.setattr(unpacking, "SHORTEST", 0)

    assert host.call("stats", "--measure") == 1
    told = capsys.readouterr().err
    assert "It cannot be measured how long unpacking takes." in told
    assert reason in told
    assert host.store().records.leases() == []
    assert not any((host.state / "caches").glob("*/tmp/*"))


def test_no_gitlab_runner(host: CacheHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    host.save()
    monkeypatch.setenv("PATH", "/nowhere")

    assert "no gitlab-runner is on PATH to measure with." in host.refusal(capsys, "stats", "--measure")
