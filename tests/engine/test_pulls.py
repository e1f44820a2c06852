"""Images of a registry with a password: policies, logins, refusals, one pull for several jobs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from executor.sandbox.turns import turn
from tests.e2e.jobs import Job, unique_number, variable
from tests.engine.registry import PASSWORD, Registry, auth_config, basic

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Called, Driver

HELPER = """\
#!/bin/sh
read -r server
echo "$1 $server" >> {log}
case $1 in
  list) echo '{{"http://{address}": "{user}"}}' ;;
  get) echo '{{"ServerURL": "{address}", "Username": "{user}", "Secret": "{password}"}}' ;;
esac
"""


def login(registry: Registry, password: str = PASSWORD, **options: Any) -> list[Any]:
    """The variables of a job that has a login for the registry."""
    return [variable("DOCKER_AUTH_CONFIG", auth_config(password, registry.address), masked=True, **options)]


def pull(driver: StartJob, registry: Registry, image: Any, *, policy: str = '"always"', **options: Any) -> Driver:
    """A driver for a job with this image and a login."""
    job = Job(script=[], image=image, variables=options.pop("variables", login(registry)))
    extra = options.pop("docker_options", "")
    return driver(job, docker_options=f"pull_policy = {policy}\n{extra}", **options)


def name() -> str:
    """A repository that no other test uses."""
    return f"team{unique_number()}/app"


def version(made: Driver) -> str:
    """The label `version` of the build container's image."""
    return str(made.inspect("build")["Config"]["Labels"]["version"])


@pytest.fixture
def moved(registry: Registry) -> str:
    """An image whose first version is on this host, while the registry has a second."""
    tag = f"{name()}:1"
    registry.push(tag, keep=True, version="first")
    registry.push(f"{tag}-second", version="second")
    return _move(registry, tag)


def _move(registry: Registry, tag: str) -> str:
    """Give the registry's `tag` the manifest of `tag-second`, behind this host's back."""
    import urllib.request

    path, _, label = tag.rpartition(":")
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    headers = {"Authorization": f"Basic {basic(PASSWORD)}", "Accept": kind, "Content-Type": kind}
    base = f"http://{registry.address}/v2/{path}/manifests"
    with urllib.request.urlopen(urllib.request.Request(f"{base}/{label}-second", headers=headers)) as answer:
        manifest = answer.read()
    put = urllib.request.Request(f"{base}/{label}", data=manifest, method="PUT", headers=headers)
    urllib.request.urlopen(put).close()
    return f"{registry.address}/{tag}"


@pytest.mark.parametrize(
    ("policy", "of_job", "expected"),
    [
        ('"always"', None, "second"),
        ('"if-not-present"', None, "first"),
        ('"never"', None, "first"),
        ('["always", "if-not-present"]', ["if-not-present"], "first"),
        ('["never", "always"]', ["always"], "second"),
    ],
)
def test_a_policy_decides_whether_a_moved_tag_is_noticed(
    driver: StartJob, registry: Registry, moved: str, policy: str, of_job: Any, expected: str
) -> None:
    made = pull(driver, registry, {"name": moved, "pull_policy": of_job}, policy=policy)
    made.prepared()
    assert version(made) == expected


def test_the_next_policy_helps_where_the_registry_refuses(driver: StartJob, registry: Registry, moved: str) -> None:
    made = pull(driver, registry, moved, policy='["always", "if-not-present"]', variables=login(registry, "wrong"))
    output = made.prepared()
    assert "WARNING: IMAGE NOT FOUND" in output
    assert "Trying the next pull policy: if-not-present" in output
    assert version(made) == "first"


def test_never_takes_no_image_that_is_not_here(driver: StartJob, registry: Registry) -> None:
    called = pull(driver, registry, registry.push(f"{name()}:1"), policy='"never"').prepare()
    assert called.code == 2
    assert 'The pull policy "never" allows no pull' in called.output


def test_a_policy_that_is_not_allowed_is_the_jobs_fault(driver: StartJob, registry: Registry) -> None:
    called = pull(driver, registry, {"name": "debian:12", "pull_policy": ["never"]}).prepare()
    assert called.code == 1
    assert "never (GitLab pipeline config)" in called.output


def test_allowed_policies_narrow_the_runners_own(driver: StartJob, registry: Registry, moved: str) -> None:
    allowed = 'allowed_pull_policies = ["if-not-present"]'
    made = pull(driver, registry, moved, policy='["always", "if-not-present"]', docker_options=allowed)
    made.prepared()
    assert version(made) == "first"


def test_an_image_by_digest(driver: StartJob, registry: Registry) -> None:
    tag = f"{name()}:1"
    whole = registry.push(tag, version="exact")
    digest = registry.digest(tag)
    made = pull(driver, registry, f"{whole.rpartition(':')[0]}@{digest}")
    assert digest[:19] in made.prepared()
    assert version(made) == "exact"


def test_variables_in_the_name_of_an_image(driver: StartJob, registry: Registry) -> None:
    whole = registry.push(f"{name()}:1", version="named")
    variables = [*login(registry), variable("WHERE", registry.address)]
    made = pull(driver, registry, whole.replace(registry.address, "$WHERE"), variables=variables)
    made.prepared()
    assert version(made) == "named"


