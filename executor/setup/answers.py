"""What GitLab's answers to an operator's requests mean, and what to do about the bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.errors import ExecutorError, OperatorError, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOVED = range(300, 400)
_GONE_WRONG = 500
_LONGEST_REASON = 300


def refusal(
    doing: str, url: str, status: int, meaning: Mapping[int, tuple[str, str]], reason: str = ""
) -> ExecutorError:
    """The error for an answer that is no success; `meaning` has what a status means here: likely cause, and fix.

    `doing` is what was tried ("verify the token"), `reason` GitLab's own words, if they may be shown.
    """
    told = f" ({_one_line(reason)})" if reason else ""
    what = f"{url} answered {status} to the request to {doing}{told}."
    if status in meaning:
        cause, fix = meaning[status]
        return OperatorError(what, cause=cause, fix=fix)
    if status in _MOVED:
        return OperatorError(
            what,
            cause="It sends us elsewhere, and a token is sent nowhere but to the address that was given.",
            fix="Give --url the address that GitLab itself shows, with https.",
        )
    if status == 429:
        return SystemFailure(what, cause="There were too many requests.", fix="Wait a minute, then call this again.")
    if status >= _GONE_WRONG:
        return SystemFailure(what, cause="GitLab is at fault, or restarts.", fix="Call this again in a minute.")
    return OperatorError(what, fix="Check --url: it is GitLab's own address, with its path if it has one.")


def silence(doing: str, url: str, fault: BaseException) -> ExecutorError:
    """The error for a request without an answer. The fault's own text is never shown."""
    kind, text = type(fault).__name__.lower(), str(fault).lower()
    what = f"{url} gave no answer to the request to {doing}"
    if "timeout" in kind or "timed out" in text:
        return SystemFailure(f"{what} in time.", fix="Check --url, the network and the proxy, then call this again.")
    if "ssl" in kind or "ssl" in text or "certificate" in text:
        if "certificate" in text:
            cause, fix = "Its certificate is not trusted here.", "Name its authority with --tls-ca-file FILE."
        else:
            cause, fix = "It does not speak TLS there.", "Check the port and whether the address begins with http:// ."
        return OperatorError(f"{what}.", cause=cause, fix=fix)
    return SystemFailure(f"{what}.", cause="Nothing listens there, or the name is unknown.", fix="Check --url.")


def _one_line(reason: str) -> str:
    text = " ".join(reason.split())
    return "".join(character if character.isprintable() else "?" for character in text)[:_LONGEST_REASON]
