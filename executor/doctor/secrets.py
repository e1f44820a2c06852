"""What no line of the doctor may show: values that it had to use, and what only looks like them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from executor.doctor.model import Skip
from executor.doctor.scene import proxies_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.doctor.model import Finding, Verdict
    from executor.doctor.scene import Scene

MASKED = "[MASKED]"
SHORTEST = 6
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|KEY|AUTH|CREDENTIAL", re.IGNORECASE)
# Tokens of GitLab, keys of S3, passwords in addresses: whoever wrote them where they do not belong.
SHAPES = re.compile(
    r"\bgl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|rtr|soat|wt)-[\w.-]{8,}|\bGR1348941[\w-]+|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)


class Secrets:
    """The secrets of a scene, and how to take them out of a text."""

    def __init__(self, scene: Scene) -> None:
        self._values = sorted({value for value in _values(scene) if len(value) >= SHORTEST}, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """The text without them."""
        for value in self._values:
            text = text.replace(value, MASKED)
        return SHAPES.sub(MASKED, text)

    def mask_finding(self, finding: Finding) -> Finding:
        """The finding without them."""
        return replace(finding, verdict=self._mask_verdict(finding.verdict))

    def _mask_verdict(self, verdict: Verdict) -> Verdict:
        return replace(
            verdict,
            found=self.masked(verdict.found),
            expected=self.masked(verdict.expected),
            why=self.masked(verdict.why),
            fix=tuple(self.masked(step) for step in verdict.fix),
        )


def _values(scene: Scene) -> Iterator[str]:
    environment = scene.account.environment
    yield from (value for name, value in environment.items() if SECRET_NAME.search(name))
    yield from (urlsplit(proxy).password or "" for proxy in proxies_in(environment).values())
    entries = (entry.partition("=") for entry in scene.settings.runner.environment)
    yield from (value for name, _, value in entries if SECRET_NAME.search(name))
    try:
        yield scene.token
        yield from _texts(scene.section.get("cache"))
    except Skip:
        return


def _texts(table: object) -> Iterator[str]:
    """The values of keys that hold secrets, however deep."""
    if not isinstance(table, dict):
        return
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _texts(value)
        elif isinstance(value, str) and re.search(r"key|secret|token|password|credential", str(key), re.IGNORECASE):
            yield value
