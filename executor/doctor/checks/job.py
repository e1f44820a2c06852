"""What every job needs: images for it and for its helper, of this machine's kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executor.doctor.checks.registries import registry_trouble
from executor.doctor.model import Skip, Verdict, check, error, note, passed, warning
from executor.engine.client import EngineError, quote
from executor.plan.images import GITLAB_HELPER, OWN_HELPER

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
MAKE_HELPER = "scripts/images helper   # of virida-executor"


@check("job.image.default", "The image of jobs that name none can be had")
def default_image(scene: Scene) -> Verdict:
    """`image` under [runners.docker]."""
    name = _default_image(scene)
    policies = scene.settings.docker.pull_policy or ("always",)
    here = _inspect(scene, name) is not None
    if here and set(policies) & {"if-not-present", "never"}:
        return passed(f"{name}, local")
    if "never" in policies and len(set(policies)) == 1:
        return error(
            f"{name} is not on this host, and pull_policy is never.",
            expected="the image, or another pull policy",
            why="Every job that names no image fails in prepare.",
            fix=f"docker pull {name}",
        )
    trouble = registry_trouble(scene, name)
    if not trouble:
        return passed(f"{name}, at its registry")
    return (error if here or not _maybe_private(trouble) else warning)(
        f"{name} {'is here, but pull_policy asks its registry' if here else 'is not here'}, and it cannot be pulled: "
        f"{trouble}.",
        expected="a registry that answers and lets the runner in",
        why="Every job that names no image fails in prepare.",
        fix=(f"docker pull {name}", f'editor {scene.config}   # pull_policy = ["always", "if-not-present"]'),
    )


@check("job.image.architecture", "The image of jobs that name none is for this machine")
def default_architecture(scene: Scene) -> Verdict:
    """As the Engine's."""
    name = _default_image(scene)
    image = _inspect(scene, name)
    if image is None:
        raise Skip("it is not on this host")
    return _fits(scene, name, image, f"docker pull --platform linux/{_architecture(scene)} {name}")


@check("job.helper.image", "The image for git, caches and artifacts can be had")
def helper_image(scene: Scene) -> Verdict:
    """The operator's, else this project's own, else GitLab's."""
    for name in _helper_candidates(scene):
        if _inspect(scene, name) is not None:
            return passed(f"{name}, local")
    name = _helper_candidates(scene)[-1]
    chosen = _chosen_helper(scene)
    if chosen and set(scene.settings.docker.pull_policy) == {"never"}:
        trouble = "pull_policy is never"
    else:
        trouble = registry_trouble(scene, name)
    if not trouble:
        return passed(f"{name}, at its registry")
    own = "" if chosen else f"{OWN_HELPER} is not on this host, and "
    return error(
        f"{own}{name} {'is not here and ' if chosen else ''}cannot be pulled: {trouble}.",
        expected="an image with git and a shell",
        why="No helper container can be made: every job fails in prepare.",
        fix=(MAKE_HELPER, f"docker pull {name}"),
    )


@check("job.helper.architecture", "The helper image is for this machine")
def helper_architecture(scene: Scene) -> Verdict:
    """As the Engine's."""
    for name in _helper_candidates(scene):
        image = _inspect(scene, name)
        if image is not None:
            own = name == OWN_HELPER
            return _fits(scene, name, image, MAKE_HELPER if own else _pull(scene, name))
    raise Skip("it is not on this host")


@check("job.helper.binary", "gitlab-runner is for the machine of the helper container")
def helper_binary(scene: Scene) -> Verdict:
    """The host's own binary is mounted into it."""
    path = scene.runner_binary
    if not path or not scene.runner_version:
        raise Skip("there is no gitlab-runner that runs")
    with open(path, "rb") as file:
        head = file.read(20)
    kinds = {b"\x3e\x00": "amd64", b"\xb7\x00": "arm64", b"\x28\x00": "arm", b"\x03\x00": "386"}
    found = kinds.get(head[18:20], "") if head[:4] == b"\x7fELF" else ""
    if not found or found == _architecture(scene):
        return passed(path)
    return error(
        f"{path} is for {found}, the Engine runs on {_architecture(scene)}.",
        expected=_architecture(scene),
        why="Caches and artifacts fail in every job: `exec format error`.",
        fix=f"install gitlab-runner for {_architecture(scene)}",
    )


@check("job.image.allowed", "The image of jobs that name none is allowed")
def default_allowed(scene: Scene) -> Verdict:
    """A job may name it as well."""
    from executor.plan.globs import matches_any

    name = _default_image(scene)
    allowed = scene.settings.docker.allowed_images
    if not allowed or matches_any(name, allowed):
        return passed()
    return note(
        f"{name} is the default image, and allowed_images does not hold it.",
        why="Jobs without `image:` get it, jobs that name it are refused.",
        fix=f'editor {scene.config}   # add "{name}" to allowed_images',
    )


def _default_image(scene: Scene) -> str:
    name = scene.settings.docker.image
    if not name:
        raise Skip("no default image is set")
    if "$" in name:
        raise Skip("its name depends on the job")
    return name


def _inspect(scene: Scene, name: str) -> dict[str, Any] | None:
    """The image as the Engine has it, None where it has none."""

    def ask() -> dict[str, Any] | None:
        try:
            return scene.ask_table(f"/images/{quote(name)}/json")
        except EngineError:
            return None

    found: dict[str, Any] | None = scene.facts.once(f"image {name}", ask)
    return found


def _chosen_helper(scene: Scene) -> str:
    return scene.settings.helper.image or scene.settings.docker.helper_image


def _helper_candidates(scene: Scene) -> list[str]:
    """What a job would take, in order."""
    chosen = _chosen_helper(scene)
    if "$" in chosen:
        raise Skip("its name depends on the job")
    if chosen:
        return [chosen]
    flavor = scene.settings.docker.helper_image_flavor
    prefix = f"{flavor}-" if flavor not in ("", "alpine") else ""
    machine = "x86_64" if _architecture(scene) == "amd64" else _architecture(scene)
    gitlab = f"{GITLAB_HELPER}:{prefix}{machine}-{_runner_version(scene)}"
    return [gitlab] if flavor else [OWN_HELPER, gitlab]


def _runner_version(scene: Scene) -> str:
    """The tag of GitLab's helper for the runner that is installed: pre-releases have none."""
    version = scene.runner_version
    return f"v{version}" if version.replace(".", "").isdigit() else "latest"


def _fits(scene: Scene, name: str, image: dict[str, Any], fix: str) -> Verdict:
    found = str(image.get("Architecture") or "")
    wanted = _architecture(scene)
    if not found or not wanted or found == wanted:
        return passed(found)
    return error(
        f"{name} is for {found}, this machine is {wanted}.",
        expected=wanted,
        why="Its programs do not run here: `exec format error`, or ten times slower where they are emulated.",
        fix=fix,
    )


def _architecture(scene: Scene) -> str:
    """The Engine's, as images name it."""
    told = str(scene.answering_version().get("Arch") or "")
    return told or ARCHITECTURES.get(scene.world.machine(), scene.world.machine())


def _pull(scene: Scene, name: str) -> str:
    return f"docker pull --platform linux/{_architecture(scene)} {name}"


def _maybe_private(trouble: str) -> bool:
    """Whether the registry may only want a login, which jobs can bring."""
    return any(sign in trouble.lower() for sign in ("unauthorized", "denied", "authentication"))
