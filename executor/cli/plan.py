"""`executor plan [JOB]`: what would be created for a job. Nothing is, and Docker is not asked."""

from __future__ import annotations

import argparse
import json
import os

from executor import terminal
from executor.errors import SUCCESS, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from executor.job.model import Job
    from executor.plan.model import Plan
    from executor.settings.model import Settings

EXAMPLES = """examples:
  executor plan test:go                      a job of the repository's .gitlab-ci.yml
  executor plan --job-response FILE          the job that a runner handed over
  executor plan test:go --json               the same for programs
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports mistakes as every other command does."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake."""
        raise UsageError(f"plan: {message}.", fix="`executor plan --help` shows the options.")


def main(arguments: list[str]) -> int:
    """Print the plan of one job, as tables or as JSON."""
    parsed = make_parser().parse_args(arguments)
    job, settings, plan = _planned(parsed)
    for warning in settings.warnings:
        terminal.complain(warning)
    if parsed.json:
        from executor.plan.summary import summary

        terminal.show(json.dumps({"job": {"id": job.id, "name": job.name}} | summary(plan), indent=2))
        return SUCCESS
    from executor.cli.plan_table import print_plan

    print_plan(plan, _title(job, settings), terminal.console())
    return SUCCESS


def make_parser() -> Parser:
    """The command line of `executor plan`."""
    parser = Parser(
        prog="executor plan",
        description="Print what would be created for a job: images, containers, mounts, network, labels.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("job", nargs="?", default="", metavar="JOB", help="a job of the repository's pipeline")
    parser.add_argument("--job-response", metavar="FILE", help="a job as a runner writes it (JOB_RESPONSE_FILE)")
    parser.add_argument("--file", default=".gitlab-ci.yml", metavar="PATH", help="the pipeline's file")
    parser.add_argument("--config", metavar="FILE", help="the config.toml to take settings from")
    parser.add_argument("--runner", metavar="NAME", help="the runner in config.toml to take settings from")
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def _planned(parsed: argparse.Namespace) -> tuple[Job, Settings, Plan]:
    from executor.plan.plan import make_plan
    from executor.sandbox.preview import preview_host

    job, settings, environment = _local_job(parsed) if parsed.job else _runners_job(parsed)
    return job, settings, make_plan(job, settings, preview_host(job, settings, environment))


def _local_job(parsed: argparse.Namespace) -> tuple[Job, Settings, dict[str, str]]:
    """The job of the repository at hand, as `executor exec` would hand it over."""
    from pathlib import Path

    from executor.pipeline.local.driver_settings import user_settings
    from executor.pipeline.local.preview import preview_job
    from executor.pipeline.local.run import Options, read_pipeline

    if parsed.job_response:
        raise UsageError("plan: a JOB of the pipeline and --job-response exclude each other.")
    options = Options(jobs=[parsed.job], file=parsed.file, config=parsed.config, runner=parsed.runner)
    settings = user_settings(parsed.config, parsed.runner)
    return preview_job(read_pipeline(options, Path.cwd()), options), settings, {}


def _runners_job(parsed: argparse.Namespace) -> tuple[Job, Settings, dict[str, str]]:
    """The job in a file that a runner wrote, with its variables where this is called as a runner would."""
    from executor.job.environment import custom_environment, trusted_short_token
    from executor.job.response import load_job
    from executor.settings.load import load_settings

    path = parsed.job_response or os.environ.get("JOB_RESPONSE_FILE", "")
    if not path:
        raise UsageError(
            "plan: which job?", fix="Name one (`executor exec --list` shows them), or add --job-response FILE."
        )
    environment = custom_environment(os.environ)
    job = load_job(path, environment)
    token = trusted_short_token(os.environ, job)
    return job, load_settings(config=parsed.config, runner=parsed.runner, short_token=token), environment


def _title(job: Job, settings: Settings) -> str:
    runner = settings.runner.name or settings.runner.short_token or "no runner"
    return f"job {job.id} {job.name} of {job.project_path}, for {runner} ({settings.config_file or 'no config.toml'})"
