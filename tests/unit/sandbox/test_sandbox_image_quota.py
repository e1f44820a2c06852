"""The quota of pulled images: what goes, what stays whatever the quota says."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from executor.engine.client import EngineError
from executor.sandbox.image_quota import keep_within
from executor.sandbox.image_uses import ImageUses
from tests.unit.sandbox.fakes import FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0


class Host:
    """An Engine with images of 100 bytes, 60 of which each shares with others."""

    def __init__(self, state: Path) -> None:
        self.state = str(state)
        self.engine = FakeEngine()
        self.listed: list[dict[str, Any]] = []
        self.engine.answers = {"/images/json?shared-size=1": self.listed}

    def image(self, digest: str, hours_ago: float | None, **facts: Any) -> None:
        """An image that a job had pulled and last used so long ago; None for one that nobody pulled here."""
        self.listed.append({"Id": f"sha256:{digest}", "Size": 100, "SharedSize": 60} | facts)
        if hours_ago is not None:
            ImageUses(self.state).note_pull(f"sha256:{digest}", f"name:{digest}")
            then = time.time() - hours_ago * HOUR
            os.utime(f"{self.state}/images/{digest}", (then, then))

    def left_within(self, quota: int) -> list[str]:
        """Digests of the pulled images that the quota leaves."""
        gone = keep_within(quota, self.engine.as_engine(), self.state)
        assert [call[1] for call in self.engine.calls if call[0] == "DELETE"] == [f"/images/{image}" for image in gone]
        return sorted(image.removeprefix("sha256:") for image in ImageUses(self.state).images())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_ones_used_least_recently_go_first_and_no_more_than_needed(host: Host) -> None:
    for digest, hours in (("aa", 4), ("bb", 9), ("cc", 2), ("dd", 5)):
        host.image(digest, hours)

    assert host.left_within(80) == ["aa", "cc"]


def test_within_the_quota_nothing_goes(host: Host) -> None:
    host.image("aa", 400)

    assert host.left_within(40) == ["aa"]


def test_an_image_that_no_job_had_pulled_neither_counts_nor_goes(host: Host) -> None:
    host.image("aa", None)
    host.image("bb", 5)

    assert host.left_within(40) == ["bb"]
    assert host.left_within(0) == []


def test_an_image_of_the_last_hour_stays(host: Host) -> None:
    """A job that has looked it up may be about to make a container of it."""
    host.image("aa", 0.5)
    host.image("bb", 5)

    assert host.left_within(0) == ["aa"]


def test_an_image_that_the_engine_does_not_give_up_stays_and_others_go(host: Host) -> None:
    host.image("aa", 9)
    host.image("bb", 5)
    host.engine.answers["/images/sha256:aa"] = EngineError(409, "image is being used by running container")
    keep_within(0, host.engine.as_engine(), host.state)

    assert list(ImageUses(host.state).images()) == ["sha256:aa"]


def test_an_engine_that_knows_of_no_shared_layers_counts_them(host: Host) -> None:
    host.image("aa", 5, SharedSize=-1)

    assert host.left_within(99) == []


def test_the_note_of_an_image_that_is_gone_goes_too(host: Host) -> None:
    ImageUses(host.state).note_pull("sha256:ee", "name:ee")

    assert host.left_within(1000) == []


def test_without_notes_the_engine_is_not_asked(host: Host) -> None:
    host.image("aa", None)

    assert host.left_within(0) == []
    assert host.engine.calls == []


def test_a_disk_that_takes_no_note_is_no_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    uses = ImageUses(str(blocked))
    uses.note_pull("sha256:aa", "name")
    uses.note_use("sha256:aa")

    assert list(uses.images()) == []
