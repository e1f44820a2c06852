"""`executor cache push` and `pull` where there is no bucket, or none that answers."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from executor.cache.store.model import Place

if TYPE_CHECKING:
    from tests.unit.cli.caches import CacheHost

BUCKET = """
[runners.cache]
Type = "s3"
[runners.cache.s3]
ServerAddress = "127.0.0.1:{port}"
AccessKey = "key"
SecretKey = "a-secret-of-the-operator"
BucketName = "caches"
BucketLocation = "us-east-1"
Insecure = true
"""


@pytest.fixture
def deaf(host: CacheHost) -> CacheHost:
    """A host with one runner, whose bucket's server is not there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    first = host.config.read_text().split("[[runners]]")[1]
    host.config.write_text(f"[[runners]]{first}{BUCKET.format(port=port)}")
    return host


@pytest.mark.parametrize("command", [("push", "deps"), ("pull", "deps")])
class TestBoth:
    """What both have in common."""

    def test_no_bucket(self, host: CacheHost, capsys: pytest.CaptureFixture[str], command: tuple[str, str]) -> None:
        host.save()

        told = host.refusal(capsys, *command, "--runner", "one")

        assert "no bucket is there to share caches of runner one by." in told
        assert '[runners.cache] is of type "". Set Type = "s3"' in told

    def test_which_runner(self, host: CacheHost, capsys: pytest.CaptureFixture[str], command: tuple[str, str]) -> None:
        host.save()

        assert "2 [[runners]] that may be meant: one, two. Add --runner NAME" in host.refusal(capsys, *command)

    def test_mode_archive(self, deaf: CacheHost, capsys: pytest.CaptureFixture[str], command: tuple[str, str]) -> None:
        deaf.says('[cache]\nmode = "archive"')

        assert "caches are left to the runner's own archives" in deaf.refusal(capsys, *command)

    def test_a_server_that_is_not_there(
        self, deaf: CacheHost, capsys: pytest.CaptureFixture[str], command: tuple[str, str]
    ) -> None:
        deaf.save("deps")
        deaf.save("deps-2")

        assert deaf.call(command[0], "deps*") == 1

        told = capsys.readouterr()
        assert told.out == ""
        assert re.fullmatch(
            "(executor: deps(-2)?: The bucket of caches cannot be used. The store cannot be reached. .*\n){2}", told.err
        )
        assert "a-secret-of-the-operator" not in told.err
        assert deaf.store().records.leases() == []


def test_a_failed_push_as_json(deaf: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    deaf.save("deps")

    (one,) = deaf.answer(capsys, "push", "deps", code=1)["caches"]

    assert (one["key"], one["pushed"], one["uploaded"]) == ("deps", False, 0)
    assert "cannot be reached" in one["failure"]


def test_a_failed_pull_as_json(deaf: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = deaf.answer(capsys, "pull", "deps", "--project", "7", "--protected", code=1)["caches"]

    assert (one["key"], one["project_id"], one["protected"], one["fetched"]) == ("deps", 7, True, False)
    assert "cannot be reached" in one["failure"]


@pytest.mark.parametrize("words", [("deps",), ("deps", "--project", "virida/app"), ("", "--project", "7")])
def test_a_cache_that_is_not_here_needs_its_projects_number(
    deaf: CacheHost, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    told = deaf.refusal(capsys, "pull", *words)

    assert "write the key in full and add --project NUMBER." in told


def test_a_push_of_what_is_not_here(deaf: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    deaf.save("deps")

    assert "no cache matches dps. Did you mean deps?" in deaf.refusal(capsys, "push", "dps")


def test_only_this_runners_caches_are_meant(deaf: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    deaf.save("deps", runner="two")

    assert "no cache matches deps." in deaf.refusal(capsys, "push", "deps")


def test_what_was_in_the_bucket_is_shared(deaf: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    from executor.cache.store.adopting import note_blob

    first = deaf.save("deps")
    note_blob(deaf.store(), first.layers[0], "a" * 64, 100, 1000)
    assert deaf.answer(capsys, "ls")["caches"][0]["state"] == "shared"

    deaf.save("deps", base=deaf.store().peek(Place(project_id=7, trust="u", key="deps")))
    assert deaf.answer(capsys, "ls")["caches"][0]["state"] == "local"
