"""Asking a person before something is removed."""

from __future__ import annotations

import sys

from executor import terminal
from executor.errors import UsageError


def can_ask() -> bool:
    """Whether a person sees the question and can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def agreed(question: str) -> bool:
    """Whether the person says yes; anything but a plain yes is no."""
    terminal.show(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def require_person(command: str) -> None:
    """UsageError where nobody can be asked."""
    if not can_ask():
        raise UsageError(f"{command} asks before it removes, and this is no terminal.", fix="Add --yes.")
