"""What this host is, in a few words: for the headline, and for whoever reads a report."""

from __future__ import annotations

import os
import platform
import re
from typing import TYPE_CHECKING, Any

from executor import __version__
from executor.doctor.model import Skip
from executor.errors import ExecutorError

if TYPE_CHECKING:
    from executor.doctor.scene import Scene


def facts_of(scene: Scene) -> dict[str, str]:
    """Names and versions; "" for what cannot be told. To be called after the checks: nothing is asked twice."""
    info, version = _engine(scene)
    return {
        "virida_executor": __version__,
        "host": os.uname().nodename,
        "system": _system(scene),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "python": platform.python_version(),
        "gitlab_runner": scene.runner_version,
        "docker": str(version.get("Version") or ""),
        "docker_api": str(version.get("ApiVersion") or ""),
        "cgroup": f"v{info.get('CgroupVersion') or 1}" if info else "",
        "storage_driver": str(info.get("Driver") or ""),
        "config": scene.config,
        "account": scene.account.name,
        "uid": str(scene.account.uid),
    }


def headline(facts: dict[str, str], *, unicode: bool) -> str:
    """All of it that a person wants to see, on one line."""
    runner = f"gitlab-runner {facts['gitlab_runner']}" if facts["gitlab_runner"] else "no gitlab-runner"
    docker = (
        f"Docker {facts['docker']} (cgroup {facts['cgroup']}, {facts['storage_driver']})"
        if facts["docker"]
        else "no answer from Docker"
    )
    parts = [
        f"virida-executor {facts['virida_executor']} on {facts['host']}",
        runner,
        docker,
        f"as {facts['account']} (uid {facts['uid']})",
    ]
    return (" · " if unicode else " | ").join(parts)


def _engine(scene: Scene) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return scene.info, scene.version
    except (Skip, ExecutorError):
        return {}, {}


def _system(scene: Scene) -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', scene.world.read("/etc/os-release"), re.MULTILINE)
    return found[1] if found else ""
