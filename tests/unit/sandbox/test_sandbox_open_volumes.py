"""The line that opens volumes of the driver's making."""

from __future__ import annotations

import shlex

from executor.plan.model import Mount
from executor.sandbox.open_volumes import opening_command


def made(target: str, mode: str = "rw") -> Mount:
    return Mount(source="v", target=target, mode=mode, volume=True, labels={"a": "b"})


def test_volumes_of_the_drivers_making_are_opened_whatever_their_path() -> None:
    targets = ["/kept", "/it's", "/a b", "/$(touch x)", "/`x`;x", '/"', "/\\"]

    words = shlex.split(opening_command(made(target) for target in targets))

    assert words == ["chmod", "0777", *targets, "2>/dev/null"]


def test_what_is_the_operators_or_read_only_stays_as_it_is() -> None:
    assert opening_command([Mount(source="/host", target="/data"), made("/kept", "ro"), made("/kept", "ro,z")]) == ""
