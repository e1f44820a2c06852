"""The service: `gunicorn wsgi:application`. GET /health; POST /predict with a JSON list of measurements."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from virida.model import FEATURES, WaterModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MODEL = Path(os.environ.get("MODEL_FILE", Path(__file__).parent / "model.json"))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI entry point."""
    status, answer = respond(environ)
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def respond(environ: dict[str, Any]) -> tuple[str, object]:
    """Status line and JSON answer of one request."""
    route = (environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/"))
    if route == ("GET", "/health"):
        return "200 OK", {"model": MODEL.is_file()}
    if route == ("POST", "/predict"):
        return predict(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    return "404 Not Found", {"error": "no such path"}


def predict(body: bytes) -> tuple[str, object]:
    """Litres for each plot of the body, or what is wrong with it."""
    try:
        rows = [[float(plot[feature]) for feature in FEATURES] for plot in json.loads(body)]
    except (ValueError, KeyError, TypeError) as problem:
        return "400 Bad Request", {"error": f"a list of objects with {', '.join(FEATURES)} is needed: {problem}"}
    litres = WaterModel.load(MODEL).predict(np.asarray(rows).reshape(-1, len(FEATURES)))
    return "200 OK", {"litres": litres.round(3).tolist()}
