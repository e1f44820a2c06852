"""The Docker Engine: whether it answers, to whom, and whether it comes back."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

from executor.doctor.model import Repair, Skip, Verdict, check, error, note, passed, warning
from executor.errors import ExecutorError

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

OLDEST_API = (1, 41)
OLDEST_ENGINE = (20, 10)
SLOW_SECONDS = 1.0
MANY_CONTAINERS = 500
NO_JOB = "Every job fails in prepare."
DAEMON_FILE = "/etc/docker/daemon.json"
RESTART = "systemctl restart docker   # ends running jobs"


@check("docker.socket.present", "The Engine's socket is there")
def socket_present(scene: Scene) -> Verdict:
    """Of an Engine on this host."""
    path = _socket(scene)
    if not os.path.exists(path):
        return error(
            f"There is no {path}.",
            expected="the socket of a running Docker Engine",
            why=f"Docker is not installed or not started. {NO_JOB}",
            fix=("systemctl start docker", "apt-get install docker.io   # where it is not installed"),
        )
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        return error(
            f"{path} is not a socket.",
            expected="the socket of a running Docker Engine",
            why=f"Something else made it while Docker was stopped. {NO_JOB}",
            fix=f"rm -r {path} && systemctl restart docker",
        )
    return passed(path)


@check("docker.socket.permission", "The account that runs jobs may use the Engine's socket")
def socket_permission(scene: Scene) -> Verdict:
    """As the running service may: a new group counts only after its restart."""
    path = _socket(scene)
    if not os.path.exists(path):
        raise Skip("there is no socket")
    if scene.world.may(path, os.R_OK | os.W_OK):
        return passed(path)
    name, group = scene.account.name, os.stat(path).st_gid
    if group in os.getgrouplist(name, scene.account.gid) and group not in (scene.account.gid, *scene.account.groups):
        return error(
            f"{name} is in the group of {path} ({_owner(path)}), and the running service was started before.",
            expected="a service that has the group",
            why=NO_JOB,
            fix="systemctl restart gitlab-runner",
        )
    return error(
        f"The service account {name} cannot open {path} ({_owner(path)}).",
        expected=f"{name} in the socket's group, also of the running service",
        why=NO_JOB,
        fix=f"usermod -aG {_group(path)} {name} && systemctl restart gitlab-runner",
    )


@check("docker.socket.mode", "Only root and one group may use the Engine's socket")
def socket_mode(scene: Scene) -> Verdict:
    """Who may write to it is root."""
    path = _socket(scene)
    if not os.path.exists(path):
        raise Skip("there is no socket")
    if not os.stat(path).st_mode & stat.S_IWOTH:
        return passed(_owner(path))
    return warning(
        f"{path} is open to every user of this host ({_owner(path)}).",
        expected="0660 root:docker",
        why="Whoever may use it can become root here, a process that leaves its sandbox included.",
        fix=f"chmod 660 {path}",
        repair=Repair(what=f"chmod 660 {path}", do=lambda: os.chmod(path, 0o660)),
    )


@check("docker.engine.local", "The Engine shares this host's folders")
def engine_local(scene: Scene) -> Verdict:
    """Sources and control folders are mounted from this host."""
    host = scene.endpoint.host
    if scene.endpoint.local or re.match(r"(tcp|https?)://(localhost|127\.|\[::1\])", host):
        return passed(host)
    return warning(
        f"The Engine is at {host}, on another host.",
        expected="an Engine of this host",
        why="The driver mounts folders of this host into jobs: an Engine elsewhere finds other ones there.",
        fix=f"run gitlab-runner on that host, or take `host` out of {scene.config} and DOCKER_HOST out of the service",
    )


@check("docker.engine.answers", "The Engine answers")
def engine_answers(scene: Scene) -> Verdict:
    """Any Engine, whatever it can do."""
    if scene.endpoint.local:
        path = _socket(scene)
        if not os.path.exists(path) or not stat.S_ISSOCK(os.stat(path).st_mode):
            raise Skip("there is no socket")
        if not os.access(path, os.R_OK | os.W_OK):
            raise Skip("its socket is closed to this account")
    try:
        version = scene.version
    except ExecutorError as failure:
        text = " ".join(part for part in (failure.what, failure.cause) if part)
        return error(
            text,
            expected=f"an answer to GET /version at {scene.endpoint.host} within 2 s",
            why=f"Docker is stopped, starting, or hangs. {NO_JOB}",
            fix=("systemctl status docker", "journalctl -u docker -n 50", "systemctl restart docker"),
        )
    if version.get("ApiVersion"):
        return passed(f"Docker {version.get('Version')}")
    return error(
        f"What answers at {scene.endpoint.host} is no Docker Engine.",
        expected="a Docker Engine",
        why=NO_JOB,
        fix="docker version   # then correct `host` in config.toml, or DOCKER_HOST",
    )


@check("docker.engine.latency", "The Engine answers quickly")
def engine_latency(scene: Scene) -> Verdict:
    """A job asks it some 40 times."""
    scene.answering_version()
    seconds = scene.timed_version[1]
    if seconds < SLOW_SECONDS:
        return passed(f"{seconds * 1000:.0f} ms")
    return warning(
        f"The Engine took {seconds:.1f} s to tell its version.",
        expected=f"less than {SLOW_SECONDS:g} s",
        why="A job asks it some forty times: each job starts minutes late.",
        fix=("top; iostat -x 1 3   # what keeps the host busy", "docker ps -aq | wc -l"),
    )


@check("docker.engine.api", "The Engine's API is 1.41 or newer")
def engine_api(scene: Scene) -> Verdict:
    """The oldest that the driver speaks."""
    found = str(scene.answering_version().get("ApiVersion") or "0")
    if _numbers(found) >= OLDEST_API:
        return passed(found)
    return error(
        f"The Engine speaks API {found} (Docker {scene.version.get('Version')}).",
        expected="API 1.41, Docker 20.10 or newer",
        why="Containers, networks and pulls of jobs use calls that it does not know.",
        fix="apt-get install --only-upgrade docker.io   # or docker-ce; then systemctl restart docker",
    )


@check("docker.engine.version", "The Engine is Docker 20.10 or newer")
def engine_version(scene: Scene) -> Verdict:
    """Older ones get no more security fixes anywhere."""
    found = str(scene.answering_version().get("Version") or "")
    if _numbers(str(scene.version.get("ApiVersion") or "0")) < OLDEST_API:
        raise Skip("its API is too old already")
    told = str(scene.info.get("ServerVersion") or found)
    found = min(found, told, key=_numbers)
    if not re.match(r"\d+\.\d+", found) or _numbers(found) >= OLDEST_ENGINE:
        return passed(found)
    return error(
        f"The Engine is Docker {found}.",
        expected="20.10 or newer",
        why="It lacks what the driver needs (cgroup v2, host-gateway), and gets no security fixes.",
        fix="apt-get install --only-upgrade docker.io   # or docker-ce; then systemctl restart docker",
    )


@check("docker.engine.os", "The Engine runs Linux containers")
def engine_os(scene: Scene) -> Verdict:
    """Jobs' loops are shell programs."""
    found = str(scene.info.get("OSType") or "linux")
    if found == "linux":
        return passed()
    return error(
        f"The Engine runs {found} containers.", expected="linux", why=NO_JOB, fix="use a Docker Engine for Linux"
    )


