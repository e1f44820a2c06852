"""What a runner's own token allows at GitLab: to ask whether it is valid, and to delete the runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.errors import SystemFailure
from executor.setup.answers import refusal, silence

if TYPE_CHECKING:
    import httpx

SECONDS = 10.0
_ELSEWHERE = ("No API of GitLab is there.", "Check --url: it is GitLab's own address, with its path if it has one.")
_VERIFYING = {
    401: ("GitLab does not know this token.", "Take it from the runner's page, or create the runner anew."),
    403: ("The token is wrong, or the runner was deleted.", "Take it from the runner's page, or create it anew."),
    404: _ELSEWHERE,
    422: ("GitLab takes no token of this form.", "Give the runner's own token (glrt-...), whole."),
}
_DELETING = {404: _ELSEWHERE}


@dataclass(frozen=True, kw_only=True)
class KnownRunner:
    """What GitLab says of a valid token. `expires` is its time as GitLab writes it, "" where it does not end."""

    number: int
    expires: str


def verify(url: str, token: str, authority: str = "") -> KnownRunner:
    """Ask GitLab whether the token is valid (POST /runners/verify). `authority` is a PEM file, "" the system's own.

    OperatorError where it is refused, SystemFailure where GitLab does not answer as it should.
    """
    answer = _ask("verify the token", "POST", url, "/api/v4/runners/verify", token, authority)
    if answer.status_code != 200:
        raise refusal("verify the token", url, answer.status_code, _VERIFYING)
    fields = _fields(answer)
    if not isinstance(fields.get("id"), int):
        raise SystemFailure(f"{url} does not answer as GitLab does.", fix="Check --url.")
    return KnownRunner(number=fields["id"], expires=str(fields.get("token_expires_at") or ""))


def delete(url: str, token: str, authority: str = "") -> bool:
    """Delete the runner at GitLab (DELETE /runners); False where GitLab does not know it (any more)."""
    answer = _ask("delete the runner", "DELETE", url, "/api/v4/runners", token, authority)
    if answer.status_code in (401, 403):
        return False
    if answer.status_code != 204:
        raise refusal("delete the runner", url, answer.status_code, _DELETING)
    return True


def _ask(doing: str, method: str, url: str, path: str, token: str, authority: str) -> httpx.Response:
    """One request, with the token in its body. A redirection is an answer like another: it is not followed."""
    import ssl

    import httpx

    try:
        context = ssl.create_default_context(cafile=authority or None)
        with httpx.Client(timeout=SECONDS, verify=context, follow_redirects=False) as client:
            return client.request(method, f"{url}{path}", data={"token": token})
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as fault:
        raise silence(doing, url, fault) from None


def _fields(answer: httpx.Response) -> dict[str, Any]:
    try:
        fields = answer.json()
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
