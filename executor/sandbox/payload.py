"""The plan in the Engine API's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executor.errors import OperatorError

if TYPE_CHECKING:
    from executor.plan.model import ContainerPlan, Mount, NetworkPlan
    from executor.sandbox.images import LocalImage


def network_body(network: NetworkPlan) -> dict[str, Any]:
    """The body of POST /networks/create."""
    options = {"com.docker.network.driver.mtu": str(network.mtu)} if network.mtu else {}
    return {
        "Name": network.name,
        "Driver": "bridge",
        "CheckDuplicate": True,
        "Labels": network.labels,
        "EnableIPv6": network.enable_ipv6,
        "Options": options,
    }


def container_body(
    plan: ContainerPlan,
    image: LocalImage,
    *,
    entrypoint: tuple[str, ...] | None,
    command: tuple[str, ...] | None,
) -> dict[str, Any]:
    """The body of POST /containers/create. The image goes by its id: a tag that moves meanwhile changes nothing."""
    body: dict[str, Any] = {
        "Image": image.id,
        "User": plan.user,
        "Hostname": plan.hostname,
        "Env": list(plan.environment),
        "Labels": plan.labels,
        "HostConfig": _host_config(plan),
        "NetworkingConfig": _networking(plan),
    }
    if entrypoint is not None:
        body["Entrypoint"] = list(entrypoint)
    if command is not None:
        body["Cmd"] = list(command)
    if plan.mac_address:
        body["MacAddress"] = plan.mac_address
    return body


def volume_body(mount: Mount) -> dict[str, Any]:
    """The body of POST /volumes/create."""
    return {
        "Name": mount.source,
        "Driver": mount.driver or "local",
        "DriverOpts": mount.driver_options,
        "Labels": mount.labels,
    }


def _host_config(plan: ContainerPlan) -> dict[str, Any]:
    """The plan's HostConfig with what only this host knows: the content of a seccomp profile."""
    config = {
        **plan.host_config,
        "NetworkMode": plan.network_mode,
        "Binds": [_bind(mount) for mount in plan.mounts],
    }
    if plan.seccomp_profile:
        profile = f"seccomp={_read_profile(plan.seccomp_profile)}"
        config["SecurityOpt"] = [*config.get("SecurityOpt", []), profile]
    return config


def _read_profile(path: str) -> str:
    import json

    try:
        with open(path) as file:
            return json.dumps(json.load(file))
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"The seccomp profile {path} cannot be used: {error}.", fix="Correct security_opt under [runners.docker]."
        ) from None


def _bind(mount: Mount) -> str:
    return f"{mount.source}:{mount.target}:{mount.mode}" if mount.mode else f"{mount.source}:{mount.target}"


def _networking(plan: ContainerPlan) -> dict[str, Any]:
    """Names other than the container's own exist only on networks that somebody made."""
    if not plan.network_aliases:
        return {}
    return {"EndpointsConfig": {plan.network_mode: {"Aliases": list(plan.network_aliases)}}}
