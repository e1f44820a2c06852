"""Reading of JSON objects whose fields may be missing or null, with errors that name the field and never its value."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Malformed(ValueError):
    """A field is not of the type that the protocol says. The text names it, as in `image.pull_policy[0]`."""


class Fields:
    """One JSON object. Missing and null fields read as empty; a field of another type raises `Malformed`."""

    def __init__(self, data: Any, path: str = "") -> None:
        if not isinstance(data, dict):
            raise Malformed(f"{path or 'the whole'} is not an object")
        self._data: dict[str, Any] = data
        self._path = path

    def text(self, key: str) -> str:
        """A string; numbers are taken as their digits (`user: 1000`)."""
        value = self._data.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self._checked(key, value, str, "a string") or ""

    def number(self, key: str) -> int:
        """An integer, 0 where it is missing."""
        value = self._data.get(key)
        if isinstance(value, bool):
            raise Malformed(f"{self._name(key)} is not a whole number")
        return self._checked(key, value, int, "a whole number") or 0

    def required_number(self, key: str) -> int:
        """An integer that must be there."""
        if self._data.get(key) is None:
            raise Malformed(f"{self._name(key)} is missing")
        return self.number(key)

    def flag(self, key: str) -> bool:
        """A boolean, false where it is missing."""
        return bool(self.optional_flag(key))

    def optional_flag(self, key: str) -> bool | None:
        """A boolean, None where it is missing or null."""
        value: bool | None = self._checked(key, self._data.get(key), bool, "a boolean")
        return value

    def optional_texts(self, key: str) -> tuple[str, ...] | None:
        """A list of strings, None where it is missing or null."""
        values = self._checked(key, self._data.get(key), list, "a list")
        if values is None:
            return None
        for index, value in enumerate(values):
            self._checked(f"{key}[{index}]", value, str, "a string")
        return tuple(value or "" for value in values)

    def names(self) -> tuple[str, ...]:
        """The names of all fields."""
        return tuple(self._data)

    def child(self, key: str) -> Fields:
        """An object, empty where it is missing."""
        value = self._data.get(key)
        return Fields({} if value is None else value, self._name(key))

    def children(self, key: str) -> list[Fields]:
        """A list of objects, empty where it is missing."""
        values = self._checked(key, self._data.get(key), list, "a list") or []
        return [Fields(value, f"{self._name(key)}[{index}]") for index, value in enumerate(values)]

    def _checked(self, key: str, value: Any, kind: type, words: str) -> Any:
        if value is not None and not isinstance(value, kind):
            raise Malformed(f"{self._name(key)} is not {words}")
        return value

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key
