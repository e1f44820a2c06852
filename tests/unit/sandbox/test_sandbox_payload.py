"""The plan in the Engine API's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executor.errors import OperatorError
from executor.plan.model import BUILD, ContainerPlan, ImagePlan, Mount, NetworkPlan
from executor.sandbox.images import LocalImage
from executor.sandbox.payload import container_body, network_body, volume_body

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = LocalImage(
    id="sha256:1", entrypoint=("/e",), command=("c",), user="", exposed_ports=(), environment=(), digest="", how=""
)


def container(**changes: Any) -> ContainerPlan:
    image = ImagePlan(name="debian:12", pull_policies=("never",))
    return ContainerPlan(**{"role": BUILD, "name": "n", "image": image, "labels": {"l": "1"}, **changes})


def body(entrypoint: tuple[str, ...] | None = None, command: tuple[str, ...] | None = None, **changes: Any) -> Any:
    return container_body(container(**changes), IMAGE, entrypoint=entrypoint, command=command)


def test_the_image_goes_by_its_id() -> None:
    """A tag that moves between the look at it and the container's creation changes nothing."""
    assert body()["Image"] == "sha256:1"


@pytest.mark.parametrize(
    ("entrypoint", "command", "expected"),
    [
        (None, None, {}),
        ((), ("x",), {"Entrypoint": [], "Cmd": ["x"]}),
        (("",), ("sh", "-c"), {"Entrypoint": [""], "Cmd": ["sh", "-c"]}),
        (("e", "f"), None, {"Entrypoint": ["e", "f"]}),
    ],
)
def test_what_is_none_stays_the_images(entrypoint: Any, command: Any, expected: dict[str, Any]) -> None:
    made = body(entrypoint, command)

    assert {key: made[key] for key in ("Entrypoint", "Cmd") if key in made} == expected


def test_mounts_become_binds() -> None:
    mounts = (
        Mount(source="/host", target="/in"),
        Mount(source="volume", target="/v", mode="ro", volume=True),
        Mount(source="/x", target="/y", mode=""),
    )

    assert body(mounts=mounts)["HostConfig"]["Binds"] == ["/host:/in:rw", "volume:/v:ro", "/x:/y"]


def test_limits_and_network() -> None:
    made = body(host_config={"Memory": 1024}, network_mode="net", network_aliases=("a", "b"), mac_address="02:42::1")

    assert made["HostConfig"] == {"Memory": 1024, "NetworkMode": "net", "Binds": []}
    assert made["NetworkingConfig"] == {"EndpointsConfig": {"net": {"Aliases": ["a", "b"]}}}
    assert made["MacAddress"] == "02:42::1"


def test_no_names_on_networks_that_know_none() -> None:
    assert body(network_mode="host")["NetworkingConfig"] == {}


def test_the_plan_is_not_changed() -> None:
    config = {"SecurityOpt": ["no-new-privileges"]}
    body(host_config=config)

    assert config == {"SecurityOpt": ["no-new-privileges"]}


def test_a_seccomp_profile_is_sent_by_content(tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text('{\n  "defaultAction": "SCMP_ACT_ALLOW"\n}')

    options = body(seccomp_profile=str(profile), host_config={"SecurityOpt": ["no-new-privileges"]})["HostConfig"]

    assert options["SecurityOpt"] == ["no-new-privileges", 'seccomp={"defaultAction": "SCMP_ACT_ALLOW"}']


@pytest.mark.parametrize("content", [None, "", "{", "\x80"])
def test_a_seccomp_profile_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    profile = tmp_path / "profile.json"
    if content is not None:
        profile.write_text(content, encoding="latin-1")

    with pytest.raises(OperatorError, match="seccomp profile") as caught:
        body(seccomp_profile=str(profile))
    assert str(profile) in caught.value.what


def test_network_body() -> None:
    plain = network_body(NetworkPlan(name="net", labels={"l": "1"}))

    assert (plain["Name"], plain["Driver"], plain["Labels"], plain["Options"]) == ("net", "bridge", {"l": "1"}, {})
    assert plain["CheckDuplicate"]
    assert network_body(NetworkPlan(name="n", labels={}, mtu=1400))["Options"] == {
        "com.docker.network.driver.mtu": "1400"
    }
    assert network_body(NetworkPlan(name="n", labels={}, enable_ipv6=True))["EnableIPv6"]


def test_volume_body() -> None:
    mount = Mount(source="v", target="/v", volume=True, labels={"l": "1"}, driver_options={"type": "tmpfs"})

    assert volume_body(mount) == {
        "Name": "v",
        "Driver": "local",
        "DriverOpts": {"type": "tmpfs"},
        "Labels": {"l": "1"},
    }
    assert json.dumps(volume_body(Mount(source="v", target="/v", driver="nfs")))
