"""Clever Cloud: only where the service has a login for it. Values of secrets are never looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from executor.doctor.model import Skip, Verdict, check, error, note, passed, warning
from executor.doctor.web import Request, Unreachable

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

API = "https://api.clever-cloud.com"
LOGIN = ("CLEVER_TOKEN", "CLEVER_SECRET")
# Names that applications like to use, and that Clever Tools take for their own settings.
COLLIDING = (
    "API_HOST",
    "CONSOLE_URL",
    "SSH_GATEWAY",
    "OAUTH_CONSUMER_KEY",
    "OAUTH_CONSUMER_SECRET",
    "DOC_URL",
    "GOTO_URL",
)
OLDEST_CLI = 4


@check("clever.login", "The login for Clever Cloud is whole")
def login(scene: Scene) -> Verdict:
    """Both variables, or neither."""
    present = _present(scene)
    if not present:
        raise Skip("no CLEVER_TOKEN for the service account")
    missing = [name for name in LOGIN if name not in present]
    if not missing:
        return passed("CLEVER_TOKEN and CLEVER_SECRET are set")
    return error(
        f"{next(iter(present))} is set for jobs, {missing[0]} is not.",
        expected="both or neither",
        why="Clever Tools refuse to work with half a login: every deployment fails.",
        fix=f"set {missing[0]} where {next(iter(present))} is set: {next(iter(present.values()))}",
    )


@check("clever.api", "Clever Cloud's API answers")
def api(scene: Scene) -> Verdict:
    """From this host."""
    if not _present(scene):
        raise Skip("no CLEVER_TOKEN for the service account")
    try:
        answer = scene.fetch(Request(url=f"{API}/v2/summary"))
    except Unreachable as trouble:
        return error(
            f"{API} cannot be reached: {trouble.text}.",
            expected="an answer within 2 s",
            why="Deployments fail.",
            fix=f"curl -v {API}/v2/summary   # DNS, firewall, proxy",
        )
    if answer.status >= 500:
        return warning(
            f"{API} answers {answer.status}.",
            expected="an answer below 500",
            why="Deployments fail for now.",
            fix="see https://www.clevercloudstatus.com",
        )
    return passed()


@check("clever.variables", "No variable of jobs is taken for a setting of Clever Tools")
def variables(scene: Scene) -> Verdict:
    """Of those that the runner sets for every job."""
    if not _present(scene):
        raise Skip("no CLEVER_TOKEN for the service account")
    named = {entry.partition("=")[0] for entry in scene.settings.runner.environment}
    taken = [name for name in COLLIDING if name in named]
    if not taken:
        return passed()
    return warning(
        f"environment in {scene.config} sets {', '.join(taken)} for every job.",
        expected="another name",
        why="Clever Tools take it for their own setting: they fail, or send the login elsewhere.",
        fix=f"editor {scene.config}   # rename {taken[0]}, such as APP_{taken[0]}",
    )


@check("clever.cli", "Clever Tools on this host are of a version that deploys")
def cli(scene: Scene) -> Verdict:
    """Jobs bring their own where this host has none."""
    if not _present(scene):
        raise Skip("no CLEVER_TOKEN for the service account")
    path = scene.world.which("clever")
    if not path:
        return note("Clever Tools are not on the PATH of the service; jobs need them in their image.")
    ran = scene.world.run((path, "version"))
    found = re.search(r"(\d+)\.\d+\.\d+", ran.output)
    if ran.code is None and "did not end" in ran.output:
        raise Skip("Clever Tools did not tell their version in time")
    if ran.code == 0 and found and int(found[1]) >= OLDEST_CLI:
        return passed(found[0])
    return warning(
        f"{path} is version {found[0]}." if found and ran.code == 0 else f"{path} does not run.",
        expected=f"{OLDEST_CLI}.x",
        why="Deployments hang or do not report their failure.",
        fix="npm install --global clever-tools@4.11.0   # with Node.js 22",
    )


def _present(scene: Scene) -> dict[str, str]:
    """Which of the two are set, and where."""
    of_runner = {entry.partition("=")[0] for entry in scene.settings.runner.environment if entry.partition("=")[2]}
    found = {name: f"environment in {scene.config}" for name in LOGIN if name in of_runner}
    found |= {name: "the service's environment" for name in LOGIN if scene.account.environment.get(name)}
    return found
