"""Where an installed driver lies on a host, or below the folder that stands for one."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from executor.errors import OperatorError


@dataclass(frozen=True)
class Places:
    """Absolute paths. `root` is "/", or a folder that all is to lie in: all paths, also in files, begin with it."""

    root: str

    def at(self, path: str) -> str:
        """Where an absolute path lies below the root."""
        return os.path.join(os.path.abspath(self.root), path.lstrip("/"))

    @property
    def start_script(self) -> str:
        """What `[runners.custom]` names, and what people call."""
        return self.at("/usr/local/bin/executor")

    @property
    def config(self) -> str:
        """gitlab-runner's own file, which `executor install` does not touch."""
        return self.at("/etc/gitlab-runner/config.toml")

    @property
    def settings(self) -> str:
        """The driver's own file beside it."""
        return self.at("/etc/gitlab-runner/executor.toml")

    @property
    def state_dir(self) -> str:
        """What the driver remembers of jobs."""
        return self.at("/var/lib/virida-executor")

    @property
    def manifest(self) -> str:
        """What was installed: in a folder of root's, for `executor uninstall` removes what it names."""
        return self.at("/usr/local/lib/virida-executor/manifest.json")


def running_launcher() -> str:
    """The program of the Python environment that this very process was started from."""
    return os.path.realpath(sys.argv[0])


def python_beside(launcher: str) -> str:
    """The interpreter of the launcher's environment. OperatorError where it is in none."""
    python = os.path.join(os.path.dirname(launcher), "python3")
    if os.path.basename(launcher) != "executor" or not os.access(python, os.X_OK):
        raise OperatorError(
            "this is no installed driver: there is no python3 beside the program that runs.",
            fix="Call .venv/bin/executor, as pip installed it.",
        )
    return python
