"""Recorded jobs, played call by call: what a runner sent to another driver, and what this one makes of it.

A call must end as it did in the recording and print the user's output that the recorded log holds, unless the table
below says otherwise: in some recordings the driver misbehaved on purpose.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.coordinator import Coordinator, bridge_address
from tests.e2e.jobs import Job, JobRecord, Upload, sections, without_colours
from tests.e2e.replay import Case, Played, Replay, load_case
from tests.e2e.repositories import add_commit, git, make_repository
from tests.e2e.runner import Settings, left_of, when_settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    ImageCheck = Callable[[str], str]
    StageMaker = Callable[..., "Stage"]

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"

pytestmark = [
    pytest.mark.runner,
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings beside the checkout ({RECORDINGS})"),
]

REDIS = "virida-executor/test-redis"


@dataclass(frozen=True, kw_only=True)
class Good:
    """What this driver does where it differs from the recorded one, and what the case needs.

    `exits` are exit codes by stage or phase; `prints` is text that a stage must print. `log` tells whether the recorded
    log shows what the scripts print, but for the lines `unsaid`. `archives` leaves caches to the runner's archives.
    `earlier` is a case played before on the same host, with `edits` to its text.
    """

    why: str = ""
    exits: Mapping[str, int] = field(default_factory=dict)
    exit_code: int | None = None
    prints: Mapping[str, str] = field(default_factory=dict)
    log: bool = True
    options: str = ""
    docker_options: str = ""
    archives: bool = False
    unsaid: tuple[str, ...] = ()
    earlier: str = ""
    edits: Mapping[str, str] = field(default_factory=dict)
    signal_at: Mapping[tuple[str, int], float] = field(default_factory=dict)
    uploads: tuple[tuple[str, str], ...] = ()
    objects: tuple[str, ...] = ()


_FRESH = {"cat out/o vendor/v": "mkdir -p out vendor; echo o > out/o; echo v > vendor/v"}

GOOD = {
    "artifacts-upload": Good(
        uploads=(
            ("archive", "out-unit.zip"),
            ("junit", "junit.xml.gz"),
            ("dotenv", ".env.gz"),
            ("metrics", "metrics.txt.gz"),
        )
    ),
    "cache-local-pull": Good(
        why="the cache is there because an earlier job made it",
        earlier="cache-local-push",
        prints={"restore_cache": "Successfully extracted cache"},
    ),
    "cache-local-push": Good(prints={"archive_cache": "Created cache"}),
    "cache-s3-pull": Good(
        why="an operator who leaves caches to the runner has its scripts move them",
        archives=True,
        earlier="cache-s3-push",
        prints={"restore_cache": "Successfully extracted cache"},
    ),
    "cache-s3-push": Good(archives=True, objects=("/cache-bucket/ci/project/42/deps",)),
    "cancel-during-prepare": Good(
        why="a prepare that is stopped half way must not end with 1: that would turn the cancel into a failed script",
        signal_at={("prepare", 1): 0.15},
    ),
    "cancel-ignored": Good(
        why="SIGTERM ends the stage long before the runner would send SIGKILL",
        log=False,
        prints={"build_script": "tick 1\n", "after_script": "status=canceled\n"},
    ),
    "cleanup-output": Good(why="cleanup is silent and succeeds", exits={"cleanup": 0}),
    "config-not-json": Good(why="cleanup copes with nothing prepared, three times"),
    "config-output": Good(
        why="folders are the operator's to set; job_env of another driver changes nothing",
        options='builds_dir = "/data/builds"\n  cache_dir = "/data/cache"',
        log=False,
        prints={"build_script": "/virida/demo\n"},
    ),
    "debug-trace": Good(
        why="the recorded log mixed two streams within a line", log=False, prints={"build_script": "hi"}
    ),
    "driver-output": Good(why="the scripts run", log=False, prints={"build_script": "never"}),
    "feature-flags": Good(why="the recorded lines carry a time", log=False, prints={"build_script": "two\nthree\n"}),
    "full": Good(
        why="cache and worktree are there because an earlier job made them; the cache is not part of the worktree",
        earlier="full",
        edits=_FRESH,
        unsaid=("Removing vendor/",),
        uploads=(("archive", "out.zip"),),
        prints={"restore_cache": "Successfully extracted cache"},
    ),
    "get-sources-retry": Good(
        why="each attempt works, also after another and after the worktree was cleared",
        exits={"get_sources": 0},
        log=False,
        prints={"build_script": "\ndemo\n"},
    ),
    "git-fetch": Good(
        why="the worktree of the job before is kept",
        earlier="git-fetch",
        edits={"test ! -e left-over": "touch left-over"},
    ),
    "git-clone": Good(why="the image has no git here", log=False, prints={"build_script": "\ndemo\n"}),
    "image-options": Good(log=False, prints={"build_script": "uid=1000 gid=1000"}),
    "large-variable": Good(why="the kernel refuses to start a driver with such an environment: no call to play"),
    "no-gitlab-runner": Good(
        why="the helper has the command: nothing is lost without a word",
        uploads=(("archive", "out.zip"),),
        prints={"archive_cache": "Created cache", "restore_cache": "Checking cache for deps"},
    ),
    "output-held-open": Good(
        why="the script runs, and nothing holds the pipes", log=False, prints={"build_script": "never"}
    ),
    "prepare-build-failure": Good(why="there is nothing wrong with the job", exits={"prepare": 0}),
    "prepare-retry": Good(why="a second attempt finds the first one's things cleaned up", exits={"prepare": 0}),
    "prepare-system-failure": Good(why="three attempts, each cleaned up", exits={"prepare": 0}),
    "prepare-timeout": Good(
        why="a prepare that is stopped half way never ends with 0; the second one is done in time",
        exits={"prepare": 0},
        signal_at={("prepare", 1): 0.15, ("prepare", 2): 50.0},
        log=False,
        prints={"build_script": "never"},
    ),
    "services": Good(
        why="the second service listens elsewhere than its image says: the wait for it is cut short here",
        docker_options="    wait_for_services_timeout = 2",
    ),
    "system-failure": Good(
        why="the script runs and is good",
        exits={"build_script": 0},
        log=False,
        prints={"build_script": "never", "after_script": "status=failed"},
    ),
    "unknown-exit-code": Good(
        why="the script's exit code goes into the file, the driver's own is 1",
        exits={"build_script": 1},
        exit_code=42,
        log=False,
        prints={"build_script": "$ exit 42"},
    ),
}

# What the recordings show, but the runner itself printed.
_RUNNERS_OWN = re.compile(
    r"(Executing \"|Getting source|Running after_script$|WARNING: |ERROR: |Retrying in|Terminated$)"
)

_SECTIONS = {
    "step_script": "build_script",
    "after_script": "after_script",
    "step_release": "step_release",
    "get_sources": "get_sources",
}


def _case_names() -> list[str]:
    found = (
        sorted(folder.name for folder in RECORDINGS.iterdir() if folder.is_dir()) if RECORDINGS.is_dir() else ["none"]
    )
    return [name for name in found if name != "shell-pwsh"]


@pytest.fixture(scope="session")
def hashes(repositories: Path) -> dict[str, str]:
    """The recorded repository, made again; the new commits by the hashes of the recorded ones, short ones included."""
    make_repository(repositories, "virida/lib", {"lib.txt": "lib\n"})
    first = make_repository(repositories, "virida/demo", {"README.md": "demo\n"})
    second = add_commit(repositories, "virida/demo", {"README.md": "demo, second\n"})
    work = repositories / "virida/demo.work"
    git(
        work,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "-q",
        "add",
        f"{repositories}/virida/lib.git",
        "vendor/lib",
    )
    git(work, "config", "-f", ".gitmodules", "submodule.vendor/lib.url", "../lib.git")
    third = add_commit(repositories, "virida/demo", {})
    library = git(repositories / "virida/lib.work", "rev-parse", "HEAD")
    recorded = {
        "0b570daa50d8098daa6831dce199c3813d2848a2": first,
        "1d07a15652c61f8d2e6c7e668d2cf2931639702b": second,
        "5ec2741a39acd1bb0da280876d511d2096995a30": third,
        "cda2521a8ec82e04feaf81217d3b9ab2f98af28b": library,
    }
    return {old[:length]: new[:length] for length in (40, 8, 7) for old, new in recorded.items()}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that is its own authority, for the coordinator's address; one file with its key."""
    file = tmp_path_factory.mktemp("tls") / "gitlab.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=gitlab", "-addext", f"subjectAltName=IP:{bridge_address()}", "-days", "2"]
    subprocess.check_call([*request, *names, "-keyout", file, "-out", f"{file}.crt"], stderr=subprocess.DEVNULL)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.fixture(scope="session")
