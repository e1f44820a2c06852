"""The Engine's calls that a job needs, by Docker's own words.

Paths carry no API version: the Engine answers with its newest, and every field used here is in all since 1.41.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from executor.engine import http
from executor.errors import SystemFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from executor.engine.endpoint import Endpoint

OTHER_PLATFORM = "does not match the specified platform"


class EngineError(SystemFailure):
    """The Engine said no. `status` is HTTP's, `message` the Engine's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"The Docker Engine said: {message}")
        self.status = status
        self.message = message


class Answer:
    """An awaited answer of the Engine."""

    def __init__(self, pending: http.Pending) -> None:
        self._pending = pending

    def value(self) -> Any:
        """The decoded JSON (None where there is no body); `EngineError` for a status of 400 or more.

        `Broken` where the answer does not come whole.
        """
        reply = self._pending.reply()
        body = reply.body()
        if reply.status >= 400:
            raise EngineError(reply.status, _message(body))
        try:
            return json.loads(body) if body else None
        except ValueError:
            raise http.Broken("an answer that is not JSON") from None

    def settle(self) -> None:
        """Wait, and do not mind a refusal: the thing is gone already, or in the state that was asked for."""
        self._pending.reply().body()


class Creation(Answer):
    """The answer to a container's creation, asked for again without a platform where the image has another."""

    def __init__(self, pending: http.Pending, again: Callable[[], Answer]) -> None:
        super().__init__(pending)
        self._again = again

    def value(self) -> Any:
        """As of every answer. The runner's own executor takes an image that is here, whatever its platform."""
        try:
            return super().value()
        except EngineError as error:
            if OTHER_PLATFORM not in error.message:
                raise
            return self._again().value()


