"""Meters over copied trees of control groups: what real kernels print, and what they do not have."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from executor.usage.cgroups import Gone, Group, OpenFile, field, find_group, keyed_sum, number
from executor.usage.meter import Meter
from executor.usage.recording import host_oom_kills

CASES = Path(__file__).parents[2] / "cases" / "cgroups"
NAMES = sorted(path.name for path in CASES.iterdir())


def expected(case: Path) -> dict[str, Any]:
    """What a case is to come to."""
    return tomllib.loads((case / "expected.toml").read_text())


def group_in(case: Path, wanted: dict[str, Any]) -> Group | None:
    """The control group that a case's container is found in."""
    return find_group(wanted["pid"], wanted["container"], root=f"{case}/cgroup", proc=f"{case}/proc")


def meter_of(case: Path, *, network: bool = True) -> Meter:
    """The meter of a case's container."""
    wanted = expected(case)
    group = group_in(case, wanted)
    assert group
    return Meter(group, wanted["pid"], network=network, proc=f"{case}/proc")


@pytest.mark.parametrize("name", NAMES)
def test_a_container_is_read_as_its_kernel_prints_it(name: str) -> None:
    wanted = expected(CASES / name)
    meter = meter_of(CASES / name)

    sample = meter.sample()
    assert meter.group.version == wanted["version"]
    assert (sample.working_set, sample.anon, sample.processes) == (
        wanted["working_set"],
        wanted["anon"],
        wanted["processes"],
    )
    assert sample.cpu_seconds == pytest.approx(wanted["counters"]["cpu_seconds"])
    assert meter.counters() == pytest.approx(wanted["counters"])
    assert {key: value for key, value in meter.peaks().items() if value is not None} == wanted["peaks"]
    assert (meter.limits().memory, meter.limits().cpus) == (wanted["memory_limit"], wanted["cpu_limit"])
    assert meter.missing() == wanted["missing"]
    meter.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_processes_are_named_as_the_kernel_names_them(name: str) -> None:
    """In groups of its own below too, as a Docker in the container makes them."""
    found = meter_of(CASES / name).top_processes()

    assert [[process.name, process.memory] for process in found] == expected(CASES / name)["top"]


@pytest.mark.parametrize("name", NAMES)
def test_the_host_counts_all_kills(name: str) -> None:
    assert host_oom_kills(f"{CASES / name}/proc") == expected(CASES / name)["host_oom_kills"]


@pytest.mark.parametrize("name", NAMES)
def test_a_shared_network_is_counted_once(name: str) -> None:
    assert "network_received" not in meter_of(CASES / name, network=False).counters()


def test_v1_alone_has_no_pressure_and_times_in_hundredths(tmp_path: Path) -> None:
    shutil.copytree(CASES / "hybrid", tmp_path / "v1")
    shutil.rmtree(tmp_path / "v1" / "cgroup" / "unified")

    meter = meter_of(tmp_path / "v1")

    assert meter.counters()["cpu_user_seconds"] == pytest.approx(0.34)
    assert "pressure_cpu_seconds" not in meter.counters()
    assert "pressure" in meter.missing()


def test_controllers_of_v1_may_share_a_hierarchy(tmp_path: Path) -> None:
    """As systemd mounts them: `cpu,cpuacct`, with or without links of the single names."""
    shutil.copytree(CASES / "hybrid", tmp_path / "v1")
    tree = tmp_path / "v1" / "cgroup"
    shutil.copytree(tree / "cpu", tree / "cpu,cpuacct")
    shutil.copytree(tree / "cpuacct", tree / "cpu,cpuacct", dirs_exist_ok=True)
    shutil.rmtree(tree / "cpu")
    shutil.rmtree(tree / "cpuacct")
    file = tmp_path / "v1" / "proc" / "362" / "cgroup"
    lines = [line for line in file.read_text().splitlines() if ":cpu:" not in line]
    file.write_text("\n".join(lines).replace(":cpuacct:", ":cpu,cpuacct:") + "\n")

    counters = meter_of(tmp_path / "v1").counters()

    assert counters["cpu_seconds"] == pytest.approx(0.654898384)
    assert counters["periods"] == 33