def tls_coordinator(repositories: Path, certificate: Path) -> Iterator[Coordinator]:
    """GitLab over HTTPS."""
    server = Coordinator(repositories, certificate)
    yield server
    server.close()


@dataclass
class Stage:
    """Where cases are played: one host, one GitLab."""

    coordinator: Coordinator
    settings: Settings
    folder: Path
    hashes: Mapping[str, str]
    certificate: Path
    records: list[JobRecord] = field(default_factory=list)

    def play(self, case: Case, good: Good, edits: Mapping[str, str] | None = None) -> Replay:
        """Play a case; the coordinator knows its job and has the artifacts of the jobs before it."""
        replay = Replay(
            case=case,
            settings=self.settings,
            folder=self.folder / f"attempts{len(self.records)}",
            values={},
            replaced={**(edits or {}), **self.hashes, "redis:7": REDIS},
            signal_at=good.signal_at,
        )
        job = Job(script=[], id=replay.job_id(json.loads(case.response)["id"]))
        dependency = Job(script=[], id=replay.job_id(1001 if job.id != replay.job_id(1001) else 1009))
        dependency.id = next(iter(_dependencies(case, replay)), dependency.id)
        replay.values = self._values(job, dependency)
        self.records.append(self.coordinator.expect(job))
        self.coordinator.expect(dependency).uploads.append(_archive({"out/a": "a\n", "out/o": "o\n"}))
        replay.run()
        return replay

    def _values(self, job: Job, dependency: Job) -> dict[str, str]:
        address = self.coordinator.address
        return {
            "@GITLAB_REGEX@": re.escape(address).replace("\\", "\\\\"),
            "@GITLAB_HOST@": str(self.coordinator.host),
            "@GITLAB@": address,
            "@S3@": address,
            "@TOKEN@": job.token,
            "@OTHER_TOKEN@": dependency.token,
            "@SHORT_TOKEN@": self.settings.short_token,
            "@CA_PEM@": Path(f"{self.certificate}.crt").read_text().strip(),
            "@REVISION@": "3a847532",
            "@CORRELATION_ID@": "0123456789abcdef0123456789abcdef",
            "@DATE@": "20260101T000000Z",
            "@DAY@": "20260101",
            "@SIGNATURE@": "0" * 64,
        }


