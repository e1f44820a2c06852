"""A plan as plain values: for `executor plan --json`, and for tests that compare whole plans."""

from __future__ import annotations

from dataclasses import asdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.plan.model import ContainerPlan, ImagePlan, Plan

VERSION = 1


def summary(plan: Plan) -> dict[str, Any]:
    """All that the plan says, but for values of variables: of those only the names.

    `version` changes when a key is renamed, removed or gets another meaning; new keys leave it.
    """
    return {
        "version": VERSION,
        "key": plan.key,
        "network": asdict(plan.network) if plan.network else None,
        "containers": [
            _container(plan.helper),
            _container(plan.build),
            *(
                _container(service.container)
                | {
                    "aliases": list(service.aliases),
                    "wait_port": service.wait_port,
                    "wait_seconds": service.wait_seconds,
                }
                for service in plan.services
            ),
        ],
        "builds_host_dir": plan.builds_host_dir,
        "reusable_builds": plan.reusable_builds,
        "keep_volumes": plan.keep_volumes,
        "keep_seconds": plan.keep_seconds,
        "caches": asdict(plan.caches),
        "handover": asdict(plan.handover) if plan.handover else None,
        "attempts": plan.attempts,
        "policy": plan.rule,
        "warnings": list(plan.warnings),
    }


def _container(container: ContainerPlan) -> dict[str, Any]:
    return asdict(container) | {
        "image": _image(container.image),
        "entrypoint": None if container.entrypoint is None else list(container.entrypoint),
        "command": None if container.command is None else list(container.command),
        "environment": [entry.partition("=")[0] for entry in container.environment],
        "mounts": [asdict(mount) for mount in container.mounts],
        "network_aliases": list(container.network_aliases),
    }


def _image(image: ImagePlan) -> dict[str, Any]:
    return {
        "name": image.name,
        "pull_policies": list(image.pull_policies),
        "platform": image.platform,
        "alternative": _image(image.alternative) if image.alternative else None,
    }
