"""The job's network, begun early and finished in time."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from executor.engine.client import Engine, EngineError
from executor.errors import OperatorError
from executor.plan.model import NetworkPlan
from executor.sandbox.network import ensure, make_early
from tests.unit.engine.fake_server import answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Serve

NETWORK = NetworkPlan(name="net", labels={"l": "1"})


def test_one_that_was_begun_early_is_waited_for_and_not_made_again(serve: Serve, tmp_path: Path) -> None:
    server = serve(answer(201, {"Id": "n"}))
    make_early(Engine(server.endpoint), NETWORK, str(tmp_path))

    ensure(Engine(server.endpoint), NETWORK, str(tmp_path))

    assert [request.split(b" ")[1] for request in server.requests] == [b"/networks/create"]


def test_one_that_nobody_began_is_made(serve: Serve, tmp_path: Path) -> None:
    server = serve(answer(201, {"Id": "n"}))

    ensure(Engine(server.endpoint), NETWORK, str(tmp_path))
    ensure(Engine(server.endpoint), NETWORK, str(tmp_path))

    assert len(server.requests) == 1


def test_one_that_failed_early_is_tried_again_and_then_told(serve: Serve, tmp_path: Path) -> None:
    refusal = answer(500, {"message": "plugin not found"})
    server = serve(refusal, refusal)
    make_early(Engine(server.endpoint), NETWORK, str(tmp_path))

    with pytest.raises(EngineError, match="plugin not found"):
        ensure(Engine(server.endpoint), NETWORK, str(tmp_path))
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "message",
    [
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        "all predefined address pools have been fully subnetted",
    ],
)
def test_no_addresses_are_told_with_what_helps(serve: Serve, tmp_path: Path, message: str) -> None:
    with pytest.raises(OperatorError, match="NO NETWORK LEFT") as caught:
        ensure(Engine(serve(answer(403, {"message": message})).endpoint), NETWORK, str(tmp_path))

    assert message in caught.value.what
    assert "docker network prune" in caught.value.fix
    assert "default-address-pools" in caught.value.fix


def test_one_that_the_engine_has_already_is_taken(serve: Serve, tmp_path: Path) -> None:
    """The early attempt was cut off between the Engine's answer and its own note of it."""
    ensure(Engine(serve(answer(409, {"message": "already exists"})).endpoint), NETWORK, str(tmp_path))

    assert "network.made" in os.listdir(tmp_path)


def test_beginning_early_takes_no_time(serve: Serve, tmp_path: Path) -> None:
    server = serve(None)
    began = time.monotonic()
    make_early(Engine(server.endpoint), NETWORK, str(tmp_path))

    assert time.monotonic() - began < 1
