"""A driver without containers: stages run here, in folders of the test, and every call is written down."""

from __future__ import annotations

import itertools
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executor.job.model import Variable
from executor.pipeline.local import artifacts, scripts
from executor.pipeline.local.context import RunContext
from executor.pipeline.local.control import Control
from executor.pipeline.local.display import Display
from executor.pipeline.local.job_run import run_job
from executor.pipeline.local.run_folder import create_run_folder
from executor.settings.model import Settings
from tests.unit.local.builders import IDENTITY, make_repository

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from executor.pipeline.local.model import JobResult
    from executor.pipeline.model import PipelineJob

# `used` is no call of a runner and is not written down; the file of that name is its answer.
# `prepare-exit` holds the exit codes of the next prepares, one a line; a stage's file of that name ends the stage.
DRIVER = """#!/bin/bash
here=@HERE@
phase=$1; shift 3
if [ $phase = used ]; then cat $here/used 2> /dev/null; exit; fi
echo "$phase $2" | sed 's/ $//' >> $here/calls
case $phase in
  config) cat $here/config.json ;;
  prepare)
    env -0 > $here/environment
    cp "$JOB_RESPONSE_FILE" $here/response.json
    code=$(head -n 1 $here/prepare-exit 2> /dev/null); sed -i 1d $here/prepare-exit 2> /dev/null
    echo "preparing in $PWD"
    exit ${code:-0} ;;
  run)
    if [ -e "$here/exit-$2" ]; then exit "$(cat "$here/exit-$2")"; fi
    sed 's#/executor/exchange#@EXCHANGE@#g; s#/executor/sources#@SOURCES@#g' "$1" | bash
    code=$?
    [ $code = 0 ] && exit 0
    echo $code > "$BUILD_EXIT_CODE_FILE"
    exit 1 ;;
  cleanup) echo "$PWD" >> $here/cleaned; ls "$PWD" | grep -c script >> $here/scripts ;;
esac
"""


class Lines(Display):
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def line(self, job: str, line: str) -> None:
        """Keep it."""
        self.lines.append(line)


class FakeDriver:
    """Runs jobs with the fake driver. `control` is for interrupts."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here = root / "driver"
        self.here.mkdir(parents=True)
        self.control = Control()
        self.display = Lines()
        self.folder = create_run_folder(root, 1)
        (self.folder.sources / "repository").mkdir()
        self._root = root
        self._ids = itertools.count(101)
        self.config: dict[str, Any] = {"builds_dir": str(root / "builds"), "cache_dir": str(root / "cache")}
        self.settings = Settings()
        assert scripts.SOURCES_DIR in DRIVER
        assert artifacts.EXCHANGE_DIR in DRIVER
        launcher = self.here / "executor"
        text = DRIVER.replace("@HERE@", str(self.here)).replace("@SOURCES@", str(self.folder.sources))
        launcher.write_text(text.replace("@EXCHANGE@", str(self.folder.path / "exchange")))
        launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr("executor.pipeline.local.calls.launcher", lambda: str(launcher))
        monkeypatch.setattr("executor.pipeline.local.job_try.RETRY_SECONDS", 0.01)

    def run(
        self, job: PipelineJob, dependencies: Mapping[str, JobResult] | None = None, overrides: Sequence[Variable] = ()
    ) -> JobResult:
        """Run the job to its result."""
        (self.here / "config.json").write_text(json.dumps(self.config))
        context = RunContext(
            repository=make_repository(self._root),
            identity=IDENTITY,
            folder=self.folder,
            settings=self.settings,
            control=self.control,
            display=self.display,
            pipeline_variables={"CI_PROJECT_NAME": "demo"},
            overrides=overrides,
            file_names={job.name: job.name},
            job_ids=self._ids,
        )
        return run_job(job, context, 0, dependencies or {})

    def answer(self, name: str, text: str) -> None:
        """Set one of the driver's answers (see above)."""
        (self.here / name).write_text(text)

    @property
    def calls(self) -> list[str]:
        """The calls in order: the phase, or the stage of `run`."""
        return [line.removeprefix("run ") for line in (self.here / "calls").read_text().splitlines()]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the last prepare."""
        pairs = (self.here / "environment").read_text().split("\0")
        return dict(pair.split("=", 1) for pair in pairs if pair)

    @property
    def response(self) -> Path:
        """The response file of the last prepare."""
        return self.here / "response.json"

    @property
    def folders(self) -> list[str]:
        """TMPDIR of every attempt, as cleanup saw it."""
        return (self.here / "cleaned").read_text().splitlines()

    @property
    def log(self) -> str:
        """The log, as shown."""
        return "\n".join(self.display.lines)
