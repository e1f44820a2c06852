"""Whatever stands in config.toml, and whatever the Engine or GitLab say: no check crashes over it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from executor.doctor.catalogue import chosen
from executor.doctor.examine import verdict_of
from tests.unit.doctor.host import CASES, Host, read_case

if TYPE_CHECKING:
    from pathlib import Path

    from executor.doctor.scene import Scene

NONSENSE = ("7", "true", '"word"', "[]", "[1, {}]", "{}", "-1", '""')
KEYS = sorted(set(re.findall(r"^\s*(\w+) = ", (CASES / "config.toml").read_text(), re.MULTILINE)))
ANSWERS = sorted(read_case("healthy.toml")["engine"])


def crashed(scene: Scene) -> list[str]:
    """What went wrong in checks themselves."""
    verdicts = ((check.id, verdict_of(scene, check)) for check in chosen([]))
    return [f"{id}: {verdict.found}" for id, verdict in verdicts if verdict.status == "crashed"]


@pytest.mark.parametrize("key", KEYS)
def test_any_value_in_config_toml(key: str, tmp_path: Path) -> None:
    host = Host(tmp_path)
    text = host.config.read_text()
    for value in NONSENSE:
        host.config.write_text(re.sub(rf"^(\s*){key} = .*$", rf"\g<1>{key} = {value}", text, flags=re.MULTILINE))
        assert crashed(host.scene()) == [], value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "runners = 7",
        "runners = [7]",
        "[runners]\nname = 'x'",
        "[[runners]]",
        "[[runners]]\nexecutor = 'custom'",
        "[[runners]]\nexecutor = 'custom'\ncustom = 7\ndocker = 7\ncache = 7",
        "[[runners]]\nexecutor = 'custom'\n[runners.cache]\nType = 's3'\ns3 = 7",
        "[[runners]]\nexecutor = 'custom'\n[runners.cache]\nType = ['s3']",
        "[[runners]]\nexecutor = 'custom'\nurl = 'http://[::1'\ntoken = 'x'",
        "[[runners]]\nexecutor = 'custom'\nurl = 'http://host:99999'\ntoken = 'x'",
        "\0",
        "a" * 2_000_000,
    ],
)
def test_any_config_toml(text: str, tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.config.write_text(text)

    assert crashed(host.scene()) == []


@pytest.mark.parametrize("answer", [None, [], {}, "text", 7, [{}], {"Config": None}], ids=repr)
@pytest.mark.parametrize("path", ANSWERS)
def test_any_answer_of_the_engine(path: str, answer: Any, tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.facts["engine"][path] = answer

    assert crashed(host.scene()) == []


@pytest.mark.parametrize("body", ["", "null", "[]", "7", "{", "\ufffd", '{"scopes": 7, "expires_at": 7}'])
@pytest.mark.parametrize("status", [200, 204, 302, 401, 404, 500])
def test_any_answer_of_gitlab(status: int, body: str, tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.do([{"path": "{host}/etc/report-token", "write": "glpat-x", "chmod": "600"}])
    (tmp_path / "etc/executor.toml").write_text(
        f'[storage]\nstate_dir = "{tmp_path}/state"\n[report]\ntoken_file = "{tmp_path}/etc/report-token"\n'
    )
    for url in ("https://gitlab.virida.test/api/v4/runners/verify", "https://gitlab.virida.test/"):
        host.facts["web"][url] = {"status": status, "body": body, "headers": {"date": "yesterday"}}

    assert crashed(host.scene()) == []


@pytest.mark.parametrize("text", ["", "\n", "word", "7", "-1 -1 -1", "\0", "a b c d e f g h i j"])
def test_any_text_in_proc(text: str, tmp_path: Path) -> None:
    host = Host(tmp_path)
    for path in host.facts["files"]:
        host.facts["files"][path] = text

    assert crashed(host.scene()) == []
