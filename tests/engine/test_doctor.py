"""`executor doctor` on this very host: a healthy one, and real faults in it, one by one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import socket
import ssl
import subprocess
import tarfile
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from executor.plan.naming import JOB_LABEL, STATE_LABEL
from tests.engine.doctor_host import DoctorHost, GitLab, SpoiltEngine
from tests.engine.registry import Registry, auth_config, available

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount, and become somebody else")


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    """GitLab."""
    server = GitLab()
    yield server
    server.close()


@pytest.fixture
def host(gitlab: GitLab) -> Iterator[DoctorHost]:
    """A healthy host, in a folder that any account may enter."""
    folder = Path(tempfile.mkdtemp(prefix="virida-doctor-"))
    folder.chmod(0o755)
    yield DoctorHost(folder, gitlab)
    shutil.rmtree(folder)


@pytest.fixture
def engine(host: DoctorHost) -> Iterator[SpoiltEngine]:
    """The host's Engine, which can be spoilt."""
    spoilt = SpoiltEngine(host.folder / "docker.sock")
    host.use_engine(spoilt)
    yield spoilt
    spoilt.close()


def test_nothing_is_wrong_here(host: DoctorHost) -> None:
    began = time.monotonic()
    report = host.report()
    seconds = time.monotonic() - began

    assert [check for check in report["checks"] if check["status"] in ("error", "warning", "crashed")] == []
    assert report["status"] == "ok"
    assert seconds < 10, "all checks run side by side, each within 2.5 s; the rest is a busy machine"


def test_nothing_is_changed_by_looking(host: DoctorHost) -> None:
    before = sorted(str(path) for path in host.folder.rglob("*"))

    host.report()

    assert sorted(str(path) for path in host.folder.rglob("*")) == before


def test_gitlab_is_asked_as_the_runner_asks(host: DoctorHost, gitlab: GitLab) -> None:
    host.report("network")

    asked = [request for request in gitlab.requests if "verify" in request]
    assert asked == [f"POST /api/v4/runners/verify token={host.token}"]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"status": 403}, {"network.gitlab.token": "error"}),
        ({"status": 404}, {"network.gitlab.api": "error"}),
        ({"status": 503}, {"network.gitlab.api": "error"}),
        ({"ahead": 3600.0}, {"host.clock.skew": "error"}),
        ({"ahead": -90.0}, {"host.clock.skew": "warning"}),
        ({"delay": 5.0}, {"network.gitlab.reachable": "error"}),
        ({"body": b"<html>a login page</html>"}, {"network.gitlab.api": "error"}),
    ],
    ids=lambda value: next(iter(map(str, value.items()))) if isinstance(value, dict) else "",
)
def test_faults_of_gitlab(change: dict[str, Any], wrong: dict[str, str], host: DoctorHost, gitlab: GitLab) -> None:
    vars(gitlab).update(change)

    assert host.wrong() == wrong


def test_gitlab_is_gone(host: DoctorHost, gitlab: GitLab) -> None:
    gitlab.close()

    assert host.wrong() == {"network.gitlab.reachable": "error"}


def test_gitlab_with_a_certificate_that_nobody_trusts(host: DoctorHost, gitlab: GitLab, tmp_path: Path) -> None:
    with _TlsServer(tmp_path) as port:
        host.change(gitlab.url, f"https://127.0.0.1:{port}")

        assert host.wrong() == {"network.gitlab.tls": "error"}


@pytest.mark.parametrize(
    ("path", "change", "wrong"),
    [
        ("/version", {"ApiVersion": "1.38", "Version": "18.06.1-ce"}, {"docker.engine.api": "error"}),
        ("/version", {"Components": [{"Name": "Engine"}]}, {"docker.engine.containerd": "error"}),
        ("/info", {"Driver": "vfs"}, {"docker.storage.driver": "warning"}),
        ("/info", {"MemoryLimit": False}, {"docker.limits.memory": "error"}),
        ("/info", {"SecurityOptions": ["name=seccomp", "name=userns"]}, {"docker.security.userns": "error"}),
        (
            "/info",
            {"DefaultAddressPools": [{"Base": "172.17.0.0/16", "Size": 16}]},
            {"docker.network.addresses": "error"},
        ),
        ("/images/json", {"status": 500, "message": "layer does not exist"}, {"docker.storage.images": "error"}),
    ],
)
def test_faults_of_the_engine(
    path: str, change: dict[str, Any], wrong: dict[str, str], host: DoctorHost, engine: SpoiltEngine
) -> None:
    engine.answers[path] = change

    assert host.wrong() == wrong


def test_an_engine_that_hangs(host: DoctorHost, engine: SpoiltEngine) -> None:
    engine.silent = True

    began = time.monotonic()
    assert host.wrong() == {"docker.engine.answers": "error"}
    assert time.monotonic() - began < 10


def test_an_engine_that_crashed(host: DoctorHost, engine: SpoiltEngine) -> None:
    engine.close()

    assert host.wrong() == {"docker.engine.answers": "error"}


