"""Settings files, good and bad: a folder a case in tests/cases/settings.

`expected.toml` says what to load with (`load`, `environment`), and either the `error` in one line, or the `warnings`
(none by default) and the part of the settings that matters. `hidden` is a text that the error must not show.
"""

from __future__ import annotations

import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from executor.errors import OperatorError
from executor.settings.load import load_settings
from executor.settings.model import DockerSettings, RunnerSettings

CASES = Path(__file__).parents[2] / "cases" / "settings"


def case_names(*, bad: bool) -> list[str]:
    return [folder.name for folder in sorted(CASES.iterdir()) if ("error" in read_expected(folder.name)) is bad]


def read_expected(case: str) -> dict[str, Any]:
    return tomllib.loads((CASES / case / "expected.toml").read_text())


def as_toml(value: Any) -> Any:
    """A setting in the shape that it has in a TOML file."""
    if is_dataclass(value):
        return {field.name: as_toml(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: as_toml(entry) for key, entry in value.items()}
    return [as_toml(entry) for entry in value] if isinstance(value, tuple) else value


def part_of(whole: Any, expected: Any) -> Any:
    """What `whole` has under the keys of `expected`."""
    if isinstance(expected, dict) and isinstance(whole, dict):
        return {key: part_of(whole[key], entry) for key, entry in expected.items()}
    if isinstance(expected, list) and isinstance(whole, list) and len(whole) == len(expected):
        return [part_of(*pair) for pair in zip(whole, expected, strict=True)]
    return whole


@pytest.mark.parametrize("case", case_names(bad=False))
def test_settings(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read_expected(case)
    monkeypatch.chdir(CASES / case)
    for name, value in expected.pop("environment", {}).items():
        monkeypatch.setenv(name, value)

    settings = load_settings(config="config.toml", **expected.pop("load", {}))

    assert list(settings.warnings) == expected.pop("warnings", [])
    assert part_of(as_toml(settings), expected) == expected


@pytest.mark.parametrize("case", case_names(bad=True))
def test_error(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read_expected(case)
    monkeypatch.chdir(CASES / case)

    with pytest.raises(OperatorError) as caught:
        load_settings(config="config.toml", **expected.get("load", {}))

    assert caught.value.one_line() == expected["error"]
    assert expected.get("hidden", "\0") not in caught.value.one_line()


def test_every_docker_key_arrives_as_written() -> None:
    """Also that the case has every key of the model, but for `isolation`, which has no effect."""
    written = tomllib.loads((CASES / "docker-all-keys" / "config.toml").read_text())["runners"][0]["docker"]
    written["services"] = [{"environment": [], **service} for service in written["services"]]

    docker = as_toml(load_settings(config=str(CASES / "docker-all-keys" / "config.toml")).docker)

    assert {field.name for field in fields(DockerSettings)} - written.keys() == {"isolation"}
    assert part_of(docker, written) == written


def test_no_token_is_kept() -> None:
    settings = load_settings(config=str(CASES / "docker-all-keys" / "config.toml"))

    assert "abcdefghijklmnop" not in repr(as_toml(settings))
    assert "token" not in {field.name for field in fields(RunnerSettings)}