def test_devices_of_blkio_are_added_up(tmp_path: Path) -> None:
    shutil.copytree(CASES / "hybrid", tmp_path / "v1")
    wanted = expected(tmp_path / "v1")
    folder = tmp_path / "v1" / "cgroup" / "blkio" / "docker" / wanted["container"]
    (folder / "blkio.throttle.io_service_bytes_recursive").write_text(
        "8:16 Read 1048576\n8:16 Write 4096\n8:16 Sync 0\n8:16 Async 1052672\n8:16 Discard 0\n8:16 Total 1052672\n"
        "8:0 Read 4096\n8:0 Write 0\n8:0 Sync 0\n8:0 Async 4096\n8:0 Discard 0\n8:0 Total 4096\nTotal 1056768\n"
    )

    counters = meter_of(tmp_path / "v1").counters()

    assert (counters["io_read"], counters["io_written"]) == (1052672, 4096)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_may_be_absent(name: str, tmp_path: Path) -> None:
    """Whatever a kernel lacks is not known; nothing is 0 for it, and nothing fails."""
    shutil.copytree(CASES / name, tmp_path / "case")
    container = expected(CASES / name)["container"]
    for folder in (tmp_path / "case" / "cgroup").rglob(f"*{container}*"):
        for file in [path for path in folder.iterdir() if path.is_file()]:
            file.unlink()

    meter = meter_of(tmp_path / "case", network=False)

    assert meter.counters() == {}
    assert meter.sample().working_set is None
    assert meter.sample().anon is None
    assert set(meter.peaks().values()) == {None}
    assert meter.limits().cpus is None
    assert meter.top_processes() == [] or name == "ubuntu-24.04"


def test_a_container_of_another_host_is_not_taken_for_a_process_of_this_one() -> None:
    """With an Engine far away, the number of its container's process is somebody else's here."""
    case = CASES / "ubuntu-22.04"
    other = expected(case) | {"container": "f" * 64}

    assert group_in(case, other) is None
    assert group_in(case, expected(case) | {"pid": 999999}) is None


def test_a_group_outside_of_what_can_be_seen_is_none(tmp_path: Path) -> None:
    """As a driver in a container of its own sees those of the host."""
    shutil.copytree(CASES / "ubuntu-22.04", tmp_path / "case")
    wanted = expected(tmp_path / "case")
    (tmp_path / "case" / "proc" / "2101" / "cgroup").write_text(f"0::/../../docker-{wanted['container']}.scope\n")

    assert group_in(tmp_path / "case", wanted) is None


def test_a_file_that_fails_when_read_is_a_container_that_has_ended(tmp_path: Path) -> None:
    """The kernel answers ENODEV then; a folder fails alike."""
    file = OpenFile(str(tmp_path))

    with pytest.raises(Gone):
        file.read()


def test_a_file_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "pids.current"
    path.write_text("1\n")
    file = OpenFile(str(path))
    with path.open("r+") as writing:
        writing.write("2\n")

    assert number(file.read()) == 2
    file.close()
    assert file.read() == b""
    assert not os.path.exists(tmp_path / "absent")


@pytest.mark.parametrize(
    ("data", "name", "value"),
    [
        (b"oom 3\noom_kill 2\n", b"oom_kill", 2),
        (b"oom_kill_disable 0\nunder_oom 0\noom_kill 7", b"oom_kill", 7),
        (b"anon 1\nanon_thp 5\n", b"anon", 1),
        (b"total_anon 4\n", b"anon", None),
        (b"anon max\n", b"anon", None),
        (b"", b"anon", None),
    ],
)
def test_a_field_is_found_by_its_whole_name(data: bytes, name: bytes, value: int | None) -> None:
    assert field(data, name) == value


def test_a_device_without_numbers_counts_nothing() -> None:
    assert keyed_sum(b"7:3 \n8:0 rbytes=5 wbytes=1\n", b"rbytes") == 5
