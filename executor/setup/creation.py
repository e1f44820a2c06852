"""Creating a runner at GitLab, with an operator's access token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.errors import SystemFailure
from executor.setup.answers import refusal, silence

if TYPE_CHECKING:
    from collections.abc import Callable

    import gitlab

SECONDS = 10.0
_DOING = "create the runner"
_MEANING = {
    400: ("GitLab does not take one of the values.", "Correct the option that it names."),
    401: ("The access token is wrong, expired or revoked.", "Create another one, with the scope create_runner."),
    403: (
        "The access token has not the scope create_runner, or its owner may not create this runner.",
        "Instance runners need an administrator, group runners an owner, project runners a maintainer.",
    ),
    404: ("There is no such group or project for this token, or no GitLab there.", "Check --group, --project, --url."),
    409: ("GitLab has one already.", "Register the token of the one that is there: --token-file FILE."),
    422: ("GitLab does not take one of the values.", "Correct the option that it names."),
}


@dataclass(frozen=True, kw_only=True)
class NewRunner:
    """What to create. At most one of `group` and `project` (number or path); neither is an instance runner.

    `maximum_timeout` in seconds, 0 for none.
    """

    description: str
    tags: tuple[str, ...]
    group: str = ""
    project: str = ""
    run_untagged: bool = False
    locked: bool = False
    protected: bool = False
    paused: bool = False
    maximum_timeout: int = 0


def create(url: str, access_token: str, wanted: NewRunner, authority: str = "") -> str:
    """The token of the runner that GitLab has made (POST /user/runners).

    OperatorError where GitLab refuses, SystemFailure where it does not answer as it should.
    """
    from gitlab.v4.objects import CurrentUserRunnerManager

    client = _client(url, access_token, authority)
    fields = _fields(wanted) | _place(url, client, wanted)
    # Asked for directly: `gl.user.runners` would first need the scope read_user.
    created = _asked(url, lambda: CurrentUserRunnerManager(client).create(fields, obey_rate_limit=False))
    token = created.attributes.get("token")
    if not isinstance(token, str) or not token:
        raise SystemFailure(f"{url} does not answer as GitLab does.", fix="Check --url.")
    return token


def _client(url: str, access_token: str, authority: str) -> gitlab.Gitlab:
    """A client that follows no redirection: the access token would go along."""
    import gitlab
    import requests

    session = requests.Session()
    session.max_redirects = 0
    return gitlab.Gitlab(
        url, private_token=access_token, timeout=SECONDS, ssl_verify=authority or True, session=session
    )


def _fields(wanted: NewRunner) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "description": wanted.description,
        "tag_list": ",".join(wanted.tags),
        "run_untagged": wanted.run_untagged,
        "locked": wanted.locked,
        "paused": wanted.paused,
        "access_level": "ref_protected" if wanted.protected else "not_protected",
    }
    return fields | ({"maximum_timeout": wanted.maximum_timeout} if wanted.maximum_timeout else {})


def _place(url: str, client: gitlab.Gitlab, wanted: NewRunner) -> dict[str, Any]:
    """Where the runner belongs. GitLab takes numbers only; a path is looked up, which needs the scope read_api."""
    if wanted.group:
        return {"runner_type": "group_type", "group_id": _number(url, client.groups, wanted.group)}
    if wanted.project:
        return {"runner_type": "project_type", "project_id": _number(url, client.projects, wanted.project)}
    return {"runner_type": "instance_type"}


def _number(url: str, manager: Any, place: str) -> int:
    if place.isdigit():
        return int(place)
    return int(_asked(url, lambda: manager.get(place, obey_rate_limit=False)).get_id())


def _asked(url: str, ask: Callable[[], Any]) -> Any:
    """The answer to one request of the library, or the error that it means."""
    import gitlab
    import requests

    try:
        return ask()
    except requests.TooManyRedirects as fault:
        status = fault.response.status_code if fault.response is not None else 302
        raise refusal(_DOING, url, status, _MEANING) from None
    except gitlab.GitlabError as fault:
        if not fault.response_code:
            raise SystemFailure(f"{url} does not answer as GitLab does.", fix="Check --url.") from None
        reason = str(fault.error_message) if fault.response_code in (400, 409, 422) else ""
        raise refusal(_DOING, url, fault.response_code, _MEANING, reason) from None
    except (requests.RequestException, OSError) as fault:
        raise silence(_DOING, url, fault) from None
