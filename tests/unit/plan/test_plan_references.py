"""Names of images come from jobs: what Docker would not take is refused before anything is asked for it."""

from __future__ import annotations

import pytest

from executor.plan.references import normalise_platform, split_version, with_tag

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("name", "complete"),
    [
        ("ruby", "ruby:latest"),
        ("ruby:3.2-slim", "ruby:3.2-slim"),
        (f"ruby@{DIGEST}", f"ruby@{DIGEST}"),
        (f"ruby:3@{DIGEST}", f"ruby:3@{DIGEST}"),
        ("group/app", "group/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("Registry.Example/app:V1", "Registry.Example/app:V1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        ("a__b.c-d/e--f", "a__b.c-d/e--f:latest"),
        (DIGEST, DIGEST),
    ],
)
def test_good_names_are_completed(name: str, complete: str) -> None:
    assert with_tag(name) == complete


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "not of the form"),
        ("a b", "a space"),
        ("ruby\n", "a space"),
        ("ruby\x00", "a character outside ASCII"),
        ("rubý", "outside ASCII"),
        ("-ruby", "starts with a dash"),
        ("--privileged", "starts with a dash"),
        ("Ruby", "small letters"),
        ("registry.example/Ruby:3", "small letters"),
        ("ruby:", "not of the form"),
        ("ruby:-x", "not of the form"),
        ("ruby:3:4", "not of the form"),
        ("ruby@sha256:abc", "not of the form"),
        ("a//b", "not of the form"),
        ("/ruby", "not of the form"),
        ("../ruby", "not of the form"),
        ("ruby/", "not of the form"),
        ("$(id)", "not of the form"),
        ("a" * 256, "too long"),
        (f"ruby:{'t' * 129}", "not of the form"),
    ],
)
def test_hostile_names_are_refused(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        with_tag(name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("redis", ("redis", "latest")),
        ("redis:7", ("redis", "7")),
        ("registry.example:5000/group/db:1", ("registry.example/group/db", "1")),
        (f"redis@{DIGEST}", ("redis", "latest")),
        ("not valid!", ("not valid!", "latest")),
    ],
)
def test_name_and_version(name: str, parts: tuple[str, str]) -> None:
    assert split_version(name) == parts


@pytest.mark.parametrize(
    ("written", "platform"),
    [
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("Linux/AMD64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux", "linux/amd64"),
        ("windows", "windows/amd64"),
    ],
)
def test_platforms(written: str, platform: str) -> None:
    assert normalise_platform(written, "linux/amd64") == platform


@pytest.mark.parametrize("written", ["a/b/c/d", "linux/", "linux arm", "/", "linux\n", "-x"])
def test_nonsense_platforms(written: str) -> None:
    with pytest.raises(ValueError, match="is not a platform"):
        normalise_platform(written, "linux/amd64")
