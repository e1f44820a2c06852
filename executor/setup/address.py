"""GitLab's address as an operator types it."""

from __future__ import annotations

from urllib.parse import urlsplit

from executor.errors import UsageError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def require_address(url: str) -> str:
    """The address without a slash at its end. UsageError for what is no address of a GitLab, or holds a password."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise UsageError("--url is no web address.", fix="Write it as GitLab's own: --url https://gitlab.example.com")
    if parts.username is not None or parts.query or parts.fragment or not url.isprintable() or " " in url or "$" in url:
        raise UsageError("--url holds more than an address.", fix="Leave out user, password, `?`, `#`, `$` and blanks.")
    return url.rstrip("/")


def is_in_clear(url: str) -> bool:
    """Whether tokens go to another machine without TLS."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK
