"""A registry with a password, on an address that every Docker engine may use without TLS."""

from __future__ import annotations

import base64
import ctypes
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import docker

if TYPE_CHECKING:
    from pathlib import Path

USER = "robot"
PASSWORD = "pa:ss wörd"
BASE = "virida-executor/test-busybox"

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""


def available() -> bool:
    """Whether the program is here: Debian has it as `docker-registry`."""
    return shutil.which("docker-registry") is not None


class Registry:
    """The process, and the images pushed to it. `address` is `localhost:PORT`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.address = f"localhost:{self.port}"
        self._client = docker.from_env()
        folder.mkdir(exist_ok=True)
        (folder / "htpasswd").write_text(f"{USER}:{_hashed(PASSWORD)}\n")
        (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=self.port))
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=self._log, stderr=self._log
        )
        self._wait()

    def push(self, name: str, *, keep: bool = False, **labels: str) -> str:
        """Push an image with `labels` as `name` (`path:tag`); its whole name. It stays on this host if `keep`."""
        whole = f"{self.address}/{name}"
        text = f"FROM {BASE}\n" + "".join(f"LABEL {key}={value}\n" for key, value in labels.items())
        subprocess.run(
            ["docker", "build", "-q", "-t", whole, "-"], input=text.encode(), check=True, capture_output=True
        )
        self._client.api.push(whole, auth_config={"username": USER, "password": PASSWORD})
        if not keep:
            self.forget(whole)
        return whole

    def forget(self, whole: str) -> None:
        """Remove the image from this host, if it is here."""
        subprocess.run(["docker", "image", "rm", whole], capture_output=True)

    def digest(self, name: str) -> str:
        """The digest of `path:tag` as the registry has it."""
        path, _, tag = name.rpartition(":")
        request = urllib.request.Request(
            f"http://{self.address}/v2/{path}/manifests/{tag}",
            method="HEAD",
            headers={
                "Authorization": f"Basic {basic(PASSWORD)}",
                "Accept": "application/vnd.docker.distribution.manifest.v2+json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.headers["Docker-Content-Digest"])

    def requests(self, text: str) -> int:
        """How often the access log holds `text`."""
        return (self.folder / "log").read_text(errors="replace").count(text)

    def stop(self) -> None:
        """End the process and remove what tests pulled."""
        self._process.terminate()
        self._process.wait(10)
        self._log.close()
        for name in self._names_on_this_host():
            self.forget(name)
        self._client.close()

    def _names_on_this_host(self) -> list[str]:
        """Tags and digests of this registry; the images may have names of other tests' registries too."""
        found = self._client.api.images(filters={"reference": f"{self.address}/*/*"})
        names = [name for image in found for name in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]]
        return [name for name in names if name.startswith(self.address) and "<none>" not in name]

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text(errors="replace"))


def basic(password: str, user: str = USER) -> str:
    """`auth` of a Docker configuration."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def auth_config(password: str = PASSWORD, *paths: str, **more: Any) -> str:
    """The text of a Docker configuration that knows `paths`."""
    return json.dumps({"auths": {path: {"auth": basic(password)} for path in paths}, **more})


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _hashed(password: str) -> str:
    """bcrypt, which is all that the registry takes, by the C library: `htpasswd` is not everywhere."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes = library.crypt(password.encode(), b"$2b$04$P41bMuuGlV3d9vnTK.Zum.")
    return hashed.decode()
