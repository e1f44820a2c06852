"""`executor register` and `executor unregister` against a small GitLab: what is asked, what becomes of config.toml."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from executor.settings.load import load_settings
from executor.setup.template import new_file
from tests.unit.setup.gitlab import ACCESS_TOKEN, NUMBER, RUNNER_TOKEN, GitLab

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.setup.conftest import Host

OTHERS = """\
# Ours, since 2021
concurrent=7   # many


[session_server]
  session_timeout = 1800

[[runners]] # the old one
  name = 'old'
  url = "https://gitlab.example.com"
  token = "glrt-old"
  executor = "docker"
  environment = [
    "A=[runners]",
    'B=1' ]
  [runners.docker]
    image = "ruby:3"    # do not touch

# the end
"""


def runners(host: Host) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(host.config.read_text()).get("runners", [])
    return found


def register(host: Host, gitlab: GitLab, *words: str, code: int = 0) -> str:
    return host.call("register", "--url", gitlab.url, "--name", "mine", *words, stdin=f"{RUNNER_TOKEN}\n", code=code)


def test_from_nothing(host: Host, gitlab: GitLab) -> None:
    host.call("install")

    told = register(host, gitlab)

    assert f"runner {NUMBER}" in told
    assert gitlab.requests == [("POST", "/api/v4/runners/verify", {"token": RUNNER_TOKEN})]
    settings = load_settings(config=str(host.config), runner="mine")
    assert settings.warnings == ()
    assert settings.storage.state_dir == str(host.state_dir)
    assert settings.runner.url == gitlab.url
    assert stat.S_IMODE(host.config.stat().st_mode) == 0o600
    assert tomllib.loads(host.config.read_text())["concurrent"] == 4


def test_every_key_that_is_a_trap_is_set(host: Host, gitlab: GitLab) -> None:
    host.call("install")
    register(host, gitlab)

    (runner,) = runners(host)
    custom = runner["custom"]
    for phase in ("config", "prepare", "run", "cleanup"):
        assert custom[f"{phase}_exec"] == str(host.start_script)
        assert custom[f"{phase}_args"] == [phase, "--config", str(host.config), "--runner", "mine"]
    # A script has 14 seconds to end (stages/ending.py); the runner calls cleanup 300 after a cancel, come what may.
    assert 14 < custom["graceful_kill_timeout"] + custom["force_kill_timeout"] < 300
    assert (runner["executor"], runner["shell"]) == ("custom", "bash")
    assert (runner["builds_dir"], runner["cache_dir"]) == ("/builds", "/cache")
    assert runner["safe_directory_checkout"] is True
    assert runner["custom_build_dir"]["enabled"] is True


@pytest.mark.parametrize(
    "text",
    [
        OTHERS,
        OTHERS.replace("\n", "\r\n"),
        OTHERS.rstrip("\n"),
        "\ufeff" + OTHERS,
        "\n",
        "concurrent = 1\n",
        "# only a comment",
        '[[runners]]\nname = "a"\n[runners.custom]\nrun_exec = "/x"\n\n\n',
    ],
)
def test_not_another_byte_is_touched(host: Host, gitlab: GitLab, text: str) -> None:
    host.write_config(text)

    register(host, gitlab)
    registered = host.config.read_bytes()
    assert registered.startswith(text.encode())
    assert runners_of(registered)[-1]["name"] == "mine"

    host.call("unregister", "--runner", "mine")
    left = host.config.read_bytes()
    newline = b"\r\n" if b"\r\n" in text.encode() else b"\n"
    assert left.rstrip(b"\r\n") == text.encode().rstrip(b"\r\n")
    assert len(left) - len(text.encode()) in (0, len(newline) if text and not text.endswith("\n") else 0)


def test_an_empty_file_gets_what_a_new_one_has(host: Host, gitlab: GitLab) -> None:
    host.write_config("")
    register(host, gitlab)
    host.call("unregister")

    assert host.config.read_text() == new_file()


def runners_of(content: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(content.decode("utf-8-sig")).get("runners", [])
    return found


def test_a_section_between_others_is_taken_out_alone(host: Host) -> None:
    first = (
        '[[runners]]\n  name = "one"\n  executor = "custom"\n  token = """\n[[runners]]\n"""\n  [runners.custom]\n\n'
    )
    second = "# about two\n[[runners]]\n  name = 'two'\n  [runners.docker]\n    image = \"x\"\n"
    last = "\n[session_server]\n  session_timeout = 1\n"
    host.write_config(first + second + last)

    host.call("unregister", "--runner", "two")
    assert host.config.read_text() == first + "# about two\n" + last

    host.write_config(first + second + last)
    host.call("unregister")
    assert host.config.read_text() == "\n" + second + last

    host.write_config("\ufeff" + second.replace("# about two\n", "") + "# \u2028 \x85\n" + first)
    host.call("unregister", "--runner", "two")
    assert host.config.read_text() == "# \u2028 \x85\n" + first


def test_what_it_was_is_kept_for_its_owner_alone(host: Host, gitlab: GitLab) -> None:
    host.write_config(OTHERS)
    host.config.chmod(0o644)

    register(host, gitlab)

    backup = host.config.with_name("config.toml.backup")
    assert backup.read_text() == OTHERS
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.config.stat().st_mode) == 0o600
    assert sorted(path.name for path in host.config.parent.iterdir()) == ["config.toml", "config.toml.backup"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_its_owner_stays(host: Host, gitlab: GitLab) -> None:
    host.write_config(OTHERS)
    os.chown(host.config, 65534, 65534)

    register(host, gitlab)

    for path in (host.config, host.config.with_name("config.toml.backup")):
        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_a_link_is_followed(host: Host, gitlab: GitLab, tmp_path: Path) -> None:
    host.write_config(OTHERS)
    real = tmp_path / "real.toml"
    host.config.rename(real)
    host.config.symlink_to(real)

    register(host, gitlab)

    assert host.config.is_symlink()
    assert runners_of(real.read_bytes())[-1]["name"] == "mine"


def test_the_same_name_twice(host: Host, gitlab: GitLab) -> None:
    host.write_config("")
    register(host, gitlab)
    before = host.config.read_bytes()

    assert "--replace" in register(host, gitlab, code=2)
    assert len(gitlab.requests) == 1
    assert host.config.read_bytes() == before
    register(host, gitlab, "--replace")
    assert host.config.read_bytes() == before


def test_the_same_token_under_another_name(host: Host, gitlab: GitLab) -> None:
    host.write_config("")
    register(host, gitlab)
    before = host.config.read_bytes()

    told = host.call("register", "--url", gitlab.url, "--name", "other", stdin=RUNNER_TOKEN, code=2)

    assert "has this token already, in the runner called mine" in told
    assert host.config.read_bytes() == before


def test_a_docker_runner_is_taken_over(host: Host, gitlab: GitLab) -> None:
    host.call("install")
    host.write_config(OTHERS)

    host.call("register", "--url", gitlab.url, "--name", "old", "--replace", stdin=RUNNER_TOKEN)

    (runner,) = runners(host)
    assert (runner["token"], runner["executor"], runner["url"]) == (RUNNER_TOKEN, "custom", gitlab.url)
    assert runner["docker"] == {"image": "ruby:3"}
    assert runner["environment"] == ["A=[runners]", "B=1"]
    assert runner["custom"]["run_exec"] == str(host.start_script)
    text = host.config.read_text()
    kept = [line for line in OTHERS.splitlines() if "url" not in line and "token" not in line and "exec" not in line]
    assert [line for line in kept if line not in text.splitlines()] == []


def test_its_own_folders_stay_if_they_are_absolute(host: Host, gitlab: GitLab) -> None:
    host.write_config('[[runners]]\nname = "mine"\nid = 1\nbuilds_dir = "/work"\ncache_dir = "relative"\n')

    register(host, gitlab, "--replace")

    (runner,) = runners(host)
    assert (runner["builds_dir"], runner["cache_dir"], runner["id"]) == ("/work", "/cache", NUMBER)


def test_a_certificate_authority_is_entered(host: Host, gitlab: GitLab, tmp_path: Path) -> None:
    import certifi

    host.write_config("")
    register(host, gitlab, "--tls-ca-file", certifi.where())

    (runner,) = runners(host)
    assert runner["tls-ca-file"] == certifi.where()
    assert runner["custom"]["graceful_kill_timeout"] == 30


def test_names_that_toml_must_quote(host: Host, gitlab: GitLab) -> None:
    host.write_config("")
    name = 'a "b" \\ @TOKEN@ é'
    host.call("register", "--url", gitlab.url, "--name", name, stdin=RUNNER_TOKEN)

    assert runners(host)[0]["name"] == name
    assert runners(host)[0]["custom"]["run_args"][-1] == name
    host.call("unregister", "--runner", name)
    assert runners(host) == []


@pytest.mark.parametrize("text", ["runners = []\n", 'runners = [{name = "a"}]\n', "[runners]\nname = 'x'\n"])
def test_files_that_cannot_be_added_to(host: Host, gitlab: GitLab, text: str) -> None:
    host.write_config(text)

    told = register(host, gitlab, code=2)

    assert "[[runners]]" in told
    assert host.config.read_text() == text


def test_a_file_that_is_no_toml(host: Host, gitlab: GitLab) -> None:
    host.write_config("concurrent = \n")

    assert "config.toml, line 1" in register(host, gitlab, code=2)
    assert gitlab.requests == []


def test_without_a_folder_for_it(host: Host, gitlab: GitLab) -> None:
    assert "executor install" in register(host, gitlab, code=2)
    assert gitlab.requests == []


def test_a_token_from_a_file(host: Host, gitlab: GitLab, tmp_path: Path) -> None:
    host.write_config("")
    file = tmp_path / "token"
    file.write_text(f"{RUNNER_TOKEN}\n")
    file.chmod(0o644)
    words = ("register", "--url", gitlab.url, "--name", "mine", "--token-file", str(file))

    assert f"chmod 600 {file}" in host.call(*words, code=2)
    file.chmod(0o600)
    host.call(*words)
    assert runners(host)[0]["token"] == RUNNER_TOKEN


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "there is no token"),
        ("GR1348941" + "xyz", "registration token"),
        ("glpat-" + "xyz", "personal access token"),
        ("glrt-a b", "characters that no token has"),
        ("glrt-$HOME", "characters that no token has"),
        ('glrt-"\\n', "characters that no token has"),
    ],
)
def test_what_is_no_token(host: Host, gitlab: GitLab, token: str, message: str) -> None:
    host.write_config("")
    told = host.call("register", "--url", gitlab.url, stdin=f"{token}\n", code=2)

    assert message in told
    assert not token or token not in told
    assert gitlab.requests == []


@pytest.mark.parametrize(
    "url",
    ["gitlab.example.com", "ftp://a", "https://", "https://user:secret@a", "https://a?x=1", "http://a:x", "http://a$b"],
)
def test_what_is_no_address(host: Host, url: str) -> None:
    host.write_config("")
    told = host.call("register", "--url", url, stdin=RUNNER_TOKEN, code=2)

    assert "--url" in told
    assert "secret" not in told


STATUSES = [
    (301, 2, "sends us elsewhere"),
    (302, 2, "sends us elsewhere"),
    (400, 2, "Check --url"),
    (401, 2, "does not know this token"),
    (403, 2, "was deleted"),
    (404, 2, "No API of GitLab"),
    (409, 2, "answered 409"),
    (422, 2, "no token of this form"),
    (429, 1, "Wait a minute"),
    (500, 1, "GitLab is at fault"),
    (503, 1, "GitLab is at fault"),
]


@pytest.mark.parametrize(("status", "code", "message"), STATUSES)
def test_what_gitlab_answers(host: Host, gitlab: GitLab, status: int, code: int, message: str) -> None:
    host.write_config(OTHERS)
    gitlab.fail(status, Location=f"{gitlab.url}/elsewhere")

    assert message in register(host, gitlab, code=code)
    assert host.config.read_text() == OTHERS
    assert len(gitlab.requests) == 1


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"id": "x"}'])
def test_who_answers_is_no_gitlab(host: Host, gitlab: GitLab, body: str) -> None:
    host.write_config(OTHERS)
    gitlab.fail(200, body)

    assert "does not answer as GitLab does" in register(host, gitlab, code=1)
    assert host.config.read_text() == OTHERS


def test_nobody_listens(host: Host) -> None:
    host.write_config("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert "gave no answer" in host.call("register", "--url", url, stdin=RUNNER_TOKEN, code=1)


def test_there_is_no_tls(host: Host, gitlab: GitLab) -> None:
    host.write_config("")
    told = host.call("register", "--url", f"https://{gitlab.address}", stdin=RUNNER_TOKEN, code=2)

    assert "does not speak TLS" in told


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for the loopback that signs itself, with its key."""
    path = tmp_path / "gitlab.pem"
    wanted = ["-subj", "/CN=gitlab", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(path),
        "-out",
        str(tmp_path / "c"),
    ]
    subprocess.run([*made, *wanted], check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "c").read_text())
    return path


