"""Where the Engine is, and what is said when it is not there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from executor.engine.client import Engine
from executor.engine.endpoint import DEFAULT_HOST, Endpoint, find_endpoint
from executor.errors import ExecutorError, OperatorError, SystemFailure
from executor.settings.model import DockerSettings
from tests.unit.engine.fake_server import answer

if TYPE_CHECKING:
    from pathlib import Path


def failure(host: str, **options: str) -> ExecutorError:
    with pytest.raises(ExecutorError) as caught:
        Engine(Endpoint(host=host, **options)).ask("GET", "/_ping", seconds=2)  # type: ignore[arg-type]
    return caught.value


def test_no_socket(tmp_path: Path) -> None:
    error = failure(f"unix://{tmp_path}/docker.sock")

    assert isinstance(error, SystemFailure)
    assert error.what == f"There is no Docker Engine at unix://{tmp_path}/docker.sock."
    assert "systemctl start docker" in error.fix


def test_a_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    path = str(tmp_path / "docker.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)

    error = failure(f"unix://{path}")

    assert isinstance(error, SystemFailure)
    assert error.what == f"The Docker Engine at unix://{path} refuses connections."
    assert "systemctl status docker" in error.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_socket_of_others(tmp_path: Path) -> None:
    """Another user than root, in a process of its own."""
    path = f"/tmp/virida-test-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        os.chmod(path, 0o600)
        listening.listen()
        program = f"""
import os, pwd
from executor.engine.endpoint import Endpoint
from executor.errors import OperatorError
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try: Endpoint(host={f"unix://{path}"!r}).connect(1)
except OperatorError as error: print(error.one_line())
"""
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    os.unlink(path)

    assert told.stderr == ""
    assert told.stdout == (
        f"nobody may not open the Docker socket {path}. The account that runs gitlab-runner is not in the socket's "
        "group. Run `usermod -aG docker nobody` and restart gitlab-runner.\n"
    )


def test_a_host_that_is_no_address() -> None:
    for host in ("tcp://nowhere", "tcp://127.0.0.1:port", "npipe://x", "docker"):
        error = failure(host)
        assert isinstance(error, OperatorError), host
        assert host in error.what
        assert "DOCKER_HOST" in error.fix


def test_a_name_that_does_not_exist() -> None:
    error = failure("tcp://docker.invalid:2375")

    assert isinstance(error, SystemFailure)
    assert error.what.startswith("Cannot reach the Docker Engine at tcp://docker.invalid:2375: ")


def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    """A missing file of the certificates is not a missing Engine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        error = failure(f"tcp://127.0.0.1:{listening.getsockname()[1]}", certificates=str(tmp_path))

    assert isinstance(error, OperatorError)
    assert str(tmp_path) in error.what
    assert "certificates" in error.what


def test_tcp() -> None:
    """The Engine over TCP answers as over its socket, and is not on this host."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            connection.recv(65536)
            connection.sendall(answer(200, "pong"))
            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        endpoint = Endpoint(host=f"tcp://127.0.0.1:{listening.getsockname()[1]}/")

        assert Engine(endpoint).ask("GET", "/_ping").value() == "pong"
        assert not endpoint.local
        thread.join(5)


def test_tcp_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"tcp://127.0.0.1:{free.getsockname()[1]}"

    assert failure(host).what == f"The Docker Engine at {host} refuses connections."


def test_the_settings_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    assert find_endpoint(DockerSettings()) == Endpoint(host=DEFAULT_HOST)

    monkeypatch.setenv("DOCKER_HOST", "tcp://there:2376")
    monkeypatch.setenv("DOCKER_CERT_PATH", "/certificates")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert find_endpoint(DockerSettings()) == Endpoint(
        host="tcp://there:2376", certificates="/certificates", verify=True
    )
    assert find_endpoint(DockerSettings(host="unix:///x.sock")) == Endpoint(host="unix:///x.sock")


def test_an_empty_docker_host_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "")
    assert find_endpoint(DockerSettings()).host == DEFAULT_HOST
