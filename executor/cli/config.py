"""`executor config`: tells gitlab-runner where builds and caches lie in the job's containers."""

from __future__ import annotations

from executor import __version__
from executor.cli.options import split_options
from executor.errors import SUCCESS
from executor.terminal import show


def main(arguments: list[str]) -> int:
    """Print the JSON that the runner asks for: nothing else may stand on standard output."""
    import json
    import os

    from executor.sandbox.context import load_context

    options, _ = split_options(arguments)
    runner = load_context(options, os.environ).settings.runner
    answer = {
        "driver": {"name": "virida-executor", "version": __version__},
        "builds_dir": runner.builds_dir,
        "cache_dir": runner.cache_dir,
        "builds_dir_is_shared": False,
    }
    show(json.dumps(answer))
    return SUCCESS
