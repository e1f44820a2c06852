"""The registration as it is written: `config.toml.template` with the values of one runner.

What follows `[[runners]]` in it is a runner's section, what stands before it is for a file that is not there yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

_TEMPLATE = Path(__file__).with_name("config.toml.template")
_SECTION = "[[runners]]\n"

_INTRODUCTION = """\
# A runner whose jobs virida-executor runs: a complete registration, as `executor register` writes it into
# /etc/gitlab-runner/config.toml. To write it by hand, copy it there, put the runner's address and token in, and check
# it with `executor doctor`. The keys are gitlab-runner's own; what the driver reads of them, and its own executor.toml
# beside this file, is in docs/configuration.md.

"""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One runner: its name here, GitLab's address, its token, what starts the driver, and the config.toml."""

    name: str
    url: str
    token: str = field(repr=False)
    executor: str
    config: str

    @property
    def placeholders(self) -> dict[str, str]:
        """What stands in the template for each value."""
        return {
            "@NAME@": self.name,
            "@URL@": self.url,
            "@TOKEN@": self.token,
            "@EXECUTOR@": self.executor,
            "@CONFIG@": self.config,
        }


def section_of(registration: Registration) -> str:
    """The `[[runners]]` section, with its comments."""
    return _SECTION + _filled(_parts()[1], registration)


def new_file() -> str:
    """What a config.toml begins with that is not there yet: the keys for all runners, and an empty line."""
    return _parts()[0]


def example() -> str:
    """The text of config.toml.example."""
    registration = Registration(
        name="virida-gitlab-runner",
        url="https://gitlab.example.com",
        token="REPLACE_WITH_RUNNER_TOKEN",  # noqa: S106 (no token)
        executor="/usr/local/bin/executor",
        config="/etc/gitlab-runner/config.toml",
    )
    return _INTRODUCTION + new_file() + section_of(registration)


def _parts() -> tuple[str, str]:
    """The template before and after the section's header."""
    before, _, after = _TEMPLATE.read_text(encoding="utf-8").partition(_SECTION)
    return before, after


def _filled(text: str, registration: Registration) -> str:
    """One pass, so that a value which looks like a placeholder stays what it is."""
    import re

    from tomlkit import string

    values = {key: string(value).as_string() for key, value in registration.placeholders.items()}
    return re.sub("@[A-Z]+@", lambda found: values[found[0]], text)