def test_the_hosts_own_platform_and_another(driver: StartJob, registry: Registry) -> None:
    whole = registry.push(f"{name()}:1")
    own = {"name": whole, "executor_opts": {"docker": {"platform": "linux/amd64"}}}
    pull(driver, registry, own).prepared()
    other = {"name": whole, "executor_opts": {"docker": {"platform": "s390x"}}}
    assert "it runs only under emulation" in pull(driver, registry, other).prepare().output


def test_an_image_without_a_login_is_the_jobs_fault(driver: StartJob, registry: Registry) -> None:
    refused(pull(driver, registry, registry.push(f"{name()}:1"), variables=[]).prepare(), "no basic auth credentials")


def test_a_wrong_password_is_the_jobs_fault(driver: StartJob, registry: Registry) -> None:
    image = registry.push(f"{name()}:1")
    refused(pull(driver, registry, image, variables=login(registry, "wrong")).prepare(), "unauthorized")


def test_an_unknown_tag_is_the_jobs_fault(driver: StartJob, registry: Registry) -> None:
    path = name()
    registry.push(f"{path}:1")
    before = registry.requests(f"{path}/manifests/2")
    refused(pull(driver, registry, f"{registry.address}/{path}:2").prepare(), "manifest unknown")
    assert registry.requests(f"{path}/manifests/2") > before


def refused(called: Called, reason: str) -> None:
    """The job's fault, told at once and without its password."""
    assert called.code == 1
    assert reason in called.output
    assert "IMAGE NOT FOUND" in called.output
    assert called.output.count("Pulling") == 1
    assert called.seconds < 5
    assert basic("wrong") not in called.output


def test_a_registry_that_is_down_is_a_system_failure(driver: StartJob, registry: Registry) -> None:
    called = pull(driver, registry, "localhost:1/nobody/listens:1").prepare()
    assert called.code == 2
    assert called.output.count("REGISTRY UNREACHABLE") == 1
    assert called.seconds < 3


def in_home(made: Driver, config: dict[str, Any], file: str = ".docker/config.json") -> None:
    """Write a Docker configuration of the account that runs the driver."""
    path = made.folder / "home" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(config))


@pytest.fixture
def helper(tmp_path: Path, registry: Registry) -> Path:
    """A folder with a credential helper `tests`, which notes in `asked` what it is asked."""
    program = tmp_path / "docker-credential-tests"
    values = {"log": tmp_path / "asked", "address": registry.address, "user": "robot", "password": PASSWORD}
    program.write_text(HELPER.format(**values))
    program.chmod(0o755)
    (tmp_path / "asked").touch()
    return tmp_path


def with_helper(made: Driver, helper: Path) -> Driver:
    made.environment["PATH"] = f"{helper}:{made.environment['PATH']}"
    return made


def authenticated(made: Driver, source: str) -> None:
    """The image was pulled with a login of this source."""
    assert f"Authenticating with credentials from {source}\n" in made.prepared()


def runners(config: str) -> dict[str, Any]:
    """Options of a driver whose runner has this Docker configuration in its `environment`."""
    return {
        "runner_options": f"environment = [{json.dumps('DOCKER_AUTH_CONFIG=' + config)}]",
        "environment": {"CUSTOM_ENV_DOCKER_AUTH_CONFIG": config},
        "variables": [],
    }


@pytest.mark.parametrize("file", [False, True], ids=["variable", "file variable"])
def test_a_login_of_the_job(driver: StartJob, registry: Registry, file: bool) -> None:
    image = registry.push(f"{name()}:1")
    authenticated(pull(driver, registry, image, variables=login(registry, file=file)), "$DOCKER_AUTH_CONFIG")


def test_a_login_of_the_runner(driver: StartJob, registry: Registry) -> None:
    options = runners(auth_config(PASSWORD, registry.address))
    made = pull(driver, registry, registry.push(f"{name()}:1"), **options)
    authenticated(made, "$DOCKER_AUTH_CONFIG of the runner")


def test_a_login_of_the_runner_by_a_helper(driver: StartJob, registry: Registry, helper: Path) -> None:
    options = runners(json.dumps({"credHelpers": {registry.address: "tests", "other.invalid": "missing"}}))
    made = with_helper(pull(driver, registry, registry.push(f"{name()}:1"), **options), helper)
    authenticated(made, "$DOCKER_AUTH_CONFIG of the runner")
    assert (helper / "asked").read_text() == f"get {registry.address}\n"


def test_a_login_of_the_account(driver: StartJob, registry: Registry) -> None:
    made = pull(driver, registry, registry.push(f"{name()}:1"), variables=[])
    in_home(made, json.loads(auth_config(PASSWORD, registry.address)))
    authenticated(made, f"{made.folder}/home/.docker/config.json")


