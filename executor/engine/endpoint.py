"""Where the Engine listens, and what to say when it does not."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.errors import OperatorError, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.settings.model import DockerSettings

DEFAULT_HOST = "unix:///var/run/docker.sock"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address of the Engine: `unix://PATH` or `tcp://HOST:PORT`, with TLS where `certificates` names a folder."""

    host: str
    certificates: str = ""
    verify: bool = False

    @property
    def local(self) -> bool:
        """Whether the Engine shares this host's file system."""
        return self.host.startswith("unix://")

    def connect(self, seconds: float | None) -> socket.socket:
        """A fresh connection; every failure says what is wrong with this host."""
        try:
            return self._connect_unix(seconds) if self.local else self._connect_tcp(seconds)
        except FileNotFoundError:
            raise self._absent() from None
        except ConnectionRefusedError:
            raise self._refused() from None
        except PermissionError:
            raise self._forbidden() from None
        except OSError as error:
            raise SystemFailure(f"Cannot reach the Docker Engine at {self.host}: {error}.") from None

    def _connect_unix(self, seconds: float | None) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(seconds)
        try:
            connection.connect(self.host.removeprefix("unix://"))
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_tcp(self, seconds: float | None) -> socket.socket:
        scheme, _, rest = self.host.partition("://")
        name, _, port = rest.rstrip("/").rpartition(":")
        if scheme not in ("tcp", "http", "https") or not name or not port.isdigit():
            raise self._no_address()
        connection = socket.create_connection((name.strip("[]"), int(port)), timeout=10)
        connection.settimeout(seconds)
        return self._secured(connection, name) if self.certificates or self.verify else connection

    def _secured(self, connection: socket.socket, name: str) -> socket.socket:
        """The connection under TLS. What is wrong with the certificates is not wrong with the Engine."""
        import ssl

        try:
            return self._wrap(connection, name)
        except (FileNotFoundError, PermissionError, ssl.SSLError) as error:
            connection.close()
            raise self._untrusted(error) from None

    def _wrap(self, connection: socket.socket, name: str) -> socket.socket:
        import ssl

        folder = self.certificates
        context = ssl.create_default_context(cafile=f"{folder}/ca.pem" if folder else None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if folder:
            context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
        return context.wrap_socket(connection, server_hostname=name)

    def _no_address(self) -> OperatorError:
        return OperatorError(
            f"{self.host} is no address of a Docker Engine that this driver knows.",
            cause="It can be unix:///PATH or tcp://HOST:PORT.",
            fix="Correct `host` under [runners.docker], or DOCKER_HOST of gitlab-runner.",
        )

    def _untrusted(self, error: OSError) -> OperatorError:
        return OperatorError(
            f"TLS to the Docker Engine at {self.host} fails with the certificates of "
            f"{self.certificates or 'this host'}: {error.strerror or error}.",
            cause="ca.pem, cert.pem or key.pem is missing, closed to this account, or not what the Engine expects.",
            fix="Check `tls_cert_path` under [runners.docker], or DOCKER_CERT_PATH of gitlab-runner.",
        )

    def _absent(self) -> SystemFailure:
        return SystemFailure(
            f"There is no Docker Engine at {self.host}.",
            cause="It is not installed or not started.",
            fix="Start it with `systemctl start docker`, then `docker info`.",
        )

    def _refused(self) -> SystemFailure:
        return SystemFailure(
            f"The Docker Engine at {self.host} refuses connections.",
            cause="It is stopped or starting.",
            fix="See `systemctl status docker`.",
        )

    def _forbidden(self) -> OperatorError:
        user = _user_name()
        return OperatorError(
            f"{user} may not open the Docker socket {self.host.removeprefix('unix://')}.",
            cause="The account that runs gitlab-runner is not in the socket's group.",
            fix=f"Run `usermod -aG docker {user}` and restart gitlab-runner.",
        )


def find_endpoint(docker: DockerSettings, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """The Engine of `[runners.docker]`; the DOCKER_* variables of the runner count only where `host` is empty."""
    if docker.host:
        return Endpoint(host=docker.host, certificates=docker.tls_cert_path, verify=docker.tls_verify)
    return Endpoint(
        host=environ.get("DOCKER_HOST") or DEFAULT_HOST,
        certificates=environ.get("DOCKER_CERT_PATH", ""),
        verify=bool(environ.get("DOCKER_TLS_VERIFY")),
    )


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
