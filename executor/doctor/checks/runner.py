"""gitlab-runner itself: its binary, its process, its service."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from executor.doctor.model import Skip, Verdict, check, error, note, passed, warning

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

# Older ones lack the protocol that the driver speaks; from `EXIT_CODES` on they pass on exit codes of scripts.
OLDEST = (17, 0)
EXIT_CODES = (17, 9)
NAME = "gitlab-runner"
INSTALL = "https://docs.gitlab.com/runner/install/linux-repository/"
LEAST_FILES = 1024


@check("runner.account", "We can see what the account that runs jobs sees")
def account(scene: Scene) -> Verdict:
    """Who runs jobs, and whether we may speak for it."""
    who = f"{scene.account.name} (uid {scene.account.uid}, known from: {scene.account.source})"
    if scene.world.speaks_for_account:
        return passed(f"jobs run as {who}")
    return note(
        f"Jobs run as {who}; what follows is what uid {os.geteuid()} sees.",
        fix="sudo executor doctor",
    )


@check("runner.binary.path", "gitlab-runner is on the PATH of the account that runs jobs")
def binary_path(scene: Scene) -> Verdict:
    """Helper containers get this binary: without it caches and artifacts are skipped, and the job is green."""
    why = "The helper container gets this binary; without it caches and artifacts silently do nothing."
    configured = scene.settings.helper.gitlab_runner
    if configured:
        return _configured_binary(scene, configured, why)
    if found := scene.world.which(NAME):
        return passed(found)
    running = scene.process.executable if scene.process else ""
    at = f" (it runs from {running})" if running else ""
    verdict = warning if running else error
    return verdict(
        f"gitlab-runner is not in PATH={scene.account.path} of {scene.account.name}{at}.",
        expected="gitlab-runner in a folder of the service's PATH",
        why=why,
        fix=f"ln -s {running} /usr/local/bin/gitlab-runner" if running else f"install gitlab-runner: {INSTALL}",
    )


def _configured_binary(scene: Scene, path: str, why: str) -> Verdict:
    if not os.path.isfile(path):
        problem = f"[helper] gitlab_runner names {path}, which is not there."
    elif not scene.world.may(path, os.X_OK):
        problem = f"[helper] gitlab_runner names {path}, which {scene.account.name} may not execute."
    else:
        return passed(path)
    return error(
        problem,
        expected="an executable gitlab-runner",
        why=why,
        fix=f"correct gitlab_runner under [helper] in {scene.settings.executor_file}, or leave it out",
    )


@check("runner.binary.version", "gitlab-runner is 17.9 or newer, and runs")
def binary_version(scene: Scene) -> Verdict:
    """Older ones know no exit codes of scripts."""
    path, ran, version = scene.runner_binary, scene.runner_told, scene.runner_version
    if not version:
        return error(
            f"{path} --version fails: {_first_line(ran.output) or f'exit code {ran.code}'}.",
            expected="a line `Version: 17.9` or newer",
            why="The binary is damaged, made for another machine, or no gitlab-runner: no job can be taken.",
            fix=f"install gitlab-runner anew: {INSTALL}",
        )
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers >= EXIT_CODES:
        return passed(version)
    why = (
        "It does not give the driver the job's facts (JOB_RESPONSE_FILE): every job fails."
        if numbers < OLDEST
        else "It cannot pass on the exit codes of scripts: allow_failure:exit_codes and retry rules do not work."
    )
    return (error if numbers < OLDEST else warning)(
        f"gitlab-runner {version} at {path} is too old.",
        expected="17.9 or newer",
        why=why,
        fix="apt-get install --only-upgrade gitlab-runner && systemctl restart gitlab-runner",
    )


@check("runner.process.running", "A gitlab-runner process works with this config.toml")
def process_running(scene: Scene) -> Verdict:
    """Where it never ran and no service is set up, nothing is wrong yet."""
    if scene.process:
        return passed(f"process {scene.process.pid}")
    if not (scene.unit and scene.world.with_systemd()) and not scene.system_id:
        return note("No gitlab-runner works with this config.toml yet.", fix=_start(scene))
    return error(
        f"No gitlab-runner process works with {scene.config}.",
        expected="a running `gitlab-runner run`",
        why="Nobody asks GitLab for jobs: they stay pending.",
        fix=_start(scene),
    )


@check("runner.process.outdated", "The running gitlab-runner is the one that is installed")
def process_outdated(scene: Scene) -> Verdict:
    """An update replaces the file; the process goes on with the old one."""
    if not scene.process:
        raise Skip("no gitlab-runner runs")
    if not scene.process.outdated:
        return passed(scene.process.executable)
    return warning(
        f"Process {scene.process.pid} runs a gitlab-runner whose file {scene.process.executable} was replaced.",
        expected="a restart after each update",
        why="The helper containers get the new binary while the process sends scripts of the old one.",
        fix="systemctl restart gitlab-runner",
    )


@check("runner.process.single", "Only one gitlab-runner works with this config.toml")
def process_single(scene: Scene) -> Verdict:
    """Two hand out the same slots to different jobs."""
    path = os.path.realpath(scene.config)
    same = [process for process in scene.world.runners() if os.path.realpath(process.config) == path]
    if len(same) < 2:
        return passed()
    numbers = ", ".join(str(process.pid) for process in same)
    return warning(
        f"{len(same)} gitlab-runner processes work with {scene.config}: {numbers}.",
        expected="one",
        why="Each takes `concurrent` jobs, so the host runs twice as many, and their slots collide.",
        fix=f"kill -QUIT {same[-1].pid}   # the one that is not the service",
    )


@check("runner.process.config", "The running gitlab-runner works with the config.toml that is looked at")
def process_config(scene: Scene) -> Verdict:
    """Looking at another file than the one in use helps nobody."""
    others = sorted({process.config for process in scene.world.runners()} - {scene.config})
    if scene.process or not others:
        return passed()
    return note(
        f"A gitlab-runner works with {others[0]}; this looks at {scene.config}.",
        fix=f"executor doctor --config {others[0]}",
    )


@check("runner.process.files", "The running gitlab-runner may open enough files")
def process_files(scene: Scene) -> Verdict:
    """The limits of its process hold for every driver."""
    if not scene.process:
        return _own_files(scene)
    few = 0 < scene.process.open_files < LEAST_FILES
    if not few and scene.process.file_size == "unlimited":
        return passed(f"{scene.process.open_files or 'any number of'} open files")
    limit = f"{scene.process.open_files} open files" if few else f"files of {scene.process.file_size} bytes"
    return _few_files(f"Process {scene.process.pid} and its drivers are limited to {limit}.")


def _own_files(scene: Scene) -> Verdict:
    """Where nothing runs yet, what would be started from here is limited as we are."""
    if scene.account.source != "caller" or not 0 < scene.world.open_files < LEAST_FILES:
        raise Skip("no gitlab-runner runs")
    return _few_files(f"This account may open {scene.world.open_files} files at a time.")


def _few_files(found: str) -> Verdict:
    return warning(
        found,
        expected=f"{LEAST_FILES} open files or more, of any size",
        why="Drivers of several jobs, and archives, run into it: jobs fail at random.",
        fix="systemctl edit gitlab-runner   # [Service] LimitNOFILE=65536 LimitFSIZE=infinity, then restart it",
    )


@check("runner.process.namespace", "gitlab-runner sees the same file systems as Docker")
def process_namespace(scene: Scene) -> Verdict:
    """PrivateTmp and the like hide from Docker what the driver makes for it."""
    hiding = ("PrivateTmp", "ProtectSystem", "ProtectHome", "PrivateMounts", "ReadOnlyPaths", "InaccessiblePaths")
    if not scene.unit:
        raise Skip("no systemd unit of gitlab-runner")
    on = [key for key in hiding if scene.unit.settings.get(key, "no").lower() not in ("no", "false", "0", "off", "")]
    if not on:
        return passed()
    return warning(
        f"The unit of gitlab-runner sets {', '.join(on)}: the driver sees other file systems than Docker.",
        expected="no file system sandbox around gitlab-runner",
        why="Docker mounts the host's folders into jobs, not the driver's: sources and caches are missing.",
        fix=f"systemctl edit gitlab-runner   # [Service] {' '.join(f'{key}=no' for key in on)}, then restart it",
    )


@check("runner.service.enabled", "gitlab-runner starts with the host")
def service_enabled(scene: Scene) -> Verdict:
    """Only where systemd knows it."""
    if not scene.unit or not scene.world.with_systemd():
        raise Skip("systemd does not run gitlab-runner here")
    if scene.unit.enabled:
        return passed()
    return warning(
        "The service gitlab-runner is not enabled.",
        expected="enabled",
        why="After a reboot no job is taken.",
        fix="systemctl enable gitlab-runner",
    )


def _start(scene: Scene) -> str:
    if scene.unit and scene.world.with_systemd():
        return "systemctl enable --now gitlab-runner"
    return f"gitlab-runner run --config {scene.config}"


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0][:200].rstrip(".")
