from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
import wsgi

from virida import validate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "model.json"
    assert validate.main(path) == 0
    monkeypatch.setattr(wsgi, "MODEL", path)
    return path


def call(method: str, path: str, body: bytes = b"") -> tuple[str, object]:
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    parts = wsgi.application(environ, lambda status, headers: statuses.append(status))
    return statuses[0], json.loads(b"".join(parts))


def test_health_tells_whether_there_is_a_model(model_file: Path) -> None:
    assert call("GET", "/health") == ("200 OK", {"model": True})
    model_file.unlink()
    assert call("GET", "/health") == ("200 OK", {"model": False})


@pytest.mark.usefixtures("model_file")
def test_predicts_each_plot() -> None:
    plots = [{"soil_humidity": humidity, "temperature": 22, "light": 0.6} for humidity in (0.1, 0.6)]
    status, answer = call("POST", "/predict", json.dumps(plots).encode())
    assert status == "200 OK"
    assert isinstance(answer, dict)
    assert answer["litres"][0] > answer["litres"][1] > 0


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'[{"temperature": 3}]', b'[{"soil_humidity": "wet"}]'])
def test_a_bad_body_is_the_callers_fault(body: bytes) -> None:
    assert call("POST", "/predict", body)[0] == "400 Bad Request"


def test_any_other_path_is_not_found() -> None:
    assert call("GET", "/predict")[0] == "404 Not Found"
