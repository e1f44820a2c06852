"""A throw-away job (`--job`): what only shows when containers run."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from executor.doctor.checks.hooks import programs
from executor.doctor.model import Skip, Verdict, check, error, note, passed, warning
from executor.doctor.throwaway import NO_CACHE, NO_SHELL, NO_WRITE, JobRun, run_job

if TYPE_CHECKING:
    from executor.doctor.scene import Scene
    from executor.doctor.world import Ran

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LONGEST = 400


@check("job.run.config", "The phase `config` of a throw-away job goes well", with_job=True)
def config(scene: Scene) -> Verdict:
    """It tells the runner of folders, in JSON."""
    return _phase(scene, "config", "every job fails before anything is made")


@check("job.run.prepare", "The phase `prepare` makes containers", with_job=True)
def prepare(scene: Scene) -> Verdict:
    """Images, network, helper and build container."""
    verdict = _phase(scene, "prepare", "no job gets its containers")
    ran = _job(scene).steps["prepare"]
    if ran.code == 1 and "The runner's policy" in ran.output:
        return note("A [[policy]] of executor.toml refuses the throw-away job; real projects may be allowed.")
    return verdict


@check("job.run.helper", "Git and gitlab-runner are in the helper container", with_job=True)
def helper(scene: Scene) -> Verdict:
    """The stages for sources, caches and artifacts."""
    ran = _step(scene, "helper")
    if ran.code == 0 and "no gitlab-runner" in ran.output:
        return error(
            "The helper container has no gitlab-runner.",
            expected="the host's own, mounted into it",
            why="Caches and artifacts silently do nothing, and the job is green.",
            fix="put gitlab-runner on the service's PATH, or set gitlab_runner under [helper] in executor.toml",
        )
    return _phase(scene, "helper", "no job gets its sources")


@check("job.run.build", "A script runs in the container of the default image", with_job=True)
def build(scene: Scene) -> Verdict:
    """With a shell, and a folder that its user may write."""
    ran, code = _step(scene, "build"), _job(scene).script_code
    if ran.code == 0:
        return passed(_last(ran))
    found = {
        NO_SHELL: "the shell cannot run its script",
        NO_WRITE: "its user may not write in the project's folder",
        NO_CACHE: "its user may not write in the cache folder",
    }.get(code or 0)
    if not found:
        return _phase(scene, "build", "scripts do not run in the default image")
    return error(
        f"In the container of the default image {found}.",
        expected="a project and a cache folder that every user may write",
        why="Jobs fail with `permission denied`.",
        fix=("ls -ln the builds_dir and cache_dir of executor.toml", "see docs/docker-executor-parity.md, users"),
    )


@check("job.run.dns", "Containers find GitLab's name", with_job=True)
def dns(scene: Scene) -> Verdict:
    """Through Docker's own name server."""
    ran = _step(scene, "gitlab")
    if not re.search(r"could not resolve|bad address|name or service not known", ran.output, re.IGNORECASE):
        return passed()
    return error(
        f"Containers do not find {scene.gitlab_host}: {_last(ran, before='git ended')}.",
        expected="the name server of the host, or `dns` in config.toml",
        why="Jobs cannot clone, nor fetch or send artifacts.",
        fix=('editor /etc/docker/daemon.json   # "dns": ["ADDRESS"]', "see /etc/resolv.conf of this host"),
    )


@check("job.run.gitlab", "Containers reach GitLab", with_job=True)
def gitlab(scene: Scene) -> Verdict:
    """A firewall may let only the host through."""
    ran = _step(scene, "gitlab")
    scene.gitlab_answer()
    trouble = re.search(
        r"failed to connect|timed out|connection refused|no route|ended with 124", ran.output, re.IGNORECASE
    )
    if not trouble:
        return passed()
    return error(
        f"Containers do not reach GitLab at {scene.gitlab_host}: {trouble[0].lower()}.",
        expected="what the host reaches",
        why="Jobs cannot clone, nor fetch or send artifacts.",
        fix=("iptables -S FORWARD; iptables -t nat -S", "sysctl net.ipv4.ip_forward; the firewall of the network"),
    )


@check("job.run.cleanup", "The phase `cleanup` leaves nothing behind", with_job=True)
def cleanup(scene: Scene) -> Verdict:
    """Within 20 seconds."""
    left = _job(scene).left
    if not left:
        return _phase(scene, "cleanup", "containers of jobs stay")
    return warning(
        f"Still there after the job's end: {', '.join(left)}.",
        expected="nothing within 20 s",
        why="Containers take memory and disk from the jobs to come.",
        fix=f"executor gc --config {scene.config}",
    )


def _job(scene: Scene) -> JobRun:
    """The job, run once for all of these checks."""
    found = [program for _, program in programs(scene) if os.path.isabs(program) and scene.world.may(program, os.X_OK)]
    if not found:
        raise Skip("there is no program to call")
    scene.answering_version()
    run: JobRun = scene.facts.once("throw-away job", lambda: run_job(scene, found[0]))
    return run


def _step(scene: Scene, name: str) -> Ran:
    ran = _job(scene).steps.get(name)
    if ran is None:
        raise Skip("the job did not come so far")
    return ran


def _phase(scene: Scene, name: str, harm: str) -> Verdict:
    ran = _step(scene, name)
    if ran.code == 0:
        return passed()
    text = " ".join(COLOURS.sub("", ran.output).split())[-LONGEST:] or f"exit code {ran.code}"
    return error(
        f"It failed: {text}",
        expected="exit code 0",
        why=f"As it is, {harm}.",
        fix="executor doctor   # the other checks; else what the message says",
    )


def _last(ran: Ran, before: str = "") -> str:
    lines = [line for line in COLOURS.sub("", ran.output).splitlines() if line.strip()]
    fitting = [line for line in lines if not before or before not in line]
    return fitting[-1][:200] if fitting else ""
