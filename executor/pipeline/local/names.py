"""Names made of other names: slugs, file names, addresses of jobs in the terminal."""

from __future__ import annotations

import hashlib
import re

SLUG_LENGTH = 63
ENVIRONMENT_SLUG_LENGTH = 24


def slug(text: str) -> str:
    """Lower case, at most 63 characters, nothing but letters, digits and inner dashes (GitLab's CI_*_SLUG)."""
    return re.sub(r"[^a-z0-9]", "-", text.lower())[:SLUG_LENGTH].strip("-")


def environment_slug(name: str) -> str:
    """CI_ENVIRONMENT_SLUG: begins with a letter, at most 24 characters, with a hash where the name was changed."""
    plain = re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", name.lower()))
    plain = plain if re.match(r"[a-z]", plain) else f"env-{plain}"
    if plain == name and len(plain) <= ENVIRONMENT_SLUG_LENGTH:
        return plain.strip("-")
    digest = hashlib.sha256(name.encode()).hexdigest()
    suffix = _base36(int(digest, 16))[-6:]
    return f"{plain[: ENVIRONMENT_SLUG_LENGTH - 7].rstrip('-')}-{suffix}"


def file_name(job: str) -> str:
    """A job's name as the name of a file or folder: `test:ai-ml` is `test-ai-ml`."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", job).strip("-.") or "job"


def unique_file_names(jobs: list[str]) -> dict[str, str]:
    """A file name for each job; where two would share one, the later gets a number."""
    taken: set[str] = set()
    names = {}
    for job in jobs:
        base = name = file_name(job)
        number = 2
        while name.lower() in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name.lower())
        names[job] = name
    return names


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits
