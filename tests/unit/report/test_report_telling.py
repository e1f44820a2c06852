"""What an operator's token tells in GitLab, tried against a small one that also refuses, hangs and sends elsewhere."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from executor.errors import SystemFailure
from executor.report import telling
from executor.report.telling import MARK, Channels, body_of, news_of, tell_gitlab
from tests.unit.report.builders import OOM, a_comparison, a_job, a_usage
from tests.unit.report.gitlab import TOKEN, GitLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRANGER = 8


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    made = GitLab()
    yield made
    made.server.shutdown()


@pytest.fixture
def channels(gitlab: GitLab, tmp_path: Path) -> Channels:
    """Both channels, with a token in a file."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return Channels(
        url=gitlab.url,
        token_file=str(file),
        token_env="",
        commit_status=True,
        merge_request_note=True,
        link="https://usage.example/{job}",
    )


USAGE = replace(a_usage(), job=a_job(merge_request=12))


def test_only_what_got_worse_or_was_killed_is_news() -> None:
    assert news_of([], None) == ""
    assert news_of([replace(OOM, code="throttled")], None) == ""
    assert news_of([OOM], None) == OOM.happened.rstrip(".")
    assert "memory" in news_of([], a_comparison())
    assert "against main" in news_of([], a_comparison())


def test_a_status_is_good_whatever_it_says(gitlab: GitLab, channels: Channels) -> None:
    tell_gitlab(channels, USAGE, "memory 2.4 GiB" + "x" * 300)

    (status,) = gitlab.statuses
    assert (status["sha"], status["state"], status["name"]) == (USAGE.job.sha, "success", "usage/build:frontend")
    assert (len(status["description"]), status["pipeline_id"]) == (255, USAGE.job.pipeline_id)
    assert status["target_url"] == f"https://usage.example/{USAGE.job.id}"
    assert gitlab.tokens == {TOKEN}


def test_one_note_has_a_line_for_each_job_and_is_edited_in_place(gitlab: GitLab, channels: Channels) -> None:
    for key, news in (("test", "first"), ("build", "second"), ("test", "third")):
        tell_gitlab(channels, replace(USAGE, job=a_job(merge_request=12, key=key)), news)

    (note,) = gitlab.notes
    assert note["body"].splitlines()[-2:] == ["- `build`: second", "- `test`: third"]


def test_a_strangers_note_with_the_mark_is_left_alone(gitlab: GitLab, channels: Channels) -> None:
    gitlab.notes.append({"id": 1, "author": {"id": STRANGER}, "body": MARK})
    tell_gitlab(channels, USAGE, "news")

    assert gitlab.notes[0]["body"] == MARK
    assert len(gitlab.notes) == 2


def test_without_a_merge_request_there_is_no_note(gitlab: GitLab, channels: Channels) -> None:
    tell_gitlab(channels, a_usage(), "news")

    assert (len(gitlab.statuses), gitlab.notes) == (1, [])


def test_names_of_jobs_are_words_and_nothing_else() -> None:
    body = body_of("", "a`<img src=x>\n- `other`: @all", "new")

    assert body.splitlines()[-1] == "- `a'‹img src=x>?- 'other': @\u200ball`: new"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 502])
def test_a_refusal_is_one_line_without_the_token(gitlab: GitLab, channels: Channels, status: int) -> None:
    gitlab.status, gitlab.headers = status, {"Retry-After": "30"}
    began = time.monotonic()
    with pytest.raises(SystemFailure) as caught:
        tell_gitlab(channels, USAGE, "news")

    assert str(status) in caught.value.one_line()
    assert TOKEN not in caught.value.one_line()
    assert time.monotonic() - began < 5


def test_a_redirection_is_not_followed(gitlab: GitLab, channels: Channels) -> None:
    elsewhere = GitLab()
    gitlab.status, gitlab.headers = 302, {"Location": f"{elsewhere.url}/api/v4/user"}
    with pytest.raises(SystemFailure):
        tell_gitlab(channels, USAGE, "news")

    assert elsewhere.tokens == set()
    elsewhere.server.shutdown()


def test_a_server_that_hangs_or_is_not_there_is_given_up(
    gitlab: GitLab, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "SECONDS", 0.2)
    gitlab.delay = 2.0
    for url in (gitlab.url, "http://127.0.0.1:1"):
        with pytest.raises(SystemFailure, match="does not answer as GitLab does"):
            tell_gitlab(replace(channels, url=url), USAGE, "news")


def test_a_server_that_is_no_gitlab_is_told(gitlab: GitLab, channels: Channels) -> None:
    gitlab.status = 200
    with pytest.raises(SystemFailure, match="does not answer as GitLab does"):
        tell_gitlab(replace(channels, commit_status=False), USAGE, "news")


def test_without_a_token_nothing_is_asked(gitlab: GitLab, channels: Channels) -> None:
    with pytest.raises(SystemFailure, match="no token that can be read"):
        tell_gitlab(replace(channels, token_file="/nowhere", token_env="NOT_SET"), USAGE, "news")

    assert gitlab.tokens == set()


def test_a_token_of_the_services_environment(
    gitlab: GitLab, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORT_TOKEN", TOKEN)
    tell_gitlab(replace(channels, token_file="", token_env="REPORT_TOKEN"), USAGE, "news")

    assert gitlab.tokens == {TOKEN}
