"""`executor doctor`: looks for faults of this host, and says what each does to jobs and how to mend it."""

from __future__ import annotations

import json
import sys
import time

from executor import terminal
from executor.cli.parser import CommandParser
from executor.errors import CHECK_FAILED, SUCCESS, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from executor.doctor.model import Check, Finding
    from executor.doctor.render import Line
    from executor.doctor.scene import Scene

JOB_SECONDS = 420.0

EPILOG = """CHECK is an id such as docker.socket.permission, or how ids begin: docker, docker.socket.

It changes nothing (without --fix), and looks with the eyes of the account that runs gitlab-runner: run it as root.

exit code: 0 nothing makes jobs fail, 1 something does, 2 a wrong call. Warnings count only with --strict.

examples:
  executor doctor                        all checks, in less than three seconds
  executor doctor docker network         two categories
  executor doctor --job                  also a throw-away job through all four phases
  executor doctor --fix                  mend what is harmless to mend, after asking
  executor doctor --report               for an issue: without names, addresses and secrets
"""


def main(arguments: list[str]) -> int:
    """Examine the host; CHECK_FAILED where something makes jobs fail."""
    from executor.doctor.catalogue import chosen
    from executor.doctor.scenery import this_host

    parsed = make_parser().parse_args(arguments)
    _require_sense(parsed)
    if parsed.list:
        return _list(parsed)
    checks = chosen(parsed.checks, with_job=parsed.job)
    began = time.monotonic()
    scene = this_host(parsed.config, parsed.runner)
    _tell_whose_eyes(scene)
    findings = _examined(scene, checks)
    _show(parsed, scene, findings, time.monotonic() - began)
    if parsed.fix:
        findings = _mend(parsed, scene, findings)
    from executor.doctor.summary import is_failed

    return CHECK_FAILED if is_failed(findings, strict=parsed.strict) else SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor doctor`."""
    parser = CommandParser("doctor", "Look for faults of this host that make jobs fail or harm them.", epilog=EPILOG)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="only these checks or categories")
    parser.add_argument("--list", action="store_true", help="the checks there are; with --json for programs")
    parser.add_argument("--job", action="store_true", help="run a throw-away job as well")
    parser.add_argument("--fix", action="store_true", help="mend what is harmless to mend; asks before")
    parser.add_argument("--yes", action="store_true", help="with --fix: do not ask")
    parser.add_argument("--strict", action="store_true", help="exit code 1 for warnings too")
    parser.add_argument("--verbose", action="store_true", help="a line for every check, with what it found")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON on standard output")
    form.add_argument("--report", action="store_true", help="a text that is safe to paste into an issue")
    return parser


def _require_sense(parsed: argparse.Namespace) -> None:
    if parsed.yes and not parsed.fix:
        raise UsageError("doctor: --yes is for --fix.", fix="Add --fix, or leave --yes out.")
    if parsed.fix and parsed.report:
        raise UsageError("doctor: --fix and --report exclude each other.", fix="Call it twice.")
    if parsed.config == "":
        raise UsageError("doctor: --config names no file.", fix="Give it the path of gitlab-runner's config.toml.")


def _list(parsed: argparse.Namespace) -> int:
    from executor.doctor.catalogue import chosen
    from executor.doctor.summary import VERSION

    checks = chosen(parsed.checks, with_job=True)
    if parsed.json:
        plain = [{"id": one.id, "category": one.category, "title": one.title, "link": one.link} for one in checks]
        terminal.show(json.dumps({"version": VERSION, "checks": plain}, indent=2))
        return SUCCESS
    width = max(len(one.id) for one in checks)
    for one in checks:
        terminal.show(f"{one.id:{width}}  {one.title}{' (with --job)' if one.with_job else ''}")
    return SUCCESS


def _tell_whose_eyes(scene: Scene) -> None:
    if not scene.world.speaks_for_account:
        name = terminal.printable(scene.account.name)
        terminal.complain(f"doctor: jobs run as {name}, and this is what you see. `sudo executor doctor` sees more.")


def _examined(scene: Scene, checks: Sequence[Check]) -> list[Finding]:
    """The findings of all checks, those of the throw-away job last: it takes its time, and is told before."""
    from executor.doctor.examine import examine
    from executor.doctor.secrets import Secrets

    quick = [check for check in checks if not check.with_job]
    slow = [check for check in checks if check.with_job]
    found = examine(scene, quick)
    if slow:
        terminal.complain("doctor: a throw-away job runs, which may take a minute where an image has to be pulled.")
        found += examine(scene, slow, JOB_SECONDS)
    secrets = Secrets(scene)
    return [secrets.mask_finding(finding) for finding in found]


def _show(parsed: argparse.Namespace, scene: Scene, findings: list[Finding], seconds: float) -> None:
    from executor.doctor.identity import facts_of
    from executor.doctor.summary import summary

    facts = facts_of(scene)
    if parsed.json:
        terminal.show(json.dumps(summary(findings, facts), indent=2))
    elif parsed.report:
        from executor.doctor.share import report

        terminal.show(report(scene, findings, facts, seconds))
    else:
        _show_people(parsed, findings, facts)
        _print_end(scene, findings, seconds)


def _show_people(parsed: argparse.Namespace, findings: list[Finding], facts: dict[str, str]) -> None:
    from executor.doctor.identity import headline
    from executor.doctor.render import Line, lines

    unicode = terminal.speaks_unicode()
    # As wide as need be: a headline has no place to break.
    _print(Line(headline(facts, unicode=unicode), "bold"))
    _print(Line(""))
    for line in lines(findings, unicode=unicode, verbose=parsed.verbose):
        _print(line)


def _print_end(scene: Scene, findings: list[Finding], seconds: float) -> None:
    from executor.doctor.render import Line
    from executor.doctor.summary import closing

    _print(Line(closing(findings, seconds, sees_all=scene.world.speaks_for_account)))


def _print(line: Line) -> None:
    text = terminal.printable(line.text)
    if not sys.stdout.isatty():
        terminal.show(text)
        return
    from rich.text import Text

    terminal.console().print(Text(text, style=line.style), soft_wrap=True)


def _mend(parsed: argparse.Namespace, scene: Scene, findings: list[Finding]) -> list[Finding]:
    """Do what is agreed to, and look again at all of it."""
    from executor.doctor.repairs import repair, repairable

    broken = repairable(findings)
    if not broken:
        terminal.complain("doctor: there is nothing that --fix could mend.")
        return findings
    for finding in broken:
        terminal.complain(f"doctor: would mend {finding.check.id}: {_what(finding)}")
    if not _agreed(parsed, len(broken)):
        return findings
    for finding in broken:
        failure = repair(finding)
        outcome = f"failed: {failure}" if failure else "done"
        terminal.complain(f"doctor: {finding.check.id}: {outcome}")
    return _looked_again(parsed, scene, findings)


def _looked_again(parsed: argparse.Namespace, scene: Scene, findings: list[Finding]) -> list[Finding]:
    from executor.doctor.facts import Facts

    scene.facts = Facts()
    again = _examined(scene, [finding.check for finding in findings if not finding.check.with_job])
    fresh = {finding.check.id: finding for finding in again}
    for finding in findings:
        new = fresh.get(finding.check.id, finding)
        if finding.verdict.repair and new.verdict.status != "ok":
            terminal.complain(f"doctor: {finding.check.id} is still {new.verdict.status}: {new.verdict.found}")
    return [fresh.get(finding.check.id, finding) for finding in findings]


def _what(finding: Finding) -> str:
    return terminal.printable(finding.verdict.repair.what if finding.verdict.repair else "")


def _agreed(parsed: argparse.Namespace, count: int) -> bool:
    """Nothing is mended where nobody was asked, but for --yes."""
    if parsed.yes:
        return True
    if not _person_is_there():
        terminal.complain("doctor: nothing mended: nobody can be asked here. Add --yes.")
        return False
    terminal.show(f"Mend {'this' if count == 1 else f'these {count}'}? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _person_is_there() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