@check("docker.engine.containerd", "The Engine has its containerd")
def engine_containerd(scene: Scene) -> Verdict:
    """Without it the Engine answers, and can start nothing."""
    components = [str(part.get("Name")) for part in scene.answering_version().get("Components") or []]
    if "Engine" not in components or "containerd" in components:
        return passed()
    return error(
        "The Engine cannot reach containerd.",
        expected="containerd among the components of `docker version`",
        why="It answers, but no container can be started.",
        fix="systemctl restart containerd docker",
    )


@check("docker.engine.warnings", "The Engine is open to nobody on the network")
def engine_exposed(scene: Scene) -> Verdict:
    """What it complains of itself."""
    told = [str(text) for text in scene.info.get("Warnings") or []]
    open_ones = [text for text in told if "without encryption" in text or "without authentication" in text.lower()]
    if not open_ones:
        return passed()
    return warning(
        f"The Engine says: {open_ones[0].removeprefix('WARNING: ')[:160]}",
        expected="a socket of this host alone, or TLS with client certificates",
        why="Whoever reaches that port is root on this host and reads every job's secrets.",
        fix=f"take the tcp:// address out of `hosts` in {DAEMON_FILE} (or of the unit), then {RESTART}",
    )


@check("docker.registries.insecure", "Images come from registries that prove who they are")
def insecure(scene: Scene) -> Verdict:
    """One registry without TLS in a network of one's own is the operator's to decide; all of them are not."""
    config = scene.info.get("RegistryConfig") or {}
    ranges = [str(each) for each in config.get("InsecureRegistryCIDRs") or []]
    names = [name for name, index in (config.get("IndexConfigs") or {}).items() if not index.get("Secure", True)]
    if {"0.0.0.0/0", "::/0"} & set(ranges):
        return warning(
            "The Engine takes images from any registry without TLS (insecure-registries 0.0.0.0/0).",
            expected="only registries of your own network, by name",
            why="Whoever is on the way can put another image in the place of the one that jobs ask for.",
            fix=(f"editor {DAEMON_FILE}   # insecure-registries", RESTART),
        )
    return note(f"Without TLS: {', '.join(names)}.") if names else passed()


