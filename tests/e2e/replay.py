"""Replay of recorded jobs: the calls that a gitlab-runner made to a driver, made again to this one.

A case is a folder of recordings: `calls.jsonl` holds every call with its environment and signals, `NN-run-STAGE.sh` its
script, `job-response.json` the job. Placeholders such as `@TMP@` stand for what differs from run to run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.e2e.jobs import unique_number, without_colours
from tests.e2e.runner import LAUNCHER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.e2e.runner import Settings

# Recorded signals that came later come now: until then a script does nothing but tick.
_LATEST_SIGNAL = 2.5

# A call that takes longer hangs.
_LIMIT_SECONDS = 60

_RECORDED_JOBS = re.compile(r"\b100([1-9])\b")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One recorded call. `environment` is whole, `signals` are seconds from its start; `attempt` counts TMPDIRs."""

    number: int
    phase: str
    stage: str
    attempt: int
    environment: Mapping[str, str]
    signals: tuple[float, ...]
    script: str
    script_name: str
    exit: int | None
    exit_code_file: str | None


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recorded job."""

    name: str
    calls: tuple[Call, ...]
    response: str
    log: str
    result: Mapping[str, Any]


@dataclass(kw_only=True)
class Played:
    """What this driver did at one call. `seconds_after_signal` is the time from the first signal to its end."""

    call: Call
    exit: int
    stdout: bytes
    stderr: bytes
    seconds: float
    seconds_after_signal: float | None
    exit_code_file: str | None

    @property
    def output(self) -> str:
        """Both streams, without colours."""
        return without_colours((self.stdout + self.stderr).decode(errors="replace"))


def load_case(folder: Path) -> Case:
    """Read a case; a job that never reached the driver has no response."""
    response = folder / "job-response.json"
    return Case(
        name=folder.name,
        calls=tuple(_load_calls(folder)),
        response=response.read_text() if response.exists() else "",
        log=(folder / "job.log").read_text(errors="replace"),
        result=json.loads((folder / "result.json").read_text()),
    )


def _load_calls(folder: Path) -> list[Call]:
    environment: dict[str, str] = {}
    calls = []
    for line in (folder / "calls.jsonl").read_text().splitlines():
        recorded = json.loads(line)
        environment |= recorded["env"]["set"]
        for name in recorded["env"]["unset"]:
            environment.pop(name, None)
        calls.append(_call(folder, recorded, dict(environment)))
    return calls


def _call(folder: Path, recorded: dict[str, Any], environment: dict[str, str]) -> Call:
    script = recorded.get("script")
    found = re.search(r"@TMP(\d?)@", environment["TMPDIR"])
    return Call(
        number=recorded["n"],
        phase=recorded["phase"],
        stage=recorded["stage"] or "",
        attempt=int(found.group(1) or 1) if found else 1,
        environment=environment,
        signals=tuple(min(second, _LATEST_SIGNAL) for _, second in recorded["signals"]),
        script=(folder / script["file"]).read_text() if script else "",
        script_name=os.path.basename(recorded["argv"][0]) if recorded["argv"] else "",
        exit=recorded["exit"],
        exit_code_file=recorded["exit_code_file"]["after"],
    )


@dataclass(kw_only=True)
class Replay:
    """Plays a case against the driver, as the runner would. `values` are the placeholders' (`@GITLAB@`: host:port).

    `replaced` are further pairs of text, the second put in the place of the first everywhere. `signal_at` moves the
    signals of a phase and attempt to another second.
    """

    case: Case
    settings: Settings
    folder: Path
    values: Mapping[str, str]
    replaced: Mapping[str, str] = field(default_factory=dict)
    signal_at: Mapping[tuple[str, int], float] = field(default_factory=dict)
    job_base: int = field(default_factory=lambda: unique_number() * 10)
    played: list[Played] = field(default_factory=list)
    _job_env: dict[str, str] = field(default_factory=dict)

    def run(self) -> list[Played]:
        """Make all calls but, as the runner, no stage after a prepare that failed. One that hangs is the last."""
        try:
            self._play_all()
        except subprocess.TimeoutExpired:
            self.play(self.case.calls[-1])
            raise
        return self.played

    def _play_all(self) -> None:
        failed: set[int] = set()
        for call in self.case.calls:
            if call.phase == "run" and call.attempt in failed:
                continue
            if self.play(call).exit != 0 and call.phase == "prepare":
                failed.add(call.attempt)

    def job_id(self, recorded: int) -> int:
        """The number that stands for a recorded job: unique on this host."""
        return self.job_base + recorded - 1000

    def play(self, call: Call) -> Played:
        """Make one call. TMPDIR of an attempt goes after its cleanup."""
        temporary = self._temporary_folder(call.attempt)
        arguments = self._script_arguments(call, temporary) if call.phase == "run" else []
        played = self._start(call, [call.phase, "--config", str(self.settings.config_file), *arguments], temporary)
        self.played.append(played)
        if call.phase == "config" and played.exit == 0:
            self._job_env = json.loads(played.stdout or b"{}").get("job_env") or {}
        if call.phase == "cleanup":
            _remove(temporary)
        return played

    def text(self, recorded: str) -> str:
        """Recorded text with everything in the place of placeholders."""
        temporary = {f"@TMP{n or ''}@": str(self._folder_of(n or 1)) for n in (0, 2, 3)}
        for old, new in (*self.replaced.items(), *temporary.items(), *self.values.items()):
            recorded = recorded.replace(old, new)
        return _RECORDED_JOBS.sub(lambda found: str(self.job_id(1000 + int(found.group(1)))), recorded)

    def _environment(self, call: Call) -> dict[str, str]:
        """As the runner makes it: its own variables, what config asked for, and the job's above all."""
        recorded = {name: self.text(value) for name, value in call.environment.items()}
        job = {name: value for name, value in recorded.items() if name.startswith("CUSTOM_ENV_")}
        return {**recorded, "PATH": os.environ["PATH"], **self._job_env, **job}

    def _start(self, call: Call, arguments: list[str], temporary: Path) -> Played:
        began = time.monotonic()
        process = subprocess.Popen(
            [LAUNCHER, *arguments],
            cwd=temporary,
            env=self._environment(call),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            umask=0o022,
        )
        signals = [self.signal_at.get((call.phase, call.attempt), second) for second in call.signals]
        timers = [threading.Timer(second, _terminate_group, [process]) for second in signals]
        for timer in timers:
            timer.start()
        try:
            stdout, stderr = process.communicate(timeout=_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            for timer in timers:
                timer.cancel()
        seconds = time.monotonic() - began
        return Played(
            call=call,
            exit=process.returncode,
            stdout=stdout,
            stderr=stderr,
            seconds=seconds,
            seconds_after_signal=seconds - signals[0] if signals else None,
            exit_code_file=_read(temporary / "build_exit_code"),
        )

    def _folder_of(self, attempt: int) -> Path:
        return self.folder / f"custom-executor{attempt}"

    def _temporary_folder(self, attempt: int) -> Path:
        folder = self._folder_of(attempt)
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            _write(folder / "response.json", self.text(self.case.response), 0o600)
        return folder

    def _script_arguments(self, call: Call, temporary: Path) -> list[str]:
        folder = temporary / f"script-{call.number:02d}"
        folder.mkdir(mode=0o700)
        script = folder / call.script_name
        # A certificate stands in a quoted string of a quoted string.
        certificate = self.values.get("@CA_PEM@", "").replace("\n", r"\\n")
        _write(script, self.text(call.script.replace("@CA_PEM@", certificate)), 0o700)
        return [str(script), call.stage]


def _terminate_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def _write(path: Path, text: str, mode: int) -> None:
    path.touch(mode=mode)
    path.write_text(text)


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _remove(folder: Path) -> None:
    subprocess.check_call(["rm", "-rf", str(folder)])
