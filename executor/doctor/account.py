"""The account that runs gitlab-runner, and the environment that its drivers get."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.doctor.processes import Process

SERVICE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNIT = "gitlab-runner.service"
UNIT_FOLDERS = ("lib/systemd/system", "usr/lib/systemd/system", "etc/systemd/system", "run/systemd/system")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who runs jobs. `source` is how we know: process, unit, owner of config.toml, or caller.

    `environment` is what the service gives its drivers; nothing of it is ever shown, but names.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str
    source: str
    environment: Mapping[str, str] = field(repr=False)

    @property
    def path(self) -> str:
        """PATH of the service."""
        return self.environment.get("PATH", SERVICE_PATH)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The systemd unit of gitlab-runner: settings of its files in their order, and whether it starts at boot."""

    settings: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)
    enabled: bool


def find_account(process: Process | None, unit: Unit | None, config: str) -> Account:
    """The running service's account, else the unit's, else what config.toml says or who owns it, else who calls us."""
    if process:
        environment = process.environment if process.environment is not None else _own_environment()
        return _account(process.uid, process.gid, process.groups, "process", environment)
    if unit:
        name = unit.settings.get("User", "root")
        found = _by_name(name)
        environment = {"PATH": SERVICE_PATH, **unit.environment}
        return _account(*found, "unit", environment) if found else _caller()
    if named := _by_name(_user_in(config)):
        return _account(*named, "user in config.toml", {**_own_environment(), "PATH": SERVICE_PATH})
    owner = _owner(config)
    if owner is not None and owner != os.geteuid() and os.geteuid() == 0:
        found = _by_uid(owner)
        return _account(*found, "owner of config.toml", {**_own_environment(), "PATH": SERVICE_PATH})
    return _caller()


def read_unit(root: str = "/") -> Unit | None:
    """What systemd knows of gitlab-runner; None where there is no such unit."""
    files = [path for folder in UNIT_FOLDERS for path in _unit_files(os.path.join(root, folder))]
    if not files:
        return None
    settings: dict[str, str] = {}
    environment: dict[str, str] = {}
    for path in files:
        _read_unit_file(path, settings, environment)
    enabled = bool(glob.glob(os.path.join(root, f"etc/systemd/system/*.wants/{UNIT}")))
    return Unit(settings=settings, environment=environment, enabled=enabled)


def _unit_files(folder: str) -> list[str]:
    own = os.path.join(folder, UNIT)
    return [path for path in (own, *sorted(glob.glob(f"{own}.d/*.conf"))) if os.path.isfile(path)]


def _read_unit_file(path: str, settings: dict[str, str], environment: dict[str, str]) -> None:
    with open(path, errors="replace") as file:
        lines = [line.strip() for line in file]
    for key, equals, value in (line.partition("=") for line in lines):
        if not equals or key.startswith(("#", ";")):
            continue
        if key == "Environment":
            pairs = re.findall(r'"([^"]*)"|(\S+)', value)
            environment |= dict(entry.split("=", 1) for pair in pairs if "=" in (entry := pair[0] or pair[1]))
        settings[key.strip()] = value.strip()


def _caller() -> Account:
    return _account(os.geteuid(), os.getegid(), tuple(os.getgroups()), "caller", _own_environment())


def _account(uid: int, gid: int, groups: tuple[int, ...], source: str, environment: Mapping[str, str]) -> Account:
    import pwd

    try:
        entry = pwd.getpwuid(uid)
        name, home = entry.pw_name, entry.pw_dir
    except KeyError:
        name, home = f"uid {uid}", "/"
    home = environment.get("HOME", home) if source in ("process", "caller") else home
    return Account(uid=uid, gid=gid, groups=groups, name=name, home=home, source=source, environment=environment)


def _by_name(name: str) -> tuple[int, int, tuple[int, ...]] | None:
    import pwd

    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except (KeyError, OverflowError, ValueError):
        return None
    return entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))


def _by_uid(uid: int) -> tuple[int, int, tuple[int, ...]]:
    return _by_name(str(uid)) or (uid, uid, (uid,))


def _user_in(config: str) -> str:
    """The top-level `user` of config.toml, where it can be read and we could become that user."""
    import tomllib

    try:
        with open(config, "rb") as file:
            user = tomllib.load(file).get("user", "")
    except (OSError, ValueError, RecursionError):
        return ""
    return user if isinstance(user, str) and os.geteuid() == 0 else ""


def _owner(path: str) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def _own_environment() -> dict[str, str]:
    return dict(os.environ)