def test_an_engine_that_is_not_there(host: DoctorHost, engine: SpoiltEngine) -> None:
    engine.close()
    engine.path.unlink()

    assert host.wrong() == {"docker.socket.present": "error"}


@needs_root
def test_the_service_account_may_not_use_the_socket(host: DoctorHost) -> None:
    with _Service(host, NOBODY):
        wrong = host.wrong("docker", "runner.account")

    assert wrong == {"docker.socket.permission": "error"}


@needs_root
def test_what_the_service_account_sees(host: DoctorHost) -> None:
    """Folders are closed to it that are open to root, and its environment is not ours."""
    host.config.chmod(0o600)
    with _Service(host, NOBODY, PATH="/usr/bin:/bin") as pid:
        os.chown(host.config, 0, 0)
        report = host.report("runner", "state.folder")

    said = {check["id"]: check["found"] for check in report["checks"]}
    assert report["host"]["uid"] == str(NOBODY)
    assert str(pid) in said["runner.process.running"]
    assert "may not read" in said["runner.config.present"]
    assert "PATH=/usr/bin:/bin" in said["runner.binary.path"]
    assert f"may not write in {host.folder}" in said["state.folder.writable"]


@needs_root
@pytest.mark.parametrize(
    ("options", "steps", "wrong"),
    [
        (
            "size=1m,mode=700",
            "dd if=/dev/zero of={state}/full bs=1M count=2 2>/dev/null; true",
            {"host.disk.space": "error"},
        ),
        ("nr_inodes=100,mode=700", "touch $(seq -f '{state}/%g' 200); true", {"host.disk.inodes": "error"}),
        ("ro,mode=700", "true", {"host.disk.readonly": "error"}),
        ("noexec,mode=700", "true", {"host.disk.noexec": "error"}),
    ],
    ids=["full", "no inodes", "read-only", "noexec"],
)
def test_faults_of_the_disk(options: str, steps: str, wrong: dict[str, str], host: DoctorHost) -> None:
    before = host.mounted(host.state_dir, options, steps.format(state=host.state_dir))

    assert host.wrong(before=before) == wrong


@needs_root
def test_caches_on_another_disk(host: DoctorHost) -> None:
    store = host.state_dir / "caches"
    host.state_dir.mkdir(mode=0o700)

    assert host.wrong(before=host.mounted(store, "mode=700,size=50m")) == {"cache.filesystem.split": "warning"}


@needs_root
def test_packets_are_not_passed_on(host: DoctorHost) -> None:
    """In a network namespace of its own, which also has none of Docker's rules."""
    before = ["unshare", "--net", "sh", "-c", 'echo 0 > /proc/sys/net/ipv4/ip_forward; exec "$@"', "sh"]

    assert host.wrong("docker.network", before=before) == {
        "docker.network.forwarding": "error",
        "docker.network.firewall": "error",
    }


@needs_root
def test_dns_is_dead(host: DoctorHost) -> None:
    (host.folder / "resolv.conf").write_text("nameserver 127.0.0.99\n")
    before = host.mounted(host.folder / "other", "size=1m", f"mount --bind {host.folder}/resolv.conf /etc/resolv.conf")

    assert host.wrong("network", before=before) == {"network.dns.servers": "error"}


