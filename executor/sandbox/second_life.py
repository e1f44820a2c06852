"""Making containers again that vanished: with the very bodies that `prepare` sent, where the job asks for it.

<job>/attempts                  how often a stage may be run
<job>/<role>/container.json     name, platform and body of the container
<job>/made-again                a container was made again: what is mounted in it is not what was mounted in the first
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from executor.plan.model import BUILD, HELPER
from executor.sandbox.state import load, write_private

if TYPE_CHECKING:
    from executor.engine.client import Engine

# The Engine knows a container that is being removed for a moment longer.
REMOVAL_SECONDS = 2.0
MADE_AGAIN = "made-again"
PAUSE_SECONDS = 0.05
LEAVING = ("removing", "dead")


def allow_attempts(folder: str, attempts: int) -> None:
    """Note how often a stage may be run."""
    write_private(f"{folder}/attempts", str(attempts))


def allowed_attempts(folder: str) -> int:
    """How often a stage may be run."""
    with open(f"{folder}/attempts") as file:
        return int(file.read())


def remember_container(folder: str, role: str, name: str, platform: str, body: dict[str, Any]) -> None:
    """Store what a container is made of. There is no secret in it, as there is none in what `docker inspect` shows."""
    write_private(f"{folder}/{role}/container.json", json.dumps({"name": name, "platform": platform, "body": body}))


def make_vanished_again(folder: str) -> bool:
    """Make helper and build container again, whichever is gone, and start them. Whether any was gone.

    The build container lives in the helper's network, so it goes with the helper.
    """
    from executor.sandbox.workplace import engine_of

    engine = engine_of(load(folder))
    gone = [role for role in (HELPER, BUILD) if _is_gone(engine, _remembered(folder, role)["name"])]
    for role in (HELPER, BUILD) if HELPER in gone else gone:
        _make_again(engine, folder, role)
    if gone:
        os.close(os.open(f"{folder}/{MADE_AGAIN}", os.O_WRONLY | os.O_CREAT, 0o600))
    return bool(gone)


def _make_again(engine: Engine, folder: str, role: str) -> None:
    made = _remembered(folder, role)
    engine.remove_container(made["name"]).settle()
    if os.path.exists(f"{folder}/{role}/loop"):
        os.unlink(f"{folder}/{role}/loop")
    engine.create_container(made["name"], made["body"], platform=made["platform"]).value()
    engine.start_container(made["name"]).value()


def _is_gone(engine: Engine, container: str) -> bool:
    from executor.engine.client import EngineError

    deadline = time.monotonic() + REMOVAL_SECONDS
    while time.monotonic() < deadline:
        try:
            state = engine.inspect_container(container).value()["State"]
        except EngineError as error:
            return error.status == 404
        if state["Status"] not in LEAVING:
            return False
        time.sleep(PAUSE_SECONDS)
    return False


def _remembered(folder: str, role: str) -> dict[str, Any]:
    with open(f"{folder}/{role}/container.json") as file:
        found: dict[str, Any] = json.load(file)
    return found
