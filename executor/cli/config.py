"""`executor config`: tells gitlab-runner where builds and caches lie in the job's containers."""

from __future__ import annotations

import json
import os

from executor import __version__
from executor.cli.options import split_options
from executor.errors import SUCCESS
from executor.plan.network import plan_network
from executor.plan.request import Request
from executor.sandbox.attempt import begin
from executor.sandbox.context import load_context
from executor.sandbox.network import make_early
from executor.terminal import show


def main(arguments: list[str]) -> int:
    """Print the JSON that the runner asks for (nothing else may stand on standard output), and begin the job."""
    options, _ = split_options(arguments)
    context = load_context(options, os.environ)
    runner = context.settings.runner
    attempt = begin(context)
    network = plan_network(Request(context.job, context.settings, attempt.host)).own
    if network:
        make_early(attempt.engine, network, attempt.folder)
    answer = {
        "driver": {"name": "virida-executor", "version": __version__},
        "builds_dir": runner.builds_dir,
        "cache_dir": runner.cache_dir,
        "builds_dir_is_shared": False,
    }
    show(json.dumps(answer))
    return SUCCESS
