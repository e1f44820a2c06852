"""Where the Engine keeps images and containers, and what it keeps of their output."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from executor.doctor.model import Verdict, check, error, passed, warning
from executor.engine.client import EngineError

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

NETWORK_KINDS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "vboxsf")
READABLE_LOGS = ("json-file", "local", "journald")
SLOW_STORAGE = ("vfs", "devicemapper", "aufs", "overlay")
DAEMON_FILE = "/etc/docker/daemon.json"
RESTART = "systemctl restart docker   # ends running jobs"


@check("docker.storage.driver", "Images and containers are stored as overlays")
def storage_driver(scene: Scene) -> Verdict:
    """Others copy whole images for each container, or are gone from newer Engines."""
    driver = str(scene.info.get("Driver") or "")
    if driver not in SLOW_STORAGE:
        return passed(driver)
    what = "copies the whole image for each container" if driver == "vfs" else "is slow and gone from newer Engines"
    return warning(
        f"The Engine's storage driver is {driver}.",
        expected="overlay2",
        why=f"It {what}: jobs start late and fill the disk.",
        fix=(f'set "storage-driver": "overlay2" in {DAEMON_FILE}', RESTART),
    )


@check("docker.storage.d_type", "The file system of the Engine's data knows file types")
def storage_d_type(scene: Scene) -> Verdict:
    """xfs without ftype cannot carry overlays."""
    status = {str(key).lower(): str(value).lower() for key, value in scene.info.get("DriverStatus") or []}
    if status.get("supports d_type", "true") == "true":
        return passed()
    return error(
        f"The file system of {scene.info.get('DockerRootDir')} does not support d_type.",
        expected="ext4, or xfs made with ftype=1",
        why="Files that a job deletes come back: builds fail in strange ways.",
        fix="mkfs.xfs -n ftype=1 on a new disk, and move Docker's data there",
    )


@check("docker.storage.filesystem", "The Engine's data is on a disk of this host")
def storage_filesystem(scene: Scene) -> Verdict:
    """Overlays on network file systems lose file attributes."""
    mount = scene.world.mount(scene.docker_root)
    if not mount or mount.kind not in NETWORK_KINDS:
        return passed(mount.kind if mount else "")
    return warning(
        f"{scene.docker_root} is on {mount.kind} ({mount.target}).",
        expected="ext4, xfs or another disk of this host",
        why="Containers start slowly, and programs fail on file attributes and locks.",
        fix=(f'set "data-root" in {DAEMON_FILE} to a folder on a disk of this host', RESTART),
    )


@check("docker.storage.images", "The Engine can list its images")
def storage_images(scene: Scene) -> Verdict:
    """A broken image store shows here first."""
    try:
        count = len(scene.ask_tables("/images/json"))
    except EngineError as failure:
        return error(
            f"The Engine cannot list its images: {failure.message[:200]}",
            expected="a list of images",
            why="Its image store is damaged. Pulls fail, and containers cannot be made.",
            fix=("journalctl -u docker -n 50", RESTART),
        )
    return passed(f"{count} images")


@check("docker.volumes.driver", "The volume driver is known to the Engine")
def volume_driver(scene: Scene) -> Verdict:
    """`volume_driver` of config.toml."""
    wanted = scene.settings.docker.volume_driver
    known = (scene.info.get("Plugins") or {}).get("Volume") or []
    if not wanted or wanted in known:
        return passed(wanted)
    return error(
        f"The volume driver {wanted} is unknown to the Engine, which has {', '.join(known)}.",
        expected="one of them",
        why="Jobs whose project keeps a volume fail in prepare.",
        fix=f"docker plugin install {wanted}   # or correct volume_driver in {scene.config}",
    )


@check("docker.volumes.sources", "Host folders that jobs get are there")
def volume_sources(scene: Scene) -> Verdict:
    """Docker would make an empty folder of root's in place of one that is missing."""
    volumes = (*scene.settings.docker.volumes, *scene.settings.helper.volumes)
    sources = [volume.split(":")[0] for volume in volumes if volume.startswith("/") and ":/" in volume]
    missing = [source for source in sources if "$" not in source and not os.path.exists(source)]
    if not missing:
        return passed()
    return warning(
        f"volumes names {missing[0]}, which this host does not have.",
        expected="folders and files that are there",
        why="Docker makes an empty folder of root's there: jobs find nothing in it.",
        fix=f"mkdir -p {missing[0]}   # or take it out of volumes in {scene.config}",
    )


@check("docker.devices.present", "Devices that jobs get are there")
def devices(scene: Scene) -> Verdict:
    """`devices` of config.toml."""
    named = [device.split(":")[0] for device in scene.settings.docker.devices]
    missing = [path for path in named if path.startswith("/") and not os.path.exists(path)]
    if not missing:
        return passed()
    return error(
        f"devices names {missing[0]}, which this host does not have.",
        expected="devices that are there",
        why="No container of a job can be started.",
        fix=f"ls -l {missing[0]}; modprobe its driver, or take it out of devices in {scene.config}",
    )


@check("docker.logs.driver", "What services write can be read again")
def log_driver(scene: Scene) -> Verdict:
    """For the reasons of failures, and for CI_DEBUG_SERVICES."""
    driver = str(scene.info.get("LoggingDriver") or "json-file")
    if driver in READABLE_LOGS:
        return passed(driver)
    return warning(
        f"The Engine's logging driver is {driver}.",
        expected=", ".join(READABLE_LOGS),
        why="The driver cannot show what a service wrote before it failed.",
        fix=(f'set "log-driver": "local" in {DAEMON_FILE}', RESTART),
    )
