"""`executor`, `executor --help`, `executor --version`, and what to say to a command that does not exist."""

from __future__ import annotations

from executor import __version__
from executor.cli.options import split_options
from executor.errors import SUCCESS, UsageError
from executor.terminal import show

TEXT = f"""\
virida-executor {__version__}: runs GitLab CI jobs in Docker containers.

usage: executor [--config FILE] COMMAND ...

For people:
  exec [JOB ...]         run jobs of the local .gitlab-ci.yml, without GitLab
  plan [JOB]             print what would be created for a job; touches nothing
  ps                     the jobs that run on this host: stage, time, CPU, memory
  usage [JOB]            what jobs used, and limits that would suit them
  logs JOB               what a job's containers wrote themselves
  shell JOB              a shell in a job's build container
  cache COMMAND          the caches that are kept for jobs: list, verify, measure, remove
  gc                     remove what crashed jobs left behind
  doctor                 look for faults of this host, and say how to mend them
  install, uninstall     write the driver's own files on this host, and take them back
  register, unregister   let this driver run the jobs of a GitLab runner, and no more

For gitlab-runner ([runners.custom] in config.toml, see config.toml.example):
  config                 tell the runner where builds and caches lie
  prepare                make the job's containers
  run SCRIPT STAGE       run one stage in them
  cleanup                take them away

  --config FILE          the runner's config.toml; executor.toml is looked for beside it
  --runner NAME          the [[runners]] section, where config.toml has several for this driver
  --debug                show where an error comes from
  --version, --help

`executor COMMAND --help` says more about the commands for people."""

KNOWN = (
    "exec",
    "plan",
    "ps",
    "usage",
    "logs",
    "shell",
    "cache",
    "gc",
    "doctor",
    "install",
    "uninstall",
    "register",
    "unregister",
    "config",
    "prepare",
    "run",
    "cleanup",
)


def main(arguments: list[str]) -> int:
    """Help and version; anything else is a wrong call, with the likely meaning."""
    _, words = split_options(arguments)
    if not words or words[0] in ("--help", "-h", "help"):
        show(TEXT)
        return SUCCESS
    if words[0] in ("--version", "-V", "version"):
        show(f"virida-executor {__version__}")
        return SUCCESS
    raise UsageError(f"there is no command `{words[0]}`.", cause=_guess(words[0]), fix="`executor --help` lists them.")


def _guess(word: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, KNOWN, n=1)
    return f"Did you mean `{close[0]}`?" if close else ""