def test_a_login_of_the_account_in_the_old_file(driver: StartJob, registry: Registry) -> None:
    made = pull(driver, registry, registry.push(f"{name()}:1"), variables=[])
    in_home(made, {f"http://{registry.address}": {"auth": basic(PASSWORD)}}, ".dockercfg")
    authenticated(made, f"{made.folder}/home/.dockercfg")


def test_a_login_of_the_account_in_a_store(driver: StartJob, registry: Registry, helper: Path) -> None:
    made = with_helper(pull(driver, registry, registry.push(f"{name()}:1"), variables=[]), helper)
    in_home(made, {"auths": {registry.address: {}}, "credsStore": "tests"})
    authenticated(made, f"{made.folder}/home/.docker/config.json")


def test_a_login_that_came_with_the_job(driver: StartJob, registry: Registry) -> None:
    sent = {"type": "registry", "url": registry.address, "username": "robot", "password": PASSWORD}
    made = pull(driver, registry, registry.push(f"{name()}:1"), variables=[], changes={"credentials": [sent]})
    authenticated(made, "job payload (GitLab Registry)")


def test_the_first_source_that_knows_the_registry_wins(driver: StartJob, registry: Registry) -> None:
    made = pull(driver, registry, registry.push(f"{name()}:1"), variables=login(registry, "wrong"))
    in_home(made, json.loads(auth_config(PASSWORD, registry.address)))
    refused(made.prepare(), "unauthorized")


def test_the_longest_path_wins(driver: StartJob, registry: Registry) -> None:
    path = name()
    auths = {registry.address: {"auth": basic("wrong")}, f"{registry.address}/{path}": {"auth": basic(PASSWORD)}}
    variables = [variable("DOCKER_AUTH_CONFIG", json.dumps({"auths": auths}))]
    made = pull(driver, registry, registry.push(f"{path}:1"), variables=variables)
    authenticated(made, "$DOCKER_AUTH_CONFIG")


@pytest.mark.parametrize("runners_own", ["", '{"auths": {}}'], ids=["alone", "beside the runner's"])
def test_a_helper_that_a_job_names_never_runs(
    driver: StartJob, registry: Registry, helper: Path, runners_own: str
) -> None:
    config = json.dumps({"credsStore": "tests", "credHelpers": {registry.address: "tests"}})
    image = registry.push(f"{name()}:1")
    options = {**runners(runners_own), "variables": [variable("DOCKER_AUTH_CONFIG", config)], "environment": {}}
    refused(with_helper(pull(driver, registry, image, **options), helper).prepare(), "no basic auth credentials")
    assert (helper / "asked").read_text() == ""


def test_a_job_waits_for_another_that_pulls_the_same_image(
    driver: StartJob, registry: Registry, tmp_path: Path
) -> None:
    image = registry.push(f"{name()}:1")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    made = pull(driver, registry, image, policy='"if-not-present"', state=state)
    assert made.call("config").code == 0
    with turn(str(state / "turns"), f"{image} ", lambda: None):
        waiting = made.begin("prepare")
        assert waiting.stdout
        assert b"Waiting for another job" in waiting.stdout.readline()
        time.sleep(0.3)
        assert waiting.poll() is None
    output = waiting.communicate(timeout=30)[0]
    assert waiting.returncode == 0, output


def test_jobs_that_need_the_same_image_at_once_all_get_it(driver: StartJob, registry: Registry, tmp_path: Path) -> None:
    image = registry.push(f"{name()}:1")
    jobs = [pull(driver, registry, image, policy='"if-not-present"', state=tmp_path / "state") for _ in range(3)]
    for made in jobs:
        assert made.call("config").code == 0
    outputs = [process.communicate(timeout=60)[0] for process in [made.begin("prepare") for made in jobs]]
    assert sum(b"pulled in" in output for output in outputs) == 1
    assert all(b"started in" in output for output in outputs)


def test_images_that_jobs_had_pulled_keep_within_the_operators_quota(
    driver: StartJob, registry: Registry, tmp_path: Path
) -> None:
    """What the operator brought stays, and so does what was used a moment ago."""
    state = tmp_path / "state"
    brought = registry.push(f"{name()}:1", keep=True, version="brought")
    old, fresh = (registry.push(f"{name()}:1", version=word) for word in ("old", "fresh"))
    for image in (old, fresh):
        ended = pull(driver, registry, image, state=state)
        ended.prepared()
        ended.end()
    _use_hours_ago(state, image_id(old))
    made = pull(driver, registry, brought, policy='"never"', state=state)
    with (made.folder / "executor.toml").open("a") as file:
        file.write('[images]\nquota = "1"\n')
    (state / "swept").unlink(missing_ok=True)
    made.prepared()

    deadline = time.monotonic() + 15
    while image_id(old):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert image_id(fresh)
    assert image_id(brought)


def image_id(image: str) -> str:
    """The id of an image of this host, "" for none."""
    found = subprocess.run(["docker", "image", "inspect", "-f", "{{.Id}}", image], capture_output=True, text=True)
    return found.stdout.strip()


def _use_hours_ago(state: Path, image: str) -> None:
    then = time.time() - 3 * 3600
    os.utime(state / "images" / image.removeprefix("sha256:"), (then, then))
