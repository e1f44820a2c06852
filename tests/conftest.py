"""What all tests share: tests of whole jobs say what they need and what makes it."""

from __future__ import annotations

import shutil

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a real gitlab-runner where none is installed."""
    if shutil.which("gitlab-runner"):
        return
    reason = "no gitlab-runner on PATH: install the package `gitlab-runner` to run whole jobs"
    for item in items:
        if item.get_closest_marker("runner"):
            item.add_marker(pytest.mark.skip(reason=reason))