@pytest.mark.parametrize("words", [(), ("--create",)])
def test_an_authority_of_ones_own(host: Host, certificate: Path, words: tuple[str, ...]) -> None:
    host.write_config("")
    gitlab = GitLab(certificate)
    host.environment["GITLAB_TOKEN"] = ACCESS_TOKEN

    assert "certificate is not trusted" in register(host, gitlab, *words, code=2)
    register(host, gitlab, *words, "--tls-ca-file", str(certificate))
    gitlab.close()

    assert runners(host)[0]["tls-ca-file"] == str(certificate)


def test_gitlab_hangs(gitlab: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    from executor.errors import SystemFailure
    from executor.setup import creation, runner_token

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(runner_token, "SECONDS", 0.2)
    monkeypatch.setattr(creation, "SECONDS", 0.2)
    gitlab.delay = 2

    with pytest.raises(SystemFailure, match="in time"):
        runner_token.verify(gitlab.url, RUNNER_TOKEN)
    with pytest.raises(SystemFailure, match="in time"):
        creation.create(gitlab.url, ACCESS_TOKEN, creation.NewRunner(description="x", tags=()))


def create(host: Host, gitlab: GitLab, *words: str, code: int = 0) -> str:
    host.environment["GITLAB_TOKEN"] = ACCESS_TOKEN
    return host.call("register", "--url", gitlab.url, "--name", "mine", "--create", *words, code=code)


def test_a_runner_is_created(host: Host, gitlab: GitLab) -> None:
    host.write_config("")
    options = ("--project", "virida/app", "--tags", "virida, gpu", "--protected", "--locked", "--max-time", "2h")

    create(host, gitlab, *options)

    assert gitlab.asked() == [
        "GET /api/v4/projects/virida%2Fapp",
        "POST /api/v4/user/runners",
        "POST /api/v4/runners/verify",
    ]
    assert gitlab.requests[1][2] == {
        "runner_type": "project_type",
        "project_id": 7,
        "description": "mine",
        "tag_list": "virida,gpu",
        "access_level": "ref_protected",
        "locked": True,
        "paused": False,
        "run_untagged": False,
        "maximum_timeout": 7200,
    }
    assert runners(host)[0]["token"] == RUNNER_TOKEN
    assert ACCESS_TOKEN not in host.config.read_text()


@pytest.mark.parametrize(
    ("words", "fields"),
    [((), {"runner_type": "instance_type"}), (("--group", "12"), {"runner_type": "group_type", "group_id": 12})],
)
def test_kinds_of_runners(host: Host, gitlab: GitLab, words: tuple[str, ...], fields: dict[str, Any]) -> None:
    host.write_config("")
    create(host, gitlab, *words)

    assert fields.items() <= gitlab.requests[0][2].items()


CREATION = [
    (301, 2, "sends us elsewhere"),
    (307, 2, "sends us elsewhere"),
    (400, 2, "tag list is empty"),
    (401, 2, "wrong, expired or revoked"),
    (403, 2, "scope create_runner"),
    (404, 2, "no such group or project"),
    (409, 2, "has one already"),
    (422, 2, "tag list is empty"),
    (429, 1, "Wait a minute"),
    (500, 1, "GitLab is at fault"),
]


@pytest.mark.parametrize(("status", "code", "message"), CREATION)
def test_what_gitlab_answers_to_creation(host: Host, gitlab: GitLab, status: int, code: int, message: str) -> None:
    host.write_config(OTHERS)
    gitlab.fail(status, '{"message": "tag list is empty"}', Location=f"{gitlab.url}/elsewhere")

    assert message in create(host, gitlab, code=code)
    assert host.config.read_text() == OTHERS
    assert gitlab.asked() == ["POST /api/v4/user/runners"]


def test_a_runner_that_cannot_be_entered_is_deleted_again(host: Host, gitlab: GitLab) -> None:
    host.write_config("")
    gitlab.fail(500, only="verify")

    create(host, gitlab, code=1)

    assert gitlab.asked()[-1] == "DELETE /api/v4/runners"
    assert gitlab.requests[-1][2] == {"token": RUNNER_TOKEN}
    assert host.config.read_text() == ""


def test_nothing_is_created_where_it_could_not_be_entered(host: Host, gitlab: GitLab) -> None:
    host.write_config('[[runners]]\nname = "mine"\n')

    assert "already" in create(host, gitlab, code=2)
    assert gitlab.requests == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--create", "--token-file", "x"), "not allowed with"),
        (("--create", "--group", "1", "--project", "2"), "not allowed with"),
        (("--locked",), "--locked is for --create"),
        (("--create", "--max-time", "soon"), "--max-time"),
        (("--name", "a\nb"), "a name that can be shown"),
        (("--tls-ca-file", "/nowhere"), "no file /nowhere"),
        (("--executor", "/nowhere"), "cannot be started"),
        (("--create",), "there is no token"),
        (("--token", ""), "there is no token"),
    ],
)
def test_wrong_calls(host: Host, gitlab: GitLab, words: tuple[str, ...], message: str) -> None:
    host.write_config("")
    assert message in host.call("register", "--url", gitlab.url, *words, code=2)
    assert gitlab.requests == []