class Engine:
    """One Engine. Every call opens a connection of its own, so calls may overlap: `ask` all, then take the values."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def ask(self, method: str, path: str, body: Any = None, *, seconds: float | None = http.REPLY_SECONDS) -> Answer:
        """Start a call; its value is taken later."""
        return Answer(http.send(self.endpoint, method, path, body, seconds=seconds))

    def create_network(self, body: dict[str, Any]) -> Answer:
        """POST /networks/create."""
        return self.ask("POST", "/networks/create", body)

    def create_container(self, name: str, body: dict[str, Any], *, platform: str = "") -> Answer:
        """POST /containers/create; the value's `Id` names the container."""
        path = f"/containers/create?name={quote(name)}"
        if not platform:
            return self.ask("POST", path, body)
        pending = http.send(self.endpoint, "POST", f"{path}&platform={quote(platform)}", body)
        return Creation(pending, lambda: self.ask("POST", path, body))

    def start_container(self, container: str) -> Answer:
        """POST /containers/ID/start."""
        return self.ask("POST", f"/containers/{quote(container)}/start")

    def kill_container(self, container: str) -> Answer:
        """POST /containers/ID/kill with SIGKILL."""
        return self.ask("POST", f"/containers/{quote(container)}/kill")

    def remove_container(self, container: str, *, volumes: bool = True) -> Answer:
        """DELETE /containers/ID, alive or not, with its anonymous volumes."""
        return self.ask("DELETE", f"/containers/{quote(container)}?force=1&v={int(volumes)}")

    def remove_network(self, network: str) -> Answer:
        """DELETE /networks/ID."""
        return self.ask("DELETE", f"/networks/{quote(network)}")

    def disconnect(self, network: str, container: str) -> Answer:
        """POST /networks/ID/disconnect, alive or not."""
        return self.ask("POST", f"/networks/{quote(network)}/disconnect", {"Container": container, "Force": True})

    def create_volume(self, body: dict[str, Any]) -> Answer:
        """POST /volumes/create: makes it where there is none of that name."""
        return self.ask("POST", "/volumes/create", body)

    def remove_volume(self, volume: str) -> Answer:
        """DELETE /volumes/NAME."""
        return self.ask("DELETE", f"/volumes/{quote(volume)}?force=1")

    def inspect_image(self, image: str) -> Answer:
        """GET /images/NAME/json."""
        return self.ask("GET", f"/images/{quote(image)}/json")

    def inspect_container(self, container: str) -> Answer:
        """GET /containers/ID/json."""
        return self.ask("GET", f"/containers/{quote(container)}/json", seconds=10)

    def labelled(self, kind: str, label: str) -> Answer:
        """All containers, networks or volumes that carry `label` (`NAME` or `NAME=VALUE`)."""
        filters = quote(json.dumps({"label": [label]}))
        return self.ask("GET", f"/{kind}{'/json?all=1&' if kind == 'containers' else '?'}filters={filters}")

    def wait_container(self, container: str, *, seconds: float | None = None) -> Answer:
        """POST /containers/ID/wait: the value's `StatusCode` comes when the container has ended."""
        return self.ask("POST", f"/containers/{quote(container)}/wait", seconds=seconds)

    def usage(self, container: str) -> Answer:
        """GET /containers/ID/stats: one sample, at once."""
        return self.ask("GET", f"/containers/{quote(container)}/stats?stream=0&one-shot=1", seconds=10)

    def run_detached(self, container: str, command: list[str], *, user: str = "") -> None:
        """Start `command` beside what runs in the container, and do not wait for it."""
        body = {"Cmd": command, "User": user, "AttachStdout": False, "AttachStderr": False}
        created = self.ask("POST", f"/containers/{quote(container)}/exec", body, seconds=10).value()
        self.ask("POST", f"/exec/{created['Id']}/start", {"Detach": True}, seconds=10).value()

    def run_to_end(self, container: str, command: list[str], *, user: str = "") -> None:
        """Run `command` beside what runs in the container, and wait until it has ended."""
        body = {"Cmd": command, "User": user, "AttachStdout": True, "AttachStderr": False}
        created = self.ask("POST", f"/containers/{quote(container)}/exec", body, seconds=10).value()
        self.ask("POST", f"/exec/{created['Id']}/start", {"Detach": False}, seconds=10).settle()

    def logs(self, container: str, *, tail: int | str = "all", follow: bool = False) -> Iterator[tuple[int, bytes]]:
        """What the container's own process wrote: pairs of stream (1 stdout, 2 stderr) and bytes.

        With `follow` also what it writes from now on, until it ends.
        """
        path = f"/containers/{quote(container)}/logs?stdout=1&stderr=1&tail={tail}{'&follow=1' if follow else ''}"
        reply = http.send(self.endpoint, "GET", path, seconds=None if follow else 10).reply()
        if reply.status >= 400:
            raise EngineError(reply.status, _message(reply.body()))
        return frames(reply.chunks())

    def stamped_logs(self, container: str, *, since: str = "") -> Iterator[bytes]:
        """What the container wrote from `since` on (a time stamp of these lines) and goes on to write, until it ends.

        Each piece is a time stamp, a space and a line, or what the Engine takes for one: of a long line a part.
        """
        start = f"&since={_seconds(since)}" if since else ""
        path = f"/containers/{quote(container)}/logs?stdout=1&stderr=1&follow=1&timestamps=1{start}"
        reply = http.send(self.endpoint, "GET", path, seconds=None).reply()
        if reply.status >= 400:
            raise EngineError(reply.status, _message(reply.body()))
        return (data for _, data in frames(reply.chunks()))

    def pull_image(self, reference: str, *, tag: str, platform: str, credentials: str) -> Iterator[dict[str, Any]]:
        """POST /images/create: the progress messages of a pull. `credentials` is the X-Registry-Auth header.

        Between two of them a large layer may take any time, while the Engine is at work.
        """
        suffix = f"&platform={quote(platform)}" if platform else ""
        path = f"/images/create?fromImage={quote(reference)}&tag={quote(tag)}{suffix}"
        headers = {"X-Registry-Auth": credentials} if credentials else {}
        reply = http.send(self.endpoint, "POST", path, headers=headers, seconds=None).reply()
        if reply.status >= 400:
            raise EngineError(reply.status, _message(reply.body()))
        for line in reply.lines():
            if line.strip():
                yield json.loads(line)


def quote(text: str) -> str:
    """Percent-encode everything but letters, digits and `_.-:/@`: names come from jobs."""
    return "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "_.-:/@") else f"%{byte:02X}"
        for byte in text.encode()
    )


def frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Undo the Engine's multiplexing: an 8-byte head (stream, 0, 0, 0, length) before each piece."""
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= 8 and len(buffer) >= 8 + int.from_bytes(buffer[4:8], "big"):
            end = 8 + int.from_bytes(buffer[4:8], "big")
            yield buffer[0], buffer[8:end]
            buffer = buffer[end:]


def _seconds(stamp: str) -> str:
    """An RFC 3339 time stamp in UTC as seconds since the epoch, with its fraction."""
    from calendar import timegm
    from time import strptime

    return f"{timegm(strptime(stamp[:19], '%Y-%m-%dT%H:%M:%S'))}{stamp[19:].rstrip('Z')}"


def _message(body: bytes) -> str:
    """The Engine's error text: JSON with `message`, or plain text."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip() or "no reason given"
