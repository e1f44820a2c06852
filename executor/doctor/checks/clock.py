"""The time of day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.doctor.model import Skip, Verdict, check, error, passed, warning

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

SKEW_WARNING_SECONDS, SKEW_ERROR_SECONDS = 60, 300
FUTURE_SECONDS = 600
# Folders of any host that change often.
LIVELY = ("/var/log", "/run", "/etc")


@check("host.clock.skew", "The clock is right")
def clock_skew(scene: Scene) -> Verdict:
    """Compared with GitLab's."""
    there = _date(scene.gitlab_answer().headers.get("date", ""))
    if there is None:
        raise Skip("GitLab does not tell the time")
    skew = scene.world.now() - there
    if abs(skew) < SKEW_WARNING_SECONDS:
        return passed(f"{abs(skew):.0f} s")
    return (error if abs(skew) >= SKEW_ERROR_SECONDS else warning)(
        f"This host's clock is {_span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} GitLab's.",
        expected=f"less than {SKEW_WARNING_SECONDS} s",
        why="Certificates and signed addresses (S3, artifacts, registries) count as expired or not yet valid.",
        fix=("timedatectl set-ntp true", "chronyc makestep   # where chrony keeps the time"),
    )


@check("host.clock.past", "The clock has not gone back")
def clock_past(scene: Scene) -> Verdict:
    """Files that were written in the future."""
    places = (scene.config, scene.state_dir, f"{scene.state_dir}/jobs", scene.temporary_dir, *LIVELY)
    written = max(map(scene.world.modified, (*places, __file__)))
    if written - scene.world.now() < FUTURE_SECONDS:
        return passed()
    return error(
        f"Files of this host were written {_span(written - scene.world.now())} after what the clock shows now.",
        expected="the time of day",
        why="Certificates count as not yet valid, and times of jobs make no sense.",
        fix="timedatectl set-ntp true",
    )


@check("host.clock.hardware", "The system's clock and the machine's agree")
def clock_hardware(scene: Scene) -> Verdict:
    """A clock that somebody has set wrong shows here, without asking anybody."""
    told = scene.world.read("/sys/class/rtc/rtc0/since_epoch").strip()
    if not told.isdigit() or "LOCAL" in scene.world.read("/etc/adjtime"):
        raise Skip("the machine has no clock in UTC")
    skew = scene.world.now() - int(told)
    if abs(skew) < SKEW_ERROR_SECONDS:
        return passed(f"{abs(skew):.0f} s")
    return warning(
        f"The system's clock is {_span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the machine's.",
        expected="the same time",
        why="One of them is wrong: certificates and signed addresses count as expired, now or after a reboot.",
        fix=("date -u; hwclock --show --utc", "timedatectl set-ntp true && hwclock --systohc"),
    )


@check("host.clock.sync", "Something keeps the clock right")
def clock_sync(scene: Scene) -> Verdict:
    """As systemd sees it; elsewhere the comparison with GitLab has to do."""
    if not scene.world.with_systemd():
        raise Skip("systemd does not run this host")
    ran = scene.world.run_as_caller(("timedatectl", "show", "-p", "NTP", "-p", "NTPSynchronized", "-p", "CanNTP"))
    values = dict(line.split("=", 1) for line in ran.output.splitlines() if "=" in line)
    if ran.code != 0 or values.get("NTPSynchronized") == "yes" or values.get("NTP") == "yes":
        return passed()
    return warning(
        "Nothing keeps the clock right (NTP is off, and the clock not synchronised).",
        expected="NTP=yes in `timedatectl show`",
        why="Sooner or later certificates and signed addresses count as expired.",
        fix=("apt-get install systemd-timesyncd   # or chrony", "timedatectl set-ntp true"),
    )


def _date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
