"""What the tests of several rooms share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.engine.fake_server import FakeServer, Halting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Serve = Callable[..., FakeServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A function that starts a server that plays the Engine, with the answers it is to give, one a connection."""
    servers: list[FakeServer] = []

    def start(*answers: bytes | Halting | None) -> FakeServer:
        servers.append(FakeServer(tmp_path / f"{len(servers)}.sock", list(answers)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
