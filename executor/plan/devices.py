"""Grammars of `devices`, `gpus` and `ulimit`, into the Engine API's words. All raise ValueError with the reason."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALL_GPUS = -1


def device(text: str) -> dict[str, str]:
    """`host[:container[:rwm]]`."""
    host, _, rest = text.partition(":")
    inside, _, permissions = rest.partition(":")
    if not host.startswith("/") or not set(permissions) <= set("rwm"):
        raise ValueError(f"{text!r} is not of the form /dev/host:/dev/container:rwm")
    return {"PathOnHost": host, "PathInContainer": inside or host, "CgroupPermissions": permissions or "rwm"}


def device_requests(text: str) -> list[dict[str, Any]]:
    """`--gpus` of the docker command: `all`, a count, or `"device=0,1",capabilities=utility`."""
    if not text:
        return []
    request: dict[str, Any] = {"Driver": "", "Count": 0, "Capabilities": [["gpu"]], "Options": {}}
    for field in _fields(text):
        key, equals, value = field.partition("=")
        _add_gpu_field(request, key if equals else "count", value if equals else field)
    if not request["Count"] and "DeviceIDs" not in request:
        request["Count"] = 1
    return [request]


def _fields(text: str) -> list[str]:
    """Comma-separated values, where quotes keep commas."""
    import csv

    return next(csv.reader([text]))


def _add_gpu_field(request: dict[str, Any], key: str, value: str) -> None:
    if key == "count":
        request["Count"] = ALL_GPUS if value == "all" else _number(value, "number of GPUs")
    elif key == "device":
        request["DeviceIDs"] = value.split(",")
    elif key == "driver":
        request["Driver"] = value
    elif key == "capabilities":
        request["Capabilities"] = [[*value.split(","), "gpu"]]
    elif key == "options":
        request["Options"] = dict(option.partition("=")[::2] for option in _fields(value))
    else:
        raise ValueError(f"{key!r} is not a word of --gpus")


def ulimit(name: str, text: str) -> dict[str, str | int]:
    """`soft[:hard]`; -1 is no limit."""
    soft, colon, hard = text.partition(":")
    low = _number(soft, f"soft limit of {name}")
    return {"Name": name, "Soft": low, "Hard": _number(hard, f"hard limit of {name}") if colon else low}


def _number(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a {what}") from None
