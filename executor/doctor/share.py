"""A report that may be pasted into an issue: findings and facts, without what names people, hosts or projects."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from executor.doctor.model import Skip
from executor.doctor.render import lines
from executor.doctor.summary import closing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from executor.doctor.model import Finding
    from executor.doctor.scene import Scene

ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
ADDRESS_6 = re.compile(r"(?<![\w:])[0-9a-fA-F]{0,4}:(?:[0-9a-fA-F]{0,4}:){1,6}[0-9a-fA-F]{0,4}(?![\w:])")
TIME = re.compile(r"\d\d:\d\d:\d\d")
MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
HOME = re.compile(r"/(?:home|Users)/[^/\s:]+")
HARMLESS = re.compile(r"^(?:127\.|0\.0\.0\.0$|255\.|8\.8\.8\.8$|1\.1\.1\.1$)")
ORDINARY_USERS = ("root", "gitlab-runner", "nobody")
LEAST_LETTERS = 3
NOT_SHOWN = ("host", "config", "account", "uid")


def report(scene: Scene, findings: Sequence[Finding], facts: dict[str, str], seconds: float) -> str:
    """The text, in a block that keeps its shape in an issue."""
    shown = [f"{name:16} {value or '-'}" for name, value in facts.items() if name not in NOT_SHOWN]
    told = [line.text.rstrip() for line in lines(findings, unicode=False, verbose=True)]
    text = "\n".join(["virida-executor doctor report", "", *shown, "", *told, "", closing(findings, seconds)])
    return f"```\n{anonymous(text, scene)}\n```"


def anonymous(text: str, scene: Scene) -> str:
    """The text without hosts, addresses, users, homes and names of runners."""
    for name, substitute in sorted(_names(scene), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", substitute, text)
    text = HOME.sub("/home/USER", text)
    text = MAIL.sub("MAIL", text)
    text = ADDRESS.sub(lambda found: found[0] if HARMLESS.match(found[0]) else "ADDRESS", text)
    return ADDRESS_6.sub(lambda found: found[0] if TIME.fullmatch(found[0]) else "ADDRESS", text)


def _names(scene: Scene) -> Iterator[tuple[str, str]]:
    yield from ((name, "HOST") for name in {os.uname().nodename} if len(name) >= LEAST_LETTERS)
    account = scene.account.name
    if account not in ORDINARY_USERS and len(account) >= LEAST_LETTERS:
        yield account, "USER"
    try:
        yield from _of_config(scene)
    except Skip:
        return


def _of_config(scene: Scene) -> Iterator[tuple[str, str]]:
    for section in scene.sections:
        for key, substitute in (("name", "RUNNER"), ("url", "GITLAB"), ("clone_url", "GITLAB")):
            value = section.get(key)
            if isinstance(value, str) and value:
                host = (urlsplit(value).hostname or value) if substitute == "GITLAB" else value
                yield host, substitute
    for image in (scene.settings.docker.image, scene.settings.helper.image, scene.settings.docker.helper_image):
        host, slash, _ = image.partition("/")
        if slash and ("." in host or ":" in host):
            yield host, "REGISTRY"
