"""The folder of what is measured of a job, `<job>/usage/`: made by `prepare`, written by one process, read by many.

    events      FIFO to the process that measures, a line each: `begin NANOSECONDS STAGE`, `end NANOSECONDS CODE`,
                `stopped`, `save`, `section`, `finish STATUS`; NANOSECONDS is the monotonic clock's
    answer      FIFO from it: a byte when what was asked for is done
    oom         link to the file that counts the kernel's kills in the build container
    data.json   what has been measured so far, replaced in one step
    section     what the job log is to show of it, empty until it is asked for; not there where it is not wanted
    told        verdicts that the job log has shown already
    hints       what a failed stage's last output speaks of

Whoever finds no process there goes without.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from executor import __version__
from executor.errors import ExecutorError
from executor.sandbox.background import in_background
from executor.sandbox.state import load, write_private
from executor.settings.units import parse_bytes, parse_cpus, parse_duration
from executor.usage.keys import job_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.plan.model import Plan
    from executor.sandbox.attempt import Attempt
    from executor.settings.model import Settings

FOLDER = "usage"
DATA = "data.json"
VERSION_SECONDS = 3.0


def begin_measuring(attempt: Attempt, plan: Plan, section: Callable[[dict[str, Any]], str]) -> None:
    """Start the process that measures the job's living containers, where the operator wants it.

    `section` makes what the job log shows out of the data. A failure here costs the job nothing but its numbers.
    """
    settings = attempt.context.settings.usage
    if not settings.enabled:
        return
    folder = f"{attempt.folder}/{FOLDER}"
    try:
        os.mkdir(folder, 0o700)
        os.mkfifo(f"{folder}/events", 0o600)
        os.mkfifo(f"{folder}/answer", 0o600)
        if settings.section:
            write_private(f"{folder}/section", "")
        # Both ends: there is a reader from now on, and never an end.
        events = os.open(f"{folder}/events", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    facts, interval = job_facts(attempt), float(parse_duration(settings.interval))
    shown = section if settings.section else None
    in_background(lambda: _measure(attempt, plan, events, facts, interval, shown))
    os.close(events)


def job_facts(attempt: Attempt) -> dict[str, Any]:
    """What is known of the job before it runs, as JSON."""
    context = attempt.context
    job = context.job
    first = {variable.key: variable.value for variable in reversed(job.variables)}
    request = first.get("CI_MERGE_REQUEST_IID", "")
    return {
        "job": {
            "id": job.id,
            "pipeline_id": job.pipeline_id,
            "project_id": job.project_id,
            "project": job.project_path,
            "name": job.name,
            "key": job_key(job.name),
            "ref": job.ref,
            "sha": job.sha,
            "on_default_branch": bool(job.ref) and job.ref == first.get("CI_DEFAULT_BRANCH"),
            "merge_request": int(request) if request.isascii() and request.isdigit() else None,
            "runner": context.settings.runner.name,
            "host": os.uname().nodename,
        },
        "began": load(attempt.folder).get("began", time.time()),
        "timeout": job.timeout,
        "script_timeout": _span(first.get("RUNNER_SCRIPT_TIMEOUT", "")),
        "asked": "JOB_MEMORY" in first,
        "state_dir": attempt.state_dir,
        "trace_sections": job.trace_sections,
        "retention": [parse_duration(context.settings.history.keep) / 86400, context.settings.history.runs],
        "bounds": _bounds(context.settings),
        "channels": _channels(context.settings),
        "kernel": os.uname().release,
        "driver": __version__,
    }


def _channels(settings: Settings) -> dict[str, Any] | None:
    """Where GitLab is told of what jobs use (see `report.telling.Channels`), without the token; None for nowhere."""
    report = settings.report
    if not (report.commit_status or report.merge_request_note):
        return None
    return {
        "url": settings.runner.url,
        "token_file": report.token_file,
        "token_env": report.token_env,
        "commit_status": report.commit_status,
        "merge_request_note": report.merge_request_note,
        "link": report.url,
    }


def _span(text: str) -> int:
    """Seconds of what a job's variable says, 0 where it says nothing that this knows."""
    try:
        return parse_duration(text)
    except ValueError:
        return 0


def _bounds(settings: Settings) -> list[float | None]:
    """The most that a job may ask for, in bytes and cores; None is no bound."""
    memory = parse_bytes(settings.limits.max_memory or settings.docker.memory or "0")
    cpus = parse_cpus(settings.limits.max_cpus or settings.docker.cpus or "0")
    return [memory or None, cpus / 10**9 or None]


def save_data(job_folder: str, data: dict[str, Any]) -> None:
    """Replace what is known; a full disk keeps what was."""
    try:
        write_private(f"{job_folder}/{FOLDER}/{DATA}", json.dumps(data, separators=(",", ":")))
    except OSError:
        return


def read_data(job_folder: str) -> dict[str, Any] | None:
    """What has been measured so far; None where nothing was."""
    try:
        with open(f"{job_folder}/{FOLDER}/{DATA}") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def cache_outcome(job_folder: str) -> str:
    """`hit` where all of the job's caches were found, `miss` where not, "" where it has none in the store."""
    try:
        with open(f"{job_folder}/caches-state") as file:
            restored = json.load(file)["restored"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return ("hit" if all(restored) else "miss") if restored else ""


def noted_hints(job_folder: str) -> list[str]:
    """What the output of the stage that failed last speaks of."""
    try:
        with open(f"{job_folder}/{FOLDER}/hints") as file:
            return file.read().split()
    except OSError:
        return []


def _engine_words(attempt: Attempt) -> str:
    try:
        return f"Docker {attempt.engine.ask('GET', '/version', seconds=VERSION_SECONDS).value()['Version']}"
    except (ExecutorError, KeyError, TypeError):
        return "Docker"


def _measure(
    attempt: Attempt,
    plan: Plan,
    events: int,
    facts: dict[str, Any],
    interval: float,
    section: Callable[[dict[str, Any]], str] | None,
) -> None:
    from executor.sandbox.sampler import Sampler, watch

    facts["engine"] = _engine_words(attempt)
    Sampler(attempt.folder, facts, watch(attempt, plan, facts["began"]), events, interval, section).run()
