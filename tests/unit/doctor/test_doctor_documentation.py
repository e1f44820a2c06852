"""docs/doctor.md has a heading for every check, which is where findings lead."""

from __future__ import annotations

import re
from pathlib import Path

from executor.doctor.catalogue import all_checks

DOCUMENT = Path(__file__).parents[3] / "docs" / "doctor.md"


def anchors(text: str) -> list[str]:
    """Anchors of headings, as GitLab makes them: lower case, no dots."""
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w-]", "", heading.lower()) for heading in headings]


def test_every_check_is_described_once() -> None:
    text = DOCUMENT.read_text()

    assert sorted(anchors(text)) == sorted(check.link.partition("#")[2] for check in all_checks())
    assert all(check.link.startswith("docs/doctor.md#") for check in all_checks())


def test_titles_are_those_of_the_document() -> None:
    text = " ".join(DOCUMENT.read_text().split())

    assert [check.id for check in all_checks() if " ".join(f"### {check.id} {check.title}.".split()) not in text] == []
