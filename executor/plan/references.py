"""Names of images: what Docker takes for one, and what it means."""

from __future__ import annotations

import re

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>{_DIGEST}))?",
    re.ASCII,
)
IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
LONGEST_NAME = 255
HUB = "docker.io"
HUB_HOSTS = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})
HUB_LIBRARY = "library/"
DEFAULT_PORTS = (":443", ":80")
SYSTEMS = frozenset({"linux", "windows", "freebsd", "darwin"})
PLATFORM = re.compile(r"[a-z0-9_]+(?:/[a-z0-9_]+){0,2}")


def with_tag(name: str) -> str:
    """The name as Docker completes it: `latest` where it has neither tag nor digest.

    Raises ValueError where Docker would not take it for the name of an image; the text says why.
    """
    if IMAGE_ID.fullmatch(name):
        return name
    match = REFERENCE.fullmatch(name)
    if match is None or len(match["name"]) > LONGEST_NAME:
        raise ValueError(_reason(name))
    return name if match["tag"] or match["digest"] else f"{name}:latest"


def split_version(name: str) -> tuple[str, str]:
    """The name of a valid reference without registry port, and its tag (`latest` without one): `("redis", "7")`."""
    match = REFERENCE.fullmatch(name)
    if match is None:
        return name, "latest"
    repository = re.sub(r"^([^/\[\]]+):[0-9]+/", r"\1/", match["name"])
    return repository, match["tag"] or "latest"


def is_image_id(name: str) -> bool:
    """Whether the name is an image's id, which says nothing of where the image came from."""
    return bool(IMAGE_ID.fullmatch(name))


def spellings(name: str) -> tuple[str, ...]:
    """Every way to write the repository of a valid reference: `ruby`, `library/ruby`, `docker.io/library/ruby`, …"""
    match = REFERENCE.fullmatch(name)
    if match is None:
        return (name,)
    host, path = _host_and_path(match["name"])
    if host != HUB:
        return tuple(dict.fromkeys((match["name"], f"{host}/{path}")))
    short = (path.removeprefix(HUB_LIBRARY),) if path.count("/") == 1 and path.startswith(HUB_LIBRARY) else ()
    paths = (path, *short)
    return tuple(dict.fromkeys((match["name"], *paths, *(f"{HUB}/{path}" for path in paths))))


def version_suffix(name: str) -> str:
    """What follows the repository of a valid reference: `:tag`, `@digest` or both; `:latest` where nothing does."""
    match = REFERENCE.fullmatch(name)
    return (name[match.end("name") :] if match else "") or ":latest"


def _host_and_path(repository: str) -> tuple[str, str]:
    """The registry (Docker's own has one name) and the path there, as Docker completes them."""
    host, slash, path = repository.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost" or host != host.lower()):
        host, path = HUB, repository
    host = host.lower()
    for port in DEFAULT_PORTS:
        host = host.removesuffix(port)
    if host not in HUB_HOSTS:
        return host, path
    return HUB, path if "/" in path else f"{HUB_LIBRARY}{path}"


def normalise_platform(platform: str, host_platform: str) -> str:
    """`os/arch[/variant]` in small letters, the missing part as on the host. Raises ValueError for anything else."""
    words = platform.lower()
    if not PLATFORM.fullmatch(words):
        raise ValueError(f"{platform!r} is not a platform such as linux/arm64")
    if "/" in words:
        return words
    return f"{words}/{host_platform.partition('/')[2]}" if words in SYSTEMS else f"linux/{words}"


def _reason(name: str) -> str:
    if len(name) > LONGEST_NAME:
        return "it is too long"
    if re.search(r"\s|[^\x20-\x7e]", name):
        return "it holds a space or a character outside ASCII"
    if name.startswith("-"):
        return "it starts with a dash"
    if REFERENCE.fullmatch(name.lower()):
        return "a repository is written in small letters"
    return "it is not of the form registry/path:tag or registry/path@sha256:digest"
