"""Where settings files are looked for, and files that cannot be read at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executor.errors import OperatorError
from executor.settings import document, load
from executor.settings.load import load_settings
from executor.settings.model import Settings

RUNNER = '[[runners]]\nname = "{name}"\nexecutor = "custom"\n'


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of the runner's own places, empty."""
    (tmp_path / "system").mkdir()
    (tmp_path / "home" / ".gitlab-runner").mkdir(parents=True)
    monkeypatch.setattr(load, "SYSTEM_FOLDER", str(tmp_path / "system"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def error_of(config: str) -> str:
    with pytest.raises(OperatorError) as caught:
        load_settings(config=config)
    return caught.value.one_line()


def test_no_file_is_needed() -> None:
    assert load_settings(config=None) == Settings()


def test_the_systems_file_comes_before_the_users(tmp_path: Path) -> None:
    users = put(tmp_path / "home/.gitlab-runner/config.toml", RUNNER.format(name="users"))
    assert load_settings(config=None).runner.name == "users"
    assert load_settings(config=None).config_file == str(users)

    system = put(tmp_path / "system/config.toml", RUNNER.format(name="system"))
    assert load_settings(config=None).runner.name == "system"
    assert load_settings(config=None).config_file == str(system)


def test_a_named_file_is_the_only_one_read(tmp_path: Path) -> None:
    put(tmp_path / "system/config.toml", RUNNER.format(name="system"))
    put(tmp_path / "system/executor.toml", '[helper]\nimage = "system"\n')
    named = put(tmp_path / "named.toml", RUNNER.format(name="named"))

    settings = load_settings(config=str(named))

    assert (settings.runner.name, settings.helper.image, settings.executor_file) == ("named", "", "")


def test_the_environment_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONFIG_FILE reaches the driver from the runner, and names its default file whatever `-c` says."""
    monkeypatch.setenv("CONFIG_FILE", str(put(tmp_path / "other.toml", RUNNER.format(name="other"))))
    assert load_settings(config=None) == Settings()


def test_executor_toml_lies_beside_config_toml(tmp_path: Path) -> None:
    config = put(tmp_path / "config.toml", RUNNER.format(name="virida-1"))
    beside = put(tmp_path / "executor.toml", '[helper]\nimage = "beside"\n')

    settings = load_settings(config=str(config))

    assert (settings.helper.image, settings.executor_file) == ("beside", str(beside))


@pytest.mark.parametrize("folder", ["system", "home/.gitlab-runner"])
def test_executor_toml_without_config_toml(tmp_path: Path, folder: str) -> None:
    put(tmp_path / folder / "executor.toml", '[storage]\nstate_dir = "/srv"\n')

    settings = load_settings(config=None)

    assert (settings.storage.state_dir, settings.config_file) == ("/srv", "")


def test_a_relative_path_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "config.toml", RUNNER.format(name="virida-1"))
    monkeypatch.chdir(tmp_path)

    assert load_settings(config="config.toml").config_file == str(tmp_path / "config.toml")


def test_an_empty_file_gives_defaults_and_a_warning() -> None:
    settings = load_settings(config=os.devnull)
    assert settings.warnings == ("/dev/null: there is no [[runners]] in it: the defaults apply.",)


def test_a_named_file_that_is_missing(tmp_path: Path) -> None:
    assert error_of(f"{tmp_path}/config.toml") == (
        f"{tmp_path}/config.toml cannot be read: No such file or directory. "
        "Give --config the file that `gitlab-runner list` names as ConfigFile."
    )


def test_an_empty_name() -> None:
    assert error_of("") == "--config names no file. Give it the path of gitlab-runner's config.toml."


def test_a_runner_name_without_a_file() -> None:
    with pytest.raises(OperatorError, match=r"no config\.toml to find the runner virida-1 in"):
        load_settings(config=None, runner="virida-1")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert f"{tmp_path} cannot be read: Is a directory." in error_of(str(tmp_path))


@pytest.mark.parametrize("name", ["config.toml", "executor.toml"])
def test_a_link_that_leads_nowhere_is_not_passed_over(tmp_path: Path, name: str) -> None:
    """Defaults in its place would silently drop the operator's allow-lists."""
    (tmp_path / "system" / name).symlink_to("/nowhere/settings.toml")

    with pytest.raises(OperatorError) as caught:
        load_settings(config=None)

    assert caught.value.one_line() == (
        f"{tmp_path}/system/{name} cannot be read: No such file or directory. "
        "It is a link to /nowhere/settings.toml: put the file there or correct the link."
    )


def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read all files, so the refusal is the kernel's error without its rule."""
    config = put(tmp_path / "system/config.toml", RUNNER.format(name="system"))
    if os.geteuid() == 0:

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied", str(config))

        monkeypatch.setattr("builtins.open", refuse)
    else:
        config.chmod(0)

    with pytest.raises(OperatorError) as caught:
        load_settings(config=None)

    assert caught.value.one_line() == (
        f"{config} cannot be read: Permission denied. "
        f"Run as the user that runs gitlab-runner, or let uid {os.geteuid()} read it."
    )


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b'concurrent = 1\n# caf\xe9\n[[runners]]\ntoken = "secret\xff"\n')
    assert error_of(f"{tmp_path}/config.toml") == (
        f"{tmp_path}/config.toml, line 2: byte 0xe9 is not UTF-8. Save the file as UTF-8."
    )


def test_a_file_without_end() -> None:
    assert error_of("/dev/zero") == (
        f"/dev/zero is larger than {document.LARGEST_FILE // 1024} KiB: that is no settings file. "
        "Give --config the config.toml of gitlab-runner."
    )


def test_a_file_as_large_as_allowed_is_read(tmp_path: Path) -> None:
    text = RUNNER.format(name="virida-1")
    config = put(tmp_path / "config.toml", text + "#" * (document.LARGEST_FILE - len(text)))
    assert load_settings(config=str(config)).runner.name == "virida-1"


def test_nesting_without_end(tmp_path: Path) -> None:
    config = put(tmp_path / "config.toml", "a = " + "[" * 100_000)
    assert error_of(str(config)) == f"{config}: arrays or tables are nested too deep. Flatten them."


def test_a_number_without_end(tmp_path: Path) -> None:
    config = put(tmp_path / "config.toml", "concurrent = " + "1" * 10_000)
    assert error_of(str(config)) == f"{config} is not TOML: a value in it cannot be read. Correct the value."


def test_warnings_without_end(tmp_path: Path) -> None:
    keys = "".join(f"unknown{number} = 1\n" for number in range(100))
    config = put(tmp_path / "config.toml", keys + RUNNER.format(name="virida-1"))

    warnings = load_settings(config=str(config)).warnings

    assert len(warnings) == document.MOST_WARNINGS + 1
    assert warnings[-1] == f"{config}: further warnings are left out."