@pytest.fixture
def make_stage(
    coordinator: Coordinator,
    hashes: dict[str, str],
    certificate: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> StageMaker:
    """A function that sets a host up for the case of a name, with further lines for config.toml."""

    def make(name: str, options: str, docker_options: str = "", executor_options: str = "") -> Stage:
        server: Coordinator = request.getfixturevalue("tls_coordinator") if name == "tls" else coordinator
        server.objects.clear()
        settings = Settings(
            tmp_path,
            server.url,
            options=options,
            docker_options=docker_options,
            executor_options=executor_options,
        )
        return Stage(server, settings, tmp_path, hashes, certificate)

    return make


@pytest.mark.parametrize("name", _case_names())
def test_a_recorded_job(name: str, make_stage: StageMaker, image: ImageCheck) -> None:
    good = GOOD.get(name, Good())
    case = load_case(RECORDINGS / name)
    if not case.calls:
        pytest.skip(good.why)
    if "redis:7" in case.response:
        image(REDIS)
    archives = '[cache]\nmode = "archive"\n' if good.archives else ""
    stage = make_stage(name, good.options, good.docker_options, archives)
    if good.earlier:
        stage.play(load_case(RECORDINGS / good.earlier), Good(), good.edits)
    replay = stage.play(case, good)
    for played in replay.played:
        _check_end(played, good)
        _check_manners(played, replay)
    _check_output(replay, good)
    _check_transfers(stage, good)
    assert when_settled(stage.settings, lambda: _left(stage)) == []


def test_a_powershell_job_is_refused_in_words(make_stage: StageMaker) -> None:
    stage = make_stage("shell-pwsh", 'shell = "pwsh"')
    replay = stage.play(load_case(RECORDINGS / "shell-pwsh"), Good())
    refused = next(played for played in replay.played if played.exit != 0)
    assert refused.call.phase in ("config", "prepare") or refused.call.stage == "prepare_script"
    assert "pwsh" in refused.output or "PowerShell" in refused.output
    assert all("Traceback" not in played.output for played in replay.played)
    assert [played.exit for played in replay.played if played.call.phase == "cleanup"] == [0]
    assert when_settled(stage.settings, lambda: _left(stage)) == []


def _check_end(played: Played, good: Good) -> None:
    """The exit code; of a call that was told to end only that it did so soon, and not as if all were well."""
    call = played.call
    if played.seconds_after_signal is not None and played.seconds_after_signal > 0:
        assert played.exit not in ((0, 1) if call.phase == "prepare" else (0,)), played.output
        assert played.seconds_after_signal < 8
        return
    expected = good.exits.get(call.stage or call.phase, call.exit)
    assert played.exit == expected, f"{call.phase} {call.stage}:\n{played.output}"
    if expected == 1:
        recorded = int((call.exit_code_file or "1").split()[0])
        assert played.exit_code_file
        assert int(played.exit_code_file) == (good.exit_code or recorded)


def _check_manners(played: Played, replay: Replay) -> None:
    """What holds for every call: no traceback, JSON from config, silence from cleanup (its output is not masked)."""
    assert "Traceback" not in played.output
    if played.call.phase == "cleanup":
        assert played.output == ""
    if played.call.phase == "config":
        folder = replay.case.calls[-1].environment["CUSTOM_ENV_CI_BUILDS_DIR"]
        answer: dict[str, Any] = json.loads(played.stdout)
        assert not folder or folder == "/forged" or answer["builds_dir"] == folder


def _check_output(replay: Replay, good: Good) -> None:
    printed: dict[str, str] = {}
    for played in replay.played:
        printed[played.call.stage] = played.output
    for stage, text in good.prints.items():
        assert text in printed[stage]
    if good.log:
        unsaid = {_pattern(line) for line in good.unsaid}
        for stage, line in (recorded for recorded in _recorded_lines(replay) if recorded[1] not in unsaid):
            assert re.search(line, printed[stage], re.MULTILINE), f"{stage} lacks {line}:\n{printed[stage]}"


def _recorded_lines(replay: Replay) -> list[tuple[str, str]]:
    """Stage and pattern of every line that the recorded scripts printed; of ticking ones the first tick alone."""
    log = without_colours(replay.case.log)
    lines = [
        (stage, line)
        for section, stage in _SECTIONS.items()
        for text in sections(log, section)
        for line in text.splitlines()
        if line.strip() and not _RUNNERS_OWN.match(line) and not re.match(r"tick (?!1$)", line)
    ]
    return [(stage, _pattern(replay.text(line))) for stage, line in lines]


def _pattern(line: str) -> str:
    """A line with its placeholders and masked values left open."""
    return rf"^{re.sub(r'@[A-Z0-9_]+@', '.*', re.escape(line)).replace(re.escape('[MASKED]'), '.*')}$"


def _check_transfers(stage: Stage, good: Good) -> None:
    uploads = [(upload.query["artifact_type"], upload.filename) for upload in stage.records[-1].uploads]
    if good.uploads:
        assert uploads == list(good.uploads)
    assert [path for path in good.objects if path not in stage.coordinator.objects] == []


def _left(stage: Stage) -> list[str]:
    found = [item for record in stage.records for item in left_of(record.job.id)]
    jobs = stage.settings.state_dir / "jobs"
    return found + (sorted(map(str, jobs.iterdir())) if jobs.is_dir() else [])


def _dependencies(case: Case, replay: Replay) -> list[int]:
    return [replay.job_id(entry["id"]) for entry in json.loads(case.response)["dependencies"] or []]


def _archive(files: Mapping[str, str]) -> Upload:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return Upload({"artifact_type": "archive"}, "out.zip", content.getvalue())