def test_unregister_deletes_at_gitlab(host: Host, gitlab: GitLab) -> None:
    host.write_config(OTHERS)
    register(host, gitlab)

    told = host.call("unregister", "--runner", "mine", "--delete")

    assert f"Deleted at {gitlab.url}" in told
    assert gitlab.requests[-1] == ("DELETE", "/api/v4/runners", {"token": RUNNER_TOKEN})
    assert host.config.read_text() == OTHERS


def test_unregister_what_gitlab_has_forgotten(host: Host, gitlab: GitLab) -> None:
    host.write_config(OTHERS)
    register(host, gitlab)
    gitlab.fail(403)

    assert "does not know it" in host.call("unregister", "--delete")
    assert host.config.read_text() == OTHERS


@pytest.mark.parametrize(("status", "code"), [(302, 2), (404, 2), (429, 1), (500, 1)])
def test_unregister_without_an_answer_changes_nothing(host: Host, gitlab: GitLab, status: int, code: int) -> None:
    host.write_config(OTHERS)
    register(host, gitlab)
    before = host.config.read_bytes()
    gitlab.fail(status, Location="/x")

    host.call("unregister", "--delete", code=code)
    assert host.config.read_bytes() == before


def test_unregister_whom(host: Host, gitlab: GitLab) -> None:
    host.write_config(OTHERS)
    assert "It has: old" in host.call("unregister", code=2)
    assert "no [[runners]] called nobody" in host.call("unregister", "--runner", "nobody", code=2)
    host.write_config('[[runners]]\nname="a"\nexecutor="custom"\n[[runners]]\nname="b"\nexecutor="custom"\n')
    assert "--runner NAME" in host.call("unregister", code=2)


def test_the_token_is_in_no_command_line(host: Host, gitlab: GitLab) -> None:
    """While the command waits for GitLab, every process of this host is looked at."""
    host.write_config("")
    gitlab.delay = 1
    thread = threading.Thread(target=register, args=(host, gitlab))
    thread.start()
    while not gitlab.requests:
        thread.join(0.01)
    lines = [path.read_bytes() for path in _command_lines()]
    thread.join()

    assert any(b"register" in line for line in lines)
    assert not any(RUNNER_TOKEN.encode() in line for line in lines)


def _command_lines() -> list[Path]:
    from pathlib import Path

    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
