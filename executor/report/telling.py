"""What an operator's own token may tell in GitLab: a status of the commit, one note at the merge request.

Only what is worth telling is: a job that has begun to use clearly more, or was killed for memory. GitLab's note is one
for all jobs of a merge request, found again by a mark that readers do not see, and edited in place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.errors import SystemFailure
from executor.report.annotations import filled
from executor.report.words import change, size, span
from executor.usage.comparison import CPU, MEMORY, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    import gitlab

    from executor.usage.comparison import Change, Comparison
    from executor.usage.model import Usage, Verdict

MARK = "<!-- virida-executor: what jobs use -->"
TITLE = "**What jobs of this merge request use**"
SECONDS = 10.0
# GitLab's own bound of names and descriptions of a status.
LONGEST = 255
LONGEST_NAME = 120
OUT_OF_MEMORY = "oom"


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Where to tell: GitLab's `url`, where its token is, and what the operator wants. `link` is the status's target.

    The token itself is read when it is needed, and kept nowhere.
    """

    url: str
    token_file: str
    token_env: str
    commit_status: bool
    merge_request_note: bool
    link: str


def news_of(verdicts: Iterable[Verdict], comparison: Comparison | None) -> str:
    """What is worth telling of a job, in one line; "" for nothing."""
    killed = [verdict.happened for verdict in verdicts if verdict.code == OUT_OF_MEMORY]
    grown = [_grown(one, comparison) for one in comparison.regressions()] if comparison else []
    return "; ".join([*(text.rstrip(".") for text in killed), *grown])


def tell_gitlab(channels: Channels, usage: Usage, news: str) -> None:
    """Tell `news` where the operator wants it. `SystemFailure` where GitLab does not take it, or does not answer."""
    client = _client(channels)
    if channels.commit_status:
        _asked(channels, lambda: _set_status(client, channels, usage, news))
    number = usage.job.merge_request
    if channels.merge_request_note and number:
        _asked(channels, lambda: _write_note(client, usage, news, number))


def _grown(one: Change, comparison: Comparison | None) -> str:
    write = {TIME: span, CPU: span, MEMORY: size}[one.quantity]
    branch = comparison.branch if comparison else ""
    return f"{one.quantity} {write(one.value)}, {change(one.value, one.median)} against {branch} ({write(one.median)})"


def _client(channels: Channels) -> gitlab.Gitlab:
    """A client that follows no redirection: the token would go along."""
    import gitlab
    import requests

    session = requests.Session()
    session.max_redirects = 0
    return gitlab.Gitlab(channels.url, private_token=_token(channels), timeout=SECONDS, session=session)


def _token(channels: Channels) -> str:
    try:
        with open(channels.token_file) as file:
            token = file.read().strip()
    except OSError:
        token = os.environ.get(channels.token_env, "") if channels.token_env else ""
    if not token:
        raise SystemFailure(
            "Nothing is told in GitLab: [report] has no token that can be read.",
            fix="Set token_file under [report] in executor.toml; `executor doctor` looks at it.",
        )
    return token


def _set_status(client: gitlab.Gitlab, channels: Channels, usage: Usage, news: str) -> None:
    """A good status: what a job uses is no reason to stop a pipeline."""
    job = usage.job
    commit = client.projects.get(job.project_id, lazy=True).commits.get(job.sha, lazy=True)
    fields: dict[str, Any] = {
        "state": "success",
        "ref": job.ref,
        "name": f"usage/{job.key}"[:LONGEST],
        "description": news[:LONGEST],
    }
    fields |= {"pipeline_id": job.pipeline_id} if job.pipeline_id else {}
    fields |= {"target_url": filled(channels.link, usage)} if channels.link else {}
    commit.statuses.create(fields, obey_rate_limit=False)


def _write_note(client: gitlab.Gitlab, usage: Usage, news: str, number: int) -> None:
    """Only a note of our own is edited: anybody can write the mark. `number` is the merge request's."""
    user: Any = client.http_get("/user", obey_rate_limit=False)
    request = client.projects.get(usage.job.project_id, lazy=True).mergerequests.get(number, lazy=True)
    notes = request.notes.list(iterator=True, per_page=100, obey_rate_limit=False)
    note = next((note for note in notes if MARK in note.body and note.author["id"] == user["id"]), None)
    if note is None:
        request.notes.create({"body": body_of("", usage.job.key, news)}, obey_rate_limit=False)
    else:
        note.body = body_of(note.body, usage.job.key, news)
        note.save(obey_rate_limit=False)


def body_of(before: str, job: str, news: str) -> str:
    """The note's text: the lines of other jobs as they were, this job's line new."""
    start = f"- `{_plain(job)[:LONGEST_NAME]}`: "
    others = [line for line in before.splitlines() if line.startswith("- `") and not line.startswith(start)]
    return "\n".join([MARK, TITLE, "", *sorted([*others, start + _plain(news)])])


def _plain(text: str) -> str:
    """Nothing that Markdown or GitLab would make something of: names come from jobs."""
    kept = "".join(char if char.isprintable() else "?" for char in text)
    return kept.replace("`", "'").replace("<", "‹").replace("@", "@\u200b")


def _asked(channels: Channels, ask: Callable[[], None]) -> None:
    import gitlab
    import requests

    try:
        ask()
    except gitlab.exceptions.GitlabError as error:
        raise SystemFailure(
            f"{channels.url} takes no word on what jobs use ({error.response_code or type(error).__name__}).",
            cause="The token of [report] is revoked, or lacks the scope api or the role Developer.",
            fix="executor doctor reporting",
        ) from None
    except (requests.RequestException, AttributeError, KeyError, TypeError, ValueError) as error:
        raise SystemFailure(
            f"{channels.url} does not answer as GitLab does ({type(error).__name__}).", fix="executor doctor network"
        ) from None
