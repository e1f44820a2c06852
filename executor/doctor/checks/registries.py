"""The way to registries, and the logins for them."""

from __future__ import annotations

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from executor.doctor.model import Skip, Verdict, check, error, passed, warning
from executor.engine.client import EngineError
from executor.errors import ExecutorError

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

HUB_KEY = "https://index.docker.io/v1/"
MOST_LOGINS = 5
# The Engine gives up on a registry after 15 s and more; the doctor does not wait for that.
UNREACHABLE = ("dial tcp", "no such host", "timeout", "refused", "deadline", "tls", "x509", "eof", "unreachable")


@check("network.registry.login", "Registries accept the logins that are configured")
def registry_login(scene: Scene) -> Verdict:
    """Asked by the Engine, as for a pull."""
    logins = _logins(scene)
    if not logins:
        raise Skip("no logins are configured")
    scene.answering_version()
    asked = list(logins.items())[:MOST_LOGINS]
    with ThreadPoolExecutor(len(asked)) as pool:
        refusals = list(pool.map(lambda entry: _refusal(scene, entry[0], entry[1][0]), asked))
    for (registry, (_, source)), refusal in zip(asked, refusals, strict=True):
        if refusal:
            return _refused_login(registry, source, refusal)
    return passed(f"{len(logins)} registries")


def _refusal(scene: Scene, registry: str, login: dict[str, str]) -> EngineError | None:
    """What the Engine says to a login; None where it is good."""
    try:
        scene.world.ask(scene.endpoint, "POST", "/auth", {**login, "serveraddress": registry})
    except EngineError as refusal:
        return refusal
    except ExecutorError:
        return EngineError(504, "timeout: no answer within 2 s")
    return None


def _refused_login(registry: str, source: str, refusal: EngineError) -> Verdict:
    lowered = refusal.message.lower()
    unreachable = any(sign in lowered for sign in UNREACHABLE) and refusal.status != 401
    host = _registry_host(registry)
    if unreachable:
        return warning(
            f"The Engine cannot reach the registry {host}: {refusal.message[:200]}",
            expected="an answer",
            why="Images from there cannot be pulled.",
            fix=f"docker login {host}",
        )
    return error(
        f"The registry {host} refuses the login of {source}: unauthorized.",
        expected="a login that the registry accepts",
        why="Private images from there cannot be pulled: jobs fail with `IMAGE NOT FOUND`.",
        fix=f"docker login {host}   # as the account that runs jobs; or renew DOCKER_AUTH_CONFIG",
    )


@check("network.registry.config", "The configuration of registry logins can be read")
def registry_config(scene: Scene) -> Verdict:
    """DOCKER_AUTH_CONFIG of the runner, ~/.docker/config.json of the account."""
    path = os.path.join(scene.account.home, ".docker/config.json")
    if os.path.exists(path) and not scene.world.may(path, os.R_OK):
        return warning(
            f"{scene.account.name} may not read {path}.",
            expected=f"readable for {scene.account.name}",
            why="The logins in it are not used: private images cannot be pulled.",
            fix=f"chown -R {scene.account.name} {os.path.dirname(path)}",
        )
    for source, text in _login_texts(scene).items():
        try:
            parsed = json.loads(text)
            if not isinstance(parsed, dict):
                raise ValueError
        except ValueError:
            return warning(
                f"{source} is not JSON.",
                expected='{"auths": {...}}',
                why="The logins in it are not used: private images cannot be pulled.",
                fix=f"correct {source}",
            )
        missing = [name for name in _helpers(parsed) if not scene.world.which(f"docker-credential-{name}")]
        if missing:
            return warning(
                f"{source} names docker-credential-{missing[0]}, which is not on the PATH of the service.",
                expected="helpers on the PATH of the service",
                why="The logins that it keeps are not used: private images cannot be pulled.",
                fix=f"install docker-credential-{missing[0]} in /usr/local/bin, or take it out",
            )
    return passed()


def _logins(scene: Scene) -> dict[str, tuple[dict[str, str], str]]:
    """Logins that are written down, by registry; the first source wins, as for a job."""
    found: dict[str, tuple[dict[str, str], str]] = {}
    for source, text in _login_texts(scene).items():
        for registry, entry in _auths(text).items():
            login = _login(entry)
            if login:
                found.setdefault(registry, (login, source))
    return found


def _login_texts(scene: Scene) -> dict[str, str]:
    """Docker configurations by where they are."""
    entries = (entry.partition("=") for entry in scene.settings.runner.environment)
    of_runner = {key: value for key, _, value in entries}.get("DOCKER_AUTH_CONFIG", "")
    path = os.path.join(scene.account.home, ".docker/config.json")
    texts = {f"DOCKER_AUTH_CONFIG in {scene.config}": of_runner, path: scene.world.read(path)}
    return {source: text for source, text in texts.items() if text.strip()}


def _auths(text: str) -> dict[str, Any]:
    try:
        auths = json.loads(text).get("auths")
    except (ValueError, AttributeError):
        return {}
    return auths if isinstance(auths, dict) else {}


def _login(entry: Any) -> dict[str, str]:
    if not isinstance(entry, dict):
        return {}
    try:
        name, _, password = base64.b64decode(str(entry.get("auth") or "")).decode().partition(":")
    except ValueError:
        return {}
    name, password = name or str(entry.get("username") or ""), password or str(entry.get("password") or "")
    return {"username": name, "password": password} if name and password else {}


def _helpers(config: dict[str, Any]) -> list[str]:
    """Helpers that have something to tell: a store without logins is Docker Desktop's habit."""
    per_registry = config.get("credHelpers")
    named = [config.get("credsStore"), *(per_registry.values() if isinstance(per_registry, dict) else ())]
    return [name for name in named if isinstance(name, str) and name]


def _registry_host(registry: str) -> str:
    return "docker.io" if registry == HUB_KEY else urlsplit(registry).hostname or registry.partition("/")[0]


def registry_trouble(scene: Scene, image: str) -> str:
    """Why the Engine cannot get an image's manifest, in its own words; "" where it can."""
    from executor.engine.client import quote

    try:
        scene.world.ask(scene.endpoint, "GET", f"/distribution/{quote(image)}/json")
    except EngineError as refusal:
        return refusal.message[:200]
    except ExecutorError:
        return "no answer within 2 s"
    return ""