@pytest.mark.skipif(not available(), reason="no docker-registry on PATH: install the package `docker-registry`")
def test_a_registry_refuses_the_login(host: DoctorHost, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    try:
        for password, wrong in (("wrong", {"network.registry.login": "error"}), ("pa:ss wörd", {})):
            login = f"DOCKER_AUTH_CONFIG={auth_config(password, registry.address)}"
            host.config.write_text(_with_environment(host.config.read_text(), login))
            assert host.wrong("network", "runner") == wrong
    finally:
        registry.stop()


def test_a_helper_image_for_another_machine(host: DoctorHost) -> None:
    name = f"virida-test-arm-{os.getpid()}:1"
    subprocess.run(["docker", "load", "-q"], input=_image_archive(name, "arm64"), check=True, capture_output=True)
    try:
        host.change('helper_image = ""', f'helper_image = "{name}"')
        report = host.report("job")
    finally:
        subprocess.run(["docker", "image", "rm", name], check=True, capture_output=True)

    said = {check["id"]: check for check in report["checks"]}
    assert said["job.helper.architecture"]["status"] == "error"
    assert said["job.helper.architecture"]["fix"] == [f"docker pull --platform linux/amd64 {name}"]
    assert said["job.helper.image"]["status"] == "ok"


def test_what_a_dead_job_left_is_named_and_removed(host: DoctorHost) -> None:
    name = f"virida-doctor-{os.getpid()}"
    folder = f"{host.state_dir}/jobs/1-dead"
    (host.state_dir / "jobs").mkdir(parents=True)
    for path in (host.state_dir, host.state_dir / "jobs"):
        path.chmod(0o700)
    labels = ["--label", f"{STATE_LABEL}={folder}", "--label", f"{JOB_LABEL}=1-dead"]
    subprocess.run(["docker", "volume", "create", *labels, name], check=True, capture_output=True)
    try:
        assert host.wrong() == {"state.leftovers": "warning"}
        unasked = host.call("state.leftovers", "--fix")
        assert "nobody can be asked here" in unasked.stderr
        assert host.wrong() == {"state.leftovers": "warning"}
        assert host.call("state.leftovers", "--fix", "--yes").returncode == 0
        assert host.wrong() == {}
    finally:
        subprocess.run(["docker", "volume", "rm", "-f", name], check=True, capture_output=True)


def test_modes_are_mended_only_when_told(host: DoctorHost) -> None:
    host.config.chmod(0o644)

    assert host.call("--fix").returncode == 0
    assert host.config.stat().st_mode & 0o777 == 0o644
    mended = host.call("--fix", "--yes")
    assert f"would mend runner.config.mode: chmod 600 {host.config}" in mended.stderr
    assert "runner.config.mode: done" in mended.stderr
    assert host.config.stat().st_mode & 0o777 == 0o600
    assert host.call("--strict").returncode == 0


def test_everything_is_broken(host: DoctorHost, engine: SpoiltEngine, gitlab: GitLab) -> None:
    gitlab.close()
    engine.close()
    host.executor_toml("[storage\n")
    host.config.write_text("concurrent = \n")

    wrong = host.wrong(PATH="/nowhere", HOME="/nowhere")

    assert wrong["runner.config.syntax"] == "error"
    assert wrong["runner.executor_toml"] == "error"
    assert "crashed" not in wrong.values()


def test_a_throw_away_job(host: DoctorHost) -> None:
    """GitLab listens on the loopback alone: containers cannot reach it, and that is what the job tells."""
    report = host.report("--job")

    said = {check["id"]: check["status"] for check in report["checks"] if check["id"].startswith("job.run.")}
    assert said == {
        "job.run.config": "ok",
        "job.run.prepare": "ok",
        "job.run.helper": "ok",
        "job.run.build": "ok",
        "job.run.dns": "ok",
        "job.run.gitlab": "error",
        "job.run.cleanup": "ok",
    }
    assert os.listdir(host.state_dir / "jobs") == []


def test_a_throw_away_job_without_a_shell(host: DoctorHost) -> None:
    host.change('image = "debian:12"', 'image = "virida-executor/test-noshell"')

    wrong = host.wrong("job", "--job")

    assert "error" in (wrong.get("job.run.prepare"), wrong.get("job.run.build")), wrong
    assert "job.run.cleanup" not in wrong


def test_secrets_stay_secret(host: DoctorHost) -> None:
    host.change("NPM_CONFIG_FUND=false", "DEPLOY_TOKEN=deploysecret99")
    for words in (("--json",), ("--report",), ("--verbose",)):
        ended = host.call(*words, CLEVER_TOKEN="cleversecret99", HTTPS_PROXY="http://u:proxysecret99@127.0.0.1:9")
        said = ended.stdout + ended.stderr
        assert not [word for word in ("doctorsecret", "deploysecret", "cleversecret", "proxysecret") if word in said]


def test_a_report_names_nobody(host: DoctorHost, gitlab: GitLab) -> None:
    gitlab.close()
    host.change('name = "virida-gitlab-runner"', 'name = "runner-of-ada"')

    said = host.call("--report").stdout

    assert said.startswith("```\nvirida-executor doctor report\n")
    assert "network.gitlab.reachable" in said
    words = said.replace("(", " ").replace(")", " ").split()
    assert socket.gethostname() not in words
    assert "runner-of-ada" not in said


def _with_environment(text: str, entry: str) -> str:
    lines = [line for line in text.splitlines() if not line.strip().startswith("environment =")]
    index = lines.index('  executor = "custom"')
    return "\n".join([*lines[:index], f"  environment = [{json.dumps(entry)}]", *lines[index:], ""])


class _Service:
    """The real `gitlab-runner run` with these settings, as another account."""

    def __init__(self, host: DoctorHost, uid: int, **environment: str) -> None:
        self._host, self._uid = host, uid
        self._environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(host.folder), **environment}

    def __enter__(self) -> int:
        os.chown(self._host.config, self._uid, self._uid)
        runner = shutil.which("gitlab-runner")
        assert runner
        self._process = subprocess.Popen(
            [runner, "run", "--config", str(self._host.config), "--working-directory", "/tmp"],
            user=self._uid,
            group=self._uid,
            extra_groups=[],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        assert self._process.poll() is None
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


class _TlsServer:
    """A server on the loopback whose certificate it has made itself; gives its port."""

    def __init__(self, folder: Path) -> None:
        self._certificate = folder / "server.pem"
        command = (
            "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
        )
        files = ["-keyout", str(self._certificate), "-out", str(folder / "certificate.pem")]
        subprocess.run([*command.split(), *files], check=True, capture_output=True)
        with self._certificate.open("ab") as file:
            file.write((folder / "certificate.pem").read_bytes())

    def __enter__(self) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return int(self._server.server_address[1])

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _image_archive(name: str, architecture: str) -> bytes:
    """What `docker save` would give of an image without content."""
    layer = _tar({})
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "layer.tar": layer,
            "config.json": json.dumps(config).encode(),
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
