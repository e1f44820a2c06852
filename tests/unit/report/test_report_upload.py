"""Reports for GitLab: what they say, when they are not sent, and the lines that send them."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from executor.report.annotations import render_annotations
from executor.report.openmetrics import render_openmetrics
from executor.report.upload import Target, reports_for, target_of, upload_script
from tests.unit.report.builders import GIB, MIB, a_job, a_usage, bare_usage, build, oom_usage, service, used

METRICS = """\
# TYPE job_duration_seconds gauge
# UNIT job_duration_seconds seconds
# HELP job_duration_seconds Time of the job, in steps of 5 s.
job_duration_seconds{job="build:frontend 3/10"} 380
# TYPE job_cpu_seconds gauge
# UNIT job_cpu_seconds seconds
# HELP job_cpu_seconds CPU time of a container, in steps of 5 s.
job_cpu_seconds{job="build:frontend 3/10",container="build"} 510
job_cpu_seconds{job="build:frontend 3/10",container="helper"} 10
job_cpu_seconds{job="build:frontend 3/10",container="postgres"} 30
# TYPE job_cpu_cores gauge
# HELP job_cpu_cores CPUs in use on average, in tenths.
job_cpu_cores{job="build:frontend 3/10",container="build"} 1.4
job_cpu_cores{job="build:frontend 3/10",container="helper"} 0
job_cpu_cores{job="build:frontend 3/10",container="postgres"} 0.1
# TYPE job_memory_peak_bytes gauge
# UNIT job_memory_peak_bytes bytes
# HELP job_memory_peak_bytes Highest working set of a container, in steps of 64 MiB.
job_memory_peak_bytes{job="build:frontend 3/10",container="build"} 2013265920
job_memory_peak_bytes{job="build:frontend 3/10",container="helper"} 134217728
job_memory_peak_bytes{job="build:frontend 3/10",container="postgres"} 402653184
# TYPE job_oom_kills gauge
# HELP job_oom_kills Processes that the kernel killed for memory.
job_oom_kills{job="build:frontend 3/10",container="build"} 0
job_oom_kills{job="build:frontend 3/10",container="helper"} 0
job_oom_kills{job="build:frontend 3/10",container="postgres"} 0
# TYPE job_network_receive_bytes gauge
# UNIT job_network_receive_bytes bytes
# HELP job_network_receive_bytes What the job's network received, in steps of 64 MiB.
job_network_receive_bytes{job="build:frontend 3/10",container="helper"} 335544320
# TYPE job_network_transmit_bytes gauge
# UNIT job_network_transmit_bytes bytes
# HELP job_network_transmit_bytes What the job's network sent, in steps of 64 MiB.
job_network_transmit_bytes{job="build:frontend 3/10",container="helper"} 0
# EOF
"""
TARGET = Target(url="https://gitlab.example.com", id=7, token="glcbt-64_secret")
ADDRESS = "https://grafana.example.com/d/ci?job={job}&ref={ref}&project={project}"
SAMPLE = re.compile(r'[a-z_]+\{job="(?:[^"\\\n]|\\["\\])*"(?:,container="(?:[^"\\\n]|\\["\\])*")?\} [0-9.]+')


def test_metrics() -> None:
    assert render_openmetrics(a_usage()) == METRICS


def test_a_little_more_or_less_is_no_change() -> None:
    usage = a_usage(
        seconds=381.9,
        containers=(build(whole=used(cpu_seconds=509.0, memory_working_set_peak=1_990_000_000 + 5 * MIB)),),
    )

    same = a_usage(containers=(build(),))
    assert render_openmetrics(usage) == render_openmetrics(same)


def test_what_is_unknown_is_left_out() -> None:
    lines = render_openmetrics(bare_usage()).splitlines()

    assert lines[3:] == ['job_duration_seconds{job="build:frontend 3/10"} 380', "# EOF"]


@pytest.mark.parametrize(
    "name", ['a "quoted" \\ name', "two\nlines\r\x1b[0m", "tab\there", "ж" * 500, "\ud800", "x} 1"]
)
def test_no_name_makes_a_line_of_its_own(name: str) -> None:
    usage = a_usage(job=a_job(name=name), containers=(service(name=name),))

    samples = [line for line in render_openmetrics(usage).splitlines() if not line.startswith("#")]

    assert samples
    assert all(SAMPLE.fullmatch(sample) for sample in samples)


def test_an_annotation_says_it_in_short_and_leads_to_the_operators_page() -> None:
    usage = replace(oom_usage(), job=a_job(ref="feature/ä&x=1#y"))

    content = json.loads(render_annotations(usage, ADDRESS))

    (entry,) = content["Resource usage"]
    assert entry["external_link"] == {
        "label": "peak 2.0 / 2.0 GiB · 1.4 CPUs · 1 killed for memory",
        "url": "https://grafana.example.com/d/ci?job=88214&ref=feature%2F%C3%A4%26x%3D1%23y&project=virida%2Ffrontend",
    }


def test_an_annotation_of_what_could_not_be_measured() -> None:
    assert json.loads(render_annotations(bare_usage(), "https://x/"))["Resource usage"] == [
        {"external_link": {"label": "what the job used", "url": "https://x/"}}
    ]


def test_without_an_address_there_is_no_annotation() -> None:
    assert list(reports_for(a_usage(), TARGET, "")) == ["metrics"]
    assert list(reports_for(a_usage(), TARGET, ADDRESS)) == ["metrics", "annotations"]


def test_a_report_of_the_jobs_own_is_never_in_the_way() -> None:
    taken = replace(TARGET, taken=frozenset({"metrics", "archive"}))

    assert list(reports_for(a_usage(), taken, ADDRESS)) == ["annotations"]


def test_where_to_is_read_from_the_runners_file() -> None:
    response = {
        "id": 7,
        "token": "t",
        "artifacts": [{"artifact_type": "metrics"}, {"artifact_type": "junit"}, {"paths": ["x"]}, None],
    }

    target = target_of(response, "https://gitlab.example.com")

    assert target == Target(url="https://gitlab.example.com", id=7, token="t", taken=frozenset({"metrics", "junit"}))


@pytest.mark.parametrize(
    "response",
    [{}, {"id": "7", "token": "t"}, {"id": 7}, {"id": 7, "token": ""}, {"id": 7, "token": "t", "artifacts": "x"}],
)
def test_a_file_that_says_too_little_sends_nothing(response: dict[str, object]) -> None:
    assert target_of(response, "https://gitlab.example.com") is None
    assert target_of({"id": 7, "token": "t"}, "") is None


def test_the_token_is_shown_nowhere() -> None:
    assert "secret" not in repr(TARGET)


def run_script(folder: Path, runner: str, reports: dict[str, tuple[str, str]]) -> subprocess.CompletedProcess[str]:
    """Run the lines with a runner of our own making; `calls` in `folder` gets what it was called with."""
    (folder / "bin").mkdir()
    fake = folder / "bin" / "gitlab-runner"
    fake.write_text(f"#!/bin/sh\n{runner}\n")
    fake.chmod(0o755)
    (folder / "app.tmp").mkdir()
    (folder / "app.tmp" / "CI_SERVER_TLS_CA_FILE").touch()
    script = upload_script(TARGET, reports, str(folder / "app.tmp"))
    environment = {"PATH": f"{folder}/bin:/usr/bin:/bin", "TMPDIR": str(folder)}
    return subprocess.run(["sh", "-s"], input=script, env=environment, text=True, capture_output=True, check=False)


def test_the_lines_send_each_report_with_the_token_in_the_environment_alone(tmp_path: Path) -> None:
    content = 'it\'s $HOME `id` \\ "x"\n'
    fake = (
        f'{{ echo "$@"; echo "$CI_JOB_ID $CI_SERVER_URL $CI_JOB_TOKEN $CI_SERVER_TLS_CA_FILE"; '
        f'stat -c %a "$7"; cat "$7"; }} >{tmp_path}/calls-$3'
    )

    done = run_script(tmp_path, fake, {"metrics": ("metrics.txt", content), "annotations": ("a.json", "{}")})

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    call, environment, mode, *rest = (tmp_path / "calls-metrics").read_text().splitlines()
    assert call == (
        "artifacts-uploader --artifact-type metrics --artifact-format gzip --path metrics.txt --expire-in 30 days"
    )
    assert environment == f"7 https://gitlab.example.com glcbt-64_secret {tmp_path}/app.tmp/CI_SERVER_TLS_CA_FILE"
    assert (mode, "\n".join(rest)) == ("600", content.rstrip("\n"))
    assert (tmp_path / "calls-annotations").exists()
    assert not list(tmp_path.glob("tmp.*"))


def test_an_uploader_that_fails_or_talks_is_not_heard(tmp_path: Path) -> None:
    done = run_script(tmp_path, "echo noise; echo more >&2; exit 1", {"metrics": ("metrics.txt", "x")})

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_uploader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.report.upload.SECONDS", 1)

    done = run_script(tmp_path, "exec sleep 60", {"metrics": ("metrics.txt", "x")})

    assert done.returncode == 0


def test_a_helper_without_the_runner_sends_nothing(tmp_path: Path) -> None:
    script = upload_script(TARGET, {"metrics": ("metrics.txt", "x")}, "/nowhere")

    done = subprocess.run(
        ["/bin/sh", "-s"],
        input=script,
        env={"PATH": "/nowhere", "TMPDIR": str(tmp_path)},
        text=True,
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


def test_a_large_job_still_fits_what_gitlab_takes() -> None:
    containers = tuple(service(name=f"service-{number}" + "x" * 200) for number in range(50))

    assert len(render_openmetrics(a_usage(containers=containers))) < GIB // 1024
