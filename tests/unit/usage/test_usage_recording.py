"""Recording: what stages used is the difference of counters; containers that are made again go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executor.usage.kernel_log import Kill
from executor.usage.meter import Sample
from executor.usage.model import Limits, Process
from executor.usage.recording import Recording
from executor.usage.track import Track
from tests.unit.usage.builders import FACTS, MIB


def track() -> Track:
    """A build container's."""
    return Track("build", "build", "i:1")


def sample(memory: int, cpu: float = 0.0) -> Sample:
    """A look at so many bytes."""
    return Sample(working_set=memory, anon=memory // 2, cpu_seconds=cpu, processes=3)


def recording(*tracks: Track, proc: str = "/proc") -> Recording:
    """A recording of some containers."""
    return Recording(FACTS, list(tracks), proc=proc)


def row(one: Track, stage: str) -> dict[str, Any]:
    """What a track says of a stage."""
    found: dict[str, Any] = one.as_dict()["stages"][stage]
    return found


def test_a_stage_used_what_the_counters_grew_by() -> None:
    one = track()
    job = recording(one)
    one.count(0.0, {"cpu_seconds": 5.0, "oom_kills": 0}, {})
    job.begin_stage("build_script", 10.0)
    one.count(0.0, {"cpu_seconds": 7.5, "oom_kills": 1}, {})
    job.end_stage(1, 14.0)
    one.count(0.0, {"cpu_seconds": 9.0, "oom_kills": 1}, {})

    assert row(one, "build_script")["counters"] == {"cpu_seconds": 2.5, "oom_kills": 1}
    assert row(one, "build_script")["wall"] == 4.0
    assert one.as_dict()["whole"]["counters"]["cpu_seconds"] == 9.0


def test_a_stage_that_is_run_again_is_one_row_and_two_times() -> None:
    one = track()
    job = recording(one)
    for number in range(2):
        one.count(0.0, {"cpu_seconds": float(number)}, {})
        job.begin_stage("get_sources", 10.0 * number)
        one.count(0.0, {"cpu_seconds": number + 0.5}, {})
        job.end_stage(0, 10.0 * number + 2)

    assert row(one, "get_sources")["counters"] == {"cpu_seconds": 1.0}
    assert row(one, "get_sources")["wall"] == 4.0
    assert [stage["name"] for stage in job.as_dict(30.0)["stages"]] == ["get_sources", "get_sources"]


def test_peaks_are_of_the_stage_in_which_they_were_seen() -> None:
    one = track()
    job = recording(one)
    one.observe(0.0, sample(9 * MIB))
    job.begin_stage("build_script", 1.0)
    one.observe(1.0, sample(4 * MIB))
    one.observe(2.0, sample(6 * MIB))
    job.end_stage(0, 3.0)

    assert row(one, "build_script")["peaks"]["memory_working_set_peak"] == 6 * MIB
    assert row(one, "build_script")["peaks"]["memory_anon_peak"] == 3 * MIB
    assert one.as_dict()["whole"]["peaks"]["memory_working_set_peak"] == 9 * MIB


def test_a_container_that_is_made_again_goes_on_where_the_first_stopped() -> None:
    one = track()
    job = recording(one)
    one.note_start(1.0)
    one.count(0.0, {"cpu_seconds": 3.0, "oom_kills": 1}, {"memory_kernel_peak": 50})
    job.begin_stage("build_script", 5.0)
    one.count(0.0, {"cpu_seconds": 4.0, "oom_kills": 1}, {})
    one.carry()
    one.note_start(8.0)
    one.count(0.0, {"cpu_seconds": 0.5, "oom_kills": 0}, {"memory_kernel_peak": 20})
    job.end_stage(0, 9.0)

    assert one.as_dict()["whole"]["counters"] == {"cpu_seconds": 4.5, "oom_kills": 1}
    assert row(one, "build_script")["counters"] == {"cpu_seconds": 1.5, "oom_kills": 0}
    assert one.as_dict()["whole"]["peaks"]["memory_kernel_peak"] == 50


def test_a_kill_that_took_the_container_with_it_is_counted_by_the_engines_word() -> None:
    """Its counter is gone before anybody can read it."""
    one = track()
    job = recording(one)
    one.count(0.0, {"oom_kills": 0}, {})
    job.begin_stage("build_script", 1.0)
    one.carry()
    one.note_end(oom_killed=True, exit_code=137)
    one.note_end(oom_killed=True, exit_code=137)
    job.end_stage(137, 2.0)
    one.count(0.0, {"oom_kills": 0}, {})

    assert row(one, "build_script")["counters"]["oom_kills"] == 1
    assert one.as_dict()["whole"]["counters"]["oom_kills"] == 1


def test_a_kill_that_was_counted_is_not_counted_again() -> None:
    one = track()
    one.count(0.0, {"oom_kills": 2}, {})
    one.carry()
    one.note_end(oom_killed=True, exit_code=137)

    assert one.as_dict()["whole"]["counters"]["oom_kills"] == 2


def test_what_was_held_at_a_kill_is_a_peak_though_nobody_looked() -> None:
    one = track()
    one.set_limits(Limits(memory=64 * MIB))
    one.observe(1.0, sample(MIB))
    table = [Process(name="node", memory=60 * MIB), Process(name="sh", memory=9 * MIB)]
    one.note_kills(1.5, [Kill(table[0], table)])

    found = one.as_dict()
    assert found["killed"] == [("node", 60 * MIB)]
    assert found["top"] == [("node", 60 * MIB), ("sh", 9 * MIB)]
    assert found["whole"]["peaks"]["memory_working_set_peak"] == 64 * MIB
    assert max(found["curves"]["memory"][2]) == 64 * MIB


def test_processes_are_listed_again_only_when_clearly_more_is_held() -> None:
    one = track()

    assert not one.outgrows_list(sample(10 * MIB))
    assert one.outgrows_list(sample(100 * MIB))
    assert not one.outgrows_list(sample(105 * MIB))
    assert one.outgrows_list(sample(120 * MIB))


def test_a_stage_that_nobody_ended_has_no_exit_code() -> None:
    job = recording(track())
    job.begin_stage("get_sources", 1.0)
    job.begin_stage("build_script", 4.0)

    first, second = job.as_dict(6.0)["stages"]
    assert (first["code"], first["seconds"]) == (None, 3.0)
    assert (second["code"], second["seconds"]) == (None, 2.0)
    assert job.as_dict(6.0)["running"] == "build_script"


def test_kills_of_the_host_are_counted_from_the_jobs_begin(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("oom_kill 4\n")
    job = recording(proc=str(tmp_path))
    (tmp_path / "vmstat").write_text("oom_kill 6\n")

    assert job.as_dict(1.0)["host_oom_kills"] == 2
    (tmp_path / "vmstat").unlink()
    assert job.as_dict(1.0)["host_oom_kills"] is None


def test_cores_are_a_rate_over_half_a_second_or_more() -> None:
    """Ten looks a second must not show more cores than a quota of 100 ms gives on the average."""
    one = track()
    for tenth in range(21):
        one.observe(tenth / 10, sample(MIB, cpu=tenth / 20))

    _, means, highs = one.as_dict()["curves"]["cpu"]
    assert highs == pytest.approx([0.5] * len(highs))
    assert len(means) == 4


def test_any_number_of_steps_stays_bounded() -> None:
    one = track()
    job = recording(one)
    for number in range(1000):
        job.begin_stage(f"step_{number}", float(number))
        one.count(0.0, {"cpu_seconds": float(number)}, {})
        job.end_stage(0, number + 0.5)

    assert len(one.as_dict()["stages"]) == 64
    assert len(job.as_dict(1000.0)["stages"]) == 256
    assert one.as_dict()["whole"]["counters"]["cpu_seconds"] == 999.0


def test_a_begin_that_is_heard_late_counts_from_the_reading_before_it() -> None:
    one = track()
    job = recording(one)
    one.count(1.0, {"cpu_seconds": 1.0}, {})
    one.count(2.0, {"cpu_seconds": 3.0}, {})
    job.begin_stage("build_script", 1.5)
    one.count(3.0, {"cpu_seconds": 4.0}, {})
    job.end_stage(0, 3.0)

    assert row(one, "build_script")["counters"] == {"cpu_seconds": 3.0}


def test_a_stage_that_began_before_the_first_reading_counts_from_the_containers_start() -> None:
    one = track()
    job = recording(one)
    one.count(2.0, {"oom_kills": 1}, {})
    job.begin_stage("build_script", 1.5)
    job.end_stage(137, 2.0)

    assert row(one, "build_script")["counters"] == {"oom_kills": 1}
