"""The scene of this very host."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from executor.doctor.account import find_account, read_unit
from executor.doctor.processes import runner_processes
from executor.doctor.scene import Scene
from executor.doctor.witness import Witness
from executor.doctor.world import World
from executor.settings.load import SYSTEM_FOLDER, USER_FOLDER

if TYPE_CHECKING:
    from executor.doctor.processes import Process


def this_host(config: str | None, runner: str | None) -> Scene:
    """The scene for the config.toml that is given, else the runner's usual ones, else that of a running runner.

    Forks: to be called before any thread is started.
    """
    processes = runner_processes()
    path = os.path.abspath(config) if config else _usual_config(processes)
    process = next((one for one in processes if os.path.realpath(one.config) == os.path.realpath(path)), None)
    account = find_account(process, read_unit(), path)
    return Scene(World(account, Witness(account), _open_more_files()), path, runner, process=process)


def _open_more_files() -> int:
    """How many files we might open; all checks at once need some more than little."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 0 if soft == resource.RLIM_INFINITY else soft


def _usual_config(processes: list[Process]) -> str:
    usual = (f"{SYSTEM_FOLDER}/config.toml", os.path.expanduser(f"{USER_FOLDER}/config.toml"))
    running = [process.config for process in processes]
    found = (path for path in usual if os.path.lexists(path))
    return next(found, running[0] if len(running) == 1 else usual[0])
