"""Values that several checks need and that are found out once, whichever check asks first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class Facts:
    """What is known so far. A failure is remembered as well: nobody waits for the same time-out twice."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._values: dict[str, tuple[Any, Exception | None]] = {}

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """The value of `name`, or its failure raised again."""
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._values:
                self._values[name] = _outcome(compute)
        value, failure = self._values[name]
        if failure:
            raise failure
        return value


class fact(Generic[Value]):
    """A method of an object with `facts` that is called once and read like an attribute."""

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, scene: Any, owner: type) -> Value:
        value: Value = scene.facts.once(self._compute.__name__, lambda: self._compute(scene))
        return value


def _outcome(compute: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return compute(), None
    except Exception as failure:
        return None, failure