@check("docker.service.enabled", "Docker starts with the host")
def service_enabled(scene: Scene) -> Verdict:
    """Only where systemd runs it."""
    if not scene.world.with_systemd() or not scene.endpoint.local:
        raise Skip("systemd does not run Docker here")
    states = [scene.world.run_as_caller(("systemctl", "is-enabled", unit)) for unit in ("docker", "docker.socket")]
    told = [state.output.strip() for state in states]
    if not set(told) & {"disabled", "masked"} or set(told) & {"enabled", "enabled-runtime", "static", "alias"}:
        return passed()
    return warning(
        f"The service docker is {told[0]}.",
        expected="enabled",
        why="After a reboot every job fails.",
        fix="systemctl unmask docker; systemctl enable docker",
    )


@check("docker.daemon.config", "daemon.json can be read by the Engine's next start")
def daemon_config(scene: Scene) -> Verdict:
    """A mistake in it shows only after a restart."""
    text = scene.world.read(DAEMON_FILE)
    if not text.strip():
        raise Skip(f"there is no {DAEMON_FILE}")
    try:
        if isinstance(json.loads(text), dict):
            return passed(DAEMON_FILE)
        problem = "it holds no object"
    except ValueError as failure:
        problem = str(failure)
    return warning(
        f"{DAEMON_FILE} is not JSON: {problem}.",
        expected="a JSON object",
        why="Docker runs on with what it read before, and does not come back after its next restart.",
        fix=f"python3 -m json.tool {DAEMON_FILE}",
    )


@check("docker.containers.many", "The Engine holds no crowd of containers")
def containers_many(scene: Scene) -> Verdict:
    """Each makes every list slower."""
    count = int(scene.info.get("Containers") or 0)
    if count < MANY_CONTAINERS:
        return passed(f"{count} containers")
    return warning(
        f"The Engine holds {count} containers, {scene.info.get('ContainersStopped', 0)} of them stopped.",
        expected=f"less than {MANY_CONTAINERS}",
        why="Their file systems fill the disk, and each makes every call of the Engine slower.",
        fix=("executor gc   # those of this driver", "docker ps -a   # whose the others are"),
    )


@check("docker.live_restore", "Jobs outlive a restart of the Engine")
def live_restore(scene: Scene) -> Verdict:
    """Worth knowing before an update."""
    if scene.info.get("LiveRestoreEnabled"):
        return passed()
    return note(
        "A restart of the Engine ends running jobs (live-restore is off).",
        fix=f'set "live-restore": true in {DAEMON_FILE}, then systemctl reload docker',
    )


def _socket(scene: Scene) -> str:
    """The path of the Engine's socket; Skip where it is reached otherwise."""
    if not scene.endpoint.local:
        raise Skip("the Engine is reached over the network")
    return scene.endpoint.host.removeprefix("unix://")


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _owner(path: str) -> str:
    status = os.stat(path)
    return f"{stat.S_IMODE(status.st_mode):04o} {_user(status.st_uid)}:{_group(path)}"


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(path: str) -> str:
    import grp

    gid: Any = os.stat(path).st_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
