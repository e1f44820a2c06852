"""The options that every driver phase takes, before or after its name: `--config FILE` and `--runner NAME`."""

from __future__ import annotations

from executor.errors import OperatorError

NAMES = ("--config", "--runner")


def split_options(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options (by name, without dashes) and the other arguments."""
    options: dict[str, str] = {}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name not in NAMES:
            rest.append(word)
        elif not equals and (value := next(words, "")) == "":
            raise OperatorError(f"{name} needs a value.", fix=f"Write {name} and the value in *_args.")
        else:
            options[name.lstrip("-")] = value
    return options, rest
