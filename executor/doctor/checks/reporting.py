"""Telling GitLab what jobs used: only where the operator has configured a token for it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from executor.doctor.model import Repair, Skip, Verdict, check, passed, warning
from executor.doctor.web import Request, Unreachable

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

NOTHING_TOLD = "Commit statuses and notes in merge requests are not written; jobs themselves are fine."
DAY_SECONDS = 86_400
SOON_DAYS = 7


@check("reporting.token.present", "The token for reports is there")
def token_present(scene: Scene) -> Verdict:
    """`token_file` or `token_env` of [report], where something needs it."""
    report = scene.settings.report
    if not (report.commit_status or report.merge_request_note or report.token_file or report.token_env):
        raise Skip("no report needs a token")
    if report.token_file:
        return _token_file(scene, report.token_file)
    if report.token_env and scene.account.environment.get(report.token_env):
        return passed(f"${report.token_env}")
    found = (
        f"[report] token_env names {report.token_env}, which the service does not have."
        if report.token_env
        else "[report] asks for commit_status or merge_request_note, and names no token."
    )
    return warning(
        found,
        expected="token_file, or token_env with a variable of the service",
        why=NOTHING_TOLD,
        fix='set token_file = "/etc/gitlab-runner/report-token" under [report] in executor.toml',
    )


def _token_file(scene: Scene, path: str) -> Verdict:
    if not os.path.isfile(path) or not scene.world.may(path, os.R_OK):
        state = "which is not there" if not os.path.isfile(path) else f"which {scene.account.name} may not read"
        return warning(
            f"[report] token_file names {path}, {state}.",
            expected=f"a file that {scene.account.name} may read",
            why=NOTHING_TOLD,
            fix=f"install -m 600 -o {scene.account.name} /dev/stdin {path}   # and paste the token",
        )
    if os.stat(path).st_mode & 0o077:
        return warning(
            f"{path} is {os.stat(path).st_mode & 0o7777:04o}.",
            expected="0600",
            why="Other users of this host can read the token, and write in GitLab with it.",
            fix=f"chmod 600 {path}",
            repair=Repair(what=f"chmod 600 {path}", do=lambda: os.chmod(path, 0o600)),
        )
    if not scene.world.read(path).strip():
        return warning(f"{path} is empty.", why=NOTHING_TOLD, fix=f"editor {path}", expected="a token")
    return passed(path)


@check("reporting.token.accepted", "GitLab accepts the token for reports, with the scope api")
def token_accepted(scene: Scene) -> Verdict:
    """It also tells when the token expires."""
    token = _token(scene)
    scene.gitlab_answer()
    try:
        answer = scene.fetch(
            Request(url=f"{scene.url}/api/v4/personal_access_tokens/self", headers={"PRIVATE-TOKEN": token})
        )
    except Unreachable:
        raise Skip("GitLab does not answer") from None
    if answer.status in (401, 403):
        return _unfit("GitLab refuses the token for reports: it was revoked or has expired.")
    if answer.status != 200:
        raise Skip("GitLab does not tell of tokens")
    facts = _facts(answer.body)
    told = facts.get("scopes")
    scopes = [str(scope) for scope in told] if isinstance(told, list) else []
    if "api" not in scopes:
        return _unfit(f"The token for reports has the scopes {', '.join(scopes) or 'none'}.")
    left = _days_left(str(facts.get("expires_at") or ""), scene.world.now())
    if left is not None and left < SOON_DAYS:
        return _unfit(f"The token for reports expires in {max(0, left)} days.")
    return passed(", ".join(scopes))


def _unfit(found: str) -> Verdict:
    return warning(
        found,
        expected="a project or group access token with the scope api",
        why=NOTHING_TOLD,
        fix=("create one: Settings > Access tokens, role Developer, scope api", "write it to [report] token_file"),
    )


def _token(scene: Scene) -> str:
    report = scene.settings.report
    token = scene.world.read(report.token_file).strip() if report.token_file else ""
    token = token or (scene.account.environment.get(report.token_env, "") if report.token_env else "")
    if not token:
        raise Skip("no token for reports")
    return token


def _facts(body: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(body)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _days_left(date: str, now: float) -> int | None:
    from calendar import timegm
    from time import strptime

    try:
        return int((timegm(strptime(date[:10], "%Y-%m-%d")) - now) // DAY_SECONDS)
    except ValueError:
        return None
