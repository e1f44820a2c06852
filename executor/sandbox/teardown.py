"""Taking a job's sandbox away: containers, volumes, network, folders, found by the job's own label.

Nothing here trusts the state file: a job that was killed while it prepared has things that no state names.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from executor.engine.client import Engine, EngineError
from executor.engine.endpoint import Endpoint
from executor.errors import SystemFailure
from executor.plan.naming import JOB_LABEL, STATE_LABEL
from executor.sandbox.folders import release
from executor.sandbox.mounted import take_caches_apart
from executor.sandbox.removal import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.engine.client import Answer


# A `prepare` that was cut off may have asked the Engine for things that come into being only now.
LATECOMER_SECONDS = 3.0
NETWORK_PAUSES = (0.1, 0.3, 1.0)


def remove_job(engine: Engine, job_folder: str, facts: dict[str, Any]) -> None:
    """Remove everything of one job. May run several times, at once with others, with half of it gone already."""
    label = f"{JOB_LABEL}={os.path.basename(job_folder)}"
    _remove_from_engine(engine, job_folder, facts, label)
    if not facts.get("prepared"):
        time.sleep(LATECOMER_SECONDS)
        _remove_from_engine(engine, job_folder, facts, label)
    passing = _passing_folders(job_folder, facts)
    for folder in passing:
        take_caches_apart(folder, kept=False)
    if facts.get("cache_store"):
        _release_layers(str(facts["cache_store"]), job_folder)
    for folder in (*passing, job_folder):
        remove_tree(folder, engine, str(facts.get("helper_image", "")), _labels(job_folder))


def _passing_folders(job_folder: str, facts: dict[str, Any]) -> list[str]:
    """The folders of sources that go with the job; where no state tells, those of its name in the usual place."""
    if "throw_away" in facts:
        return [facts["throw_away"]] if facts["throw_away"] else []
    from glob import escape, glob

    jobs, key = os.path.split(job_folder)
    return glob(f"{escape(os.path.dirname(jobs))}/builds/*/*/job-{escape(key)}")


def _remove_from_engine(engine: Engine, job_folder: str, facts: dict[str, Any], label: str) -> None:
    containers = _ids(engine.labelled("containers", label))
    _settle(engine.kill_container(container) for container in containers)
    if not _running(engine, label):
        _free_sources(facts, job_folder)
    _settle(engine.remove_container(container, volumes=not facts.get("volume_keep")) for container in containers)
    if alive := _running(engine, label):
        raise SystemFailure(f"The Docker Engine does not end the container {alive[0]}.", fix="docker rm -f CONTAINER")
    _settle(engine.remove_volume(name) for name in _temporary_volumes(engine, label))
    for network in _ids(engine.labelled("networks", label)):
        _remove_network(engine, network)


def _running(engine: Engine, label: str) -> list[str]:
    """Containers of the job that may still write in its folders, whatever they were asked."""
    return [str(thing["Id"]) for thing in engine.labelled("containers", label).value() if thing["State"] == "running"]


def _release_layers(store: str, job_folder: str) -> None:
    from executor.cache.jobs.ending import release_lease

    release_lease(store, os.path.basename(job_folder))


def engine_in(facts: dict[str, Any]) -> Engine:
    """The Engine that made the job's things; the default one where the state does not say."""
    from executor.sandbox.workplace import engine_of
    from executor.settings.model import DockerSettings

    if facts.get("engine"):
        return engine_of(facts)
    from executor.engine.endpoint import find_endpoint

    endpoint: Endpoint = find_endpoint(DockerSettings())
    return Engine(endpoint)


def _labels(job_folder: str) -> dict[str, str]:
    """What tells whose a container is that only helps to remove: we may be killed before it is gone."""
    return {JOB_LABEL: os.path.basename(job_folder), STATE_LABEL: job_folder}


def _free_sources(facts: dict[str, Any], job_folder: str) -> None:
    """Nothing of the job writes any more: the slot's next job may have the kept folder."""
    if facts.get("owner_file"):
        release(str(facts["owner_file"]), job_folder, str((facts.get("job") or {}).get("project", "")))


def _remove_network(engine: Engine, network: str) -> None:
    """Remove a network. What somebody else attached to it is not ours: it only loses this network."""
    try:
        attached = engine.ask("GET", f"/networks/{network}").value().get("Containers") or {}
    except EngineError:
        return
    _settle(engine.disconnect(network, container) for container in attached)
    _remove_quiet_network(engine, network)


def _remove_quiet_network(engine: Engine, network: str) -> None:
    """Remove a network that nobody should use any more; the Engine may need a moment to see that.

    One that stays is told: its job's folder has to stay with it, or nobody finds it.
    """
    for pause in NETWORK_PAUSES:
        try:
            engine.remove_network(network).value()
            return
        except EngineError as error:
            if error.status == 404:
                return
            time.sleep(pause)
    engine.remove_network(network).value()


def _temporary_volumes(engine: Engine, label: str) -> list[str]:
    return [str(volume["Name"]) for volume in engine.labelled("volumes", label).value().get("Volumes") or []]


def _ids(answer: Answer) -> list[str]:
    return [str(thing["Id"]) for thing in answer.value() or []]


def _settle(answers: Iterable[Answer]) -> None:
    """Wait for all of them, which were asked at once."""
    for answer in list(answers):
        answer.settle()
