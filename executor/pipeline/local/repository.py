"""What the repository at hand is: commit, branch, author, origin, and what differs from the commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from executor.errors import UsageError
from executor.pipeline.local.git import GitFailed, ask, git

ZERO_SHA = "0" * 40
LOCAL_HOST = "localhost"


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A commit of a repository and the changes on top of it.

    `tag` names HEAD where it is exactly a tag and no branch is checked out; `branch` is "" then. `server` is the
    address of the origin's host, `project_path` the path on it (the folder's name without an origin).
    `changed` are paths that differ from the commit, deleted and untracked ones included.
    """

    root: Path
    sha: str
    before_sha: str
    branch: str
    tag: str
    default_branch: str
    message: str
    author: str
    timestamp: str
    server: str
    project_path: str
    user_name: str
    user_email: str
    changed: tuple[str, ...]

    @property
    def ref(self) -> str:
        """The branch or tag."""
        return self.tag or self.branch

    @property
    def url(self) -> str:
        """The project's address on its server, without credentials."""
        return f"{self.server}/{self.project_path}"


def find_root(start: Path) -> Path:
    """The top folder of the repository around `start`; UsageError where there is none."""
    try:
        return Path(git(start, "rev-parse", "--show-toplevel").strip())
    except GitFailed as error:
        if "not a git repository" in error.cause:
            raise UsageError(
                f"{start} is not in a git repository.", fix="Run it in one, or `git init` first."
            ) from None
        raise


def read_repository(root: Path) -> Repository:
    """Ask git for everything that jobs are told about the commit; UsageError where there is no commit yet."""
    sha = ask(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not sha:
        raise UsageError(f"{root} has no commit yet.", fix="`git commit` first: jobs run for a commit.")
    author, timestamp, message = git(root, "log", "-1", "--format=%an <%ae>%x00%cI%x00%B").split("\0")
    server, path = parse_origin(ask(root, "config", "--get", "remote.origin.url"), root.name)
    branch = ask(root, "symbolic-ref", "--short", "--quiet", "HEAD")
    tag = "" if branch else ask(root, "describe", "--tags", "--exact-match", "HEAD")
    return Repository(
        root=root,
        sha=sha,
        before_sha=ask(root, "rev-parse", "--verify", "--quiet", "HEAD~1") or ZERO_SHA,
        branch=branch or ("" if tag else "HEAD"),
        tag=tag,
        default_branch=_default_branch(root),
        message=message.strip("\n"),
        author=author,
        timestamp=timestamp,
        server=server,
        project_path=path,
        user_name=ask(root, "config", "user.name"),
        user_email=ask(root, "config", "user.email"),
        changed=tuple(changed_paths(root)),
    )


def changed_paths(root: Path) -> list[str]:
    """Paths that differ from HEAD: changed, deleted, new. Ignored files are not among them.

    A rename is two entries, for both its paths.
    """
    fields = git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames").split("\0")
    return [field[3:] for field in fields if field]


def changed_since(root: Path, base: str | None, default_branch: str) -> list[str]:
    """Paths that `rules:changes` looks at: changed since `base` (else the default branch's fork point, else HEAD~1)."""
    start = base or _fork_point(root, default_branch)
    committed = ask(root, "diff", "--name-only", "-z", start, "HEAD") if start else ask(root, "ls-files", "-z")
    return sorted({*filter(None, committed.split("\0")), *changed_paths(root)})


def parse_origin(url: str, folder: str) -> tuple[str, str]:
    """Server address and project path of a remote's URL (https, ssh or scp-like), with neither user nor password."""
    scp = re.fullmatch(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)", url)
    if scp:
        return f"https://{scp[1]}", _project_path(scp[2], folder)
    parts = urlsplit(url)
    if not parts.hostname:
        return f"https://{LOCAL_HOST}", _project_path(f"local/{folder}", folder)
    port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
    scheme = parts.scheme if parts.scheme == "http" else "https"
    return f"{scheme}://{parts.hostname}{port}", _project_path(parts.path, folder)


def _project_path(path: str, folder: str) -> str:
    """Only what GitLab allows in a project's path: it becomes a folder in the containers."""
    plain = path.strip("/").removesuffix(".git")
    parts = [re.sub(r"[^A-Za-z0-9_.-]", "-", part).strip(".") for part in plain.split("/")]
    return "/".join(part for part in parts if part) or f"local/{folder}"


def _default_branch(root: Path) -> str:
    remote = ask(root, "symbolic-ref", "--short", "--quiet", "refs/remotes/origin/HEAD").removeprefix("origin/")
    known = [remote, "main", "master", ask(root, "config", "init.defaultBranch")]
    present = (name for name in known if name and ask(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}"))
    return remote or next(present, "main")


def _fork_point(root: Path, default_branch: str) -> str:
    for base in (f"origin/{default_branch}", default_branch):
        fork = ask(root, "merge-base", base, "HEAD")
        if fork and fork != ask(root, "rev-parse", "HEAD"):
            return fork
    return ask(root, "rev-parse", "--verify", "--quiet", "HEAD~1")
