"""An Engine that answers from a table, and remembers what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from executor.engine.client import Engine, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeAnswer:
    """An answer that is there already: a value, or the refusal that it stands for."""

    def __init__(self, outcome: Any) -> None:
        self._outcome = outcome

    def value(self) -> Any:
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def settle(self) -> None:
        return


class FakeEngine:
    """`images` and `containers` are what inspection finds; `pulls` are the outcomes of pulls, in order.

    A pull's outcome is its list of progress messages (or a refusal), and the images that are there after it.
    """

    def __init__(self, images: dict[str, Any] | None = None, containers: dict[str, Any] | None = None) -> None:
        self.images = images or {}
        self.containers = containers or {}
        self.labelled_things: dict[tuple[str, str], Any] = {}
        self.pulls: list[tuple[list[dict[str, Any]] | EngineError, dict[str, Any]]] = []
        self.output: list[tuple[int, bytes]] | EngineError = []
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[str, ...]] = []

    def as_engine(self) -> Engine:
        return cast("Engine", self)

    def inspect_image(self, image: str) -> FakeAnswer:
        self.calls.append(("inspect_image", image))
        return FakeAnswer(self.images.get(image, EngineError(404, f"No such image: {image}")))

    def inspect_container(self, container: str) -> FakeAnswer:
        found = self.containers.get(container, EngineError(404, f"No such container: {container}"))
        return FakeAnswer(found() if callable(found) else found)

    def pull_image(self, reference: str, *, tag: str, platform: str, credentials: str) -> Iterator[dict[str, Any]]:
        self.calls.append(("pull", reference, tag, platform, credentials))
        outcome, images = self.pulls.pop(0)
        if isinstance(outcome, EngineError):
            raise outcome
        self.images |= images
        return iter(outcome)

    def logs(self, container: str, *, tail: int | str = "all") -> Iterator[tuple[int, bytes]]:
        if isinstance(self.output, EngineError):
            raise self.output
        return iter(self.output)

    def labelled(self, kind: str, label: str) -> FakeAnswer:
        return FakeAnswer(self.labelled_things.get((kind, label), []))

    def ask(self, method: str, path: str, body: Any = None, **_: Any) -> FakeAnswer:
        self.calls.append((method, path))
        return FakeAnswer(self.answers.get(path, {}))

    def kill_container(self, container: str) -> FakeAnswer:
        self.calls.append(("kill", container))
        return FakeAnswer(None)

    def remove_container(self, container: str, *, volumes: bool = True) -> FakeAnswer:
        self.calls.append(("remove", container, str(volumes)))
        return FakeAnswer(None)

    def remove_volume(self, volume: str) -> FakeAnswer:
        self.calls.append(("remove volume", volume))
        return FakeAnswer(None)

    def disconnect(self, network: str, container: str) -> FakeAnswer:
        self.calls.append(("disconnect", network, container))
        return FakeAnswer(None)

    def remove_network(self, network: str) -> FakeAnswer:
        self.calls.append(("remove network", network))
        return FakeAnswer(None)
