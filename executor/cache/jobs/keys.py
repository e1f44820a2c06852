"""Cache keys as gitlab-runner understands them."""

from __future__ import annotations

import posixpath
import re

ENCODED = re.compile(r"%2[fFeE]|\\")
DECODED = {"%2f": "/", "%2e": ".", "\\": "/"}
PROTECTED_SUFFIX = "-protected"


def sanitised(key: str) -> str:
    """The key as a path that stays where it is put; "" where nothing is left of it.

    Encoded slashes and dots count as such, `..` climbs no higher than the top, blanks and slashes at the end go.
    """
    inside = ENCODED.sub(lambda found: DECODED[found[0].lower()], key)
    while (cleaned := _cleaned(inside)) != inside:
        inside = cleaned
    return inside


def is_kept_for_protected(key: str) -> bool:
    """Whether a key, whatever stands behind it, is of the kind that only jobs of protected refs may ask for by name."""
    return key.rstrip(". /").endswith(PROTECTED_SUFFIX)


def _cleaned(key: str) -> str:
    """One pass: what is cut off at the end may lay bare another `..`."""
    rooted = "/" + key.lstrip("/")
    return posixpath.normpath(rooted).rstrip().rstrip("/").lstrip("/")
