"""Git repositories for jobs, and git over HTTP."""

from __future__ import annotations

import base64
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from email.message import Message
    from pathlib import Path

# The same content gives the same commit, wherever and whenever it is made.
_IDENTITY = {
    "GIT_AUTHOR_NAME": "demo",
    "GIT_AUTHOR_EMAIL": "demo@example.invalid",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "demo",
    "GIT_COMMITTER_EMAIL": "demo@example.invalid",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder`; return what it printed."""
    environment = {**os.environ, **_IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ALLOW_PROTOCOL": "file:http:https"}
    return subprocess.check_output(["git", *arguments], cwd=folder, env=environment, text=True).strip()


def make_repository(root: Path, project: str, files: dict[str, str], submodules: dict[str, str] | None = None) -> str:
    """A bare repository `root/project.git` with one commit on `main`; return its hash.

    `submodules` maps a path to another project of `root`.
    """
    work = root / f"{project}.work"
    work.mkdir(parents=True)
    git(work, "init", "-q", "-b", "main")
    for name, content in files.items():
        (work / name).write_text(content)
    for path, other in (submodules or {}).items():
        git(work, "submodule", "--quiet", "add", str(root / f"{other}.git"), path)
        url = os.path.relpath(f"/{other}.git", f"/{project}.git")
        git(work, "config", "-f", ".gitmodules", f"submodule.{path}.url", url)
    git(work, "add", "--all")
    git(work, "commit", "-q", "-m", "demo")
    git(root, "clone", "-q", "--bare", str(work), str(root / f"{project}.git"))
    return git(work, "rev-parse", "HEAD")


def add_commit(root: Path, project: str, files: dict[str, str]) -> str:
    """One more commit on `main`; return its hash."""
    work = root / f"{project}.work"
    for name, content in files.items():
        (work / name).write_text(content)
    git(work, "add", "--all")
    git(work, "commit", "-q", "-m", "more")
    git(work, "push", "-q", str(root / f"{project}.git"), "main")
    return git(work, "rev-parse", "HEAD")


def git_http_backend(
    root: Path,
    path: str,
    method: str,
    target: str,
    headers: Message,
    body: bytes,
    passwords: Collection[str],
) -> Answer:
    """One request to `git http-backend`, refused without one of `passwords`. `target` is path and query."""
    if _password(headers.get("Authorization", "")) not in passwords:
        return Answer(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
    environment = {
        **os.environ,
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "PATH_INFO": path,
        "QUERY_STRING": target.partition("?")[2],
        "REQUEST_METHOD": method,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "REMOTE_USER": "job",
        "REMOTE_ADDR": "127.0.0.1",
    }
    output = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
    return _parse_cgi(output)


def _password(authorization: str) -> str:
    kind, _, credentials = authorization.partition(" ")
    return base64.b64decode(credentials).decode().partition(":")[2] if kind == "Basic" else ""


def _parse_cgi(output: bytes) -> Answer:
    head, _, body = output.partition(b"\r\n\r\n")
    fields = [line.partition(": ")[::2] for line in head.decode().splitlines()]
    status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
    return Answer(status, [(name, value) for name, value in fields if name != "Status"], body)
