"""The page: whole without the rest of the web, and unmoved by what a job is called."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from executor.report.html import render_html
from executor.usage.model import Limits, Usage
from tests.unit.report.builders import (
    GIB,
    OOM,
    a_comparison,
    a_job,
    a_usage,
    bare_usage,
    build,
    oom_usage,
    series,
    service,
)

HOSTILE = "</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt;\x1b[31m\u202e\n${name}"
EMPTY = {"meta", "line", "polygon", "polyline"}


class Page(HTMLParser):
    """The elements of a page with their attributes, its text, and whether all that is opened is closed."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY or tag == "polyline":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data

    def named(self, tag: str, kind: str = "") -> list[dict[str, str]]:
        """The attributes of each element of a name and class."""
        found = [attributes for name, attributes in self.elements if name == tag]
        return [one for one in found if not kind or kind in one.get("class", "").split(" ")]


def page(usage: Usage) -> Page:
    return Page(render_html(usage, (OOM,), a_comparison()))


@pytest.mark.parametrize("usage", [a_usage(), oom_usage(), bare_usage(), a_usage(containers=(), series=(), stages=())])
def test_the_page_needs_nothing_from_elsewhere(usage: Usage) -> None:
    content = render_html(usage, (OOM,), a_comparison())
    found = Page(content)

    assert not found.open
    assert not {name for name, _ in found.elements} & {"script", "link", "img", "iframe", "object", "base", "form", "a"}
    assert not re.search(r"url\(|@import|https?://|//cdn", content)
    assert not [attributes for _, attributes in found.elements if {"src", "href", "srcset"} & attributes.keys()]
    assert found.named("meta")[2]["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_phone_and_the_dark_are_thought_of() -> None:
    content = render_html(a_usage(), (), None)

    assert "width=device-width" in content
    assert "prefers-color-scheme: dark" in content
    assert "max-width: 560px" in content


def test_what_a_job_is_called_stays_text() -> None:
    stages = (replace(a_usage().stages[3], name=HOSTILE),)
    curve = replace(series("memory", "bytes", [1.0, GIB]), container=HOSTILE, quantity=HOSTILE)
    usage = a_usage(
        job=a_job(name=HOSTILE, project=HOSTILE, ref=HOSTILE, sha=HOSTILE, host=HOSTILE),
        containers=(build(name=HOSTILE, image=HOSTILE), service(name=HOSTILE, image=HOSTILE)),
        stages=stages,
        series=(curve,),
        result=HOSTILE,
        failed_stage=HOSTILE,
        cache=HOSTILE,
        engine=HOSTILE,
        kernel=HOSTILE,
        missing=(HOSTILE,),
    )
    verdict = replace(OOM, severity=HOSTILE, happened=HOSTILE, evidence=HOSTILE, advice=HOSTILE)

    content = render_html(usage, (verdict,), replace(a_comparison(), branch=HOSTILE))
    found, plain = Page(content), page(a_usage(stages=stages, series=(curve,), containers=usage.containers))

    assert {name for name, _ in found.elements} == {name for name, _ in plain.elements}
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert "\x1b" not in content
    assert "\u202e" not in content
    assert "<script>alert(1)</script>" in found.words


def test_curves_are_drawn_with_stages_and_the_limit() -> None:
    found = page(a_usage())

    assert len(found.named("polyline")) == 2
    assert len(found.named("line", "limit")) == 2
    assert [stage["title"] for stage in found.named("div", "stage")][:2] == ["sources 8.2 s", "script 6 m 02 s"]
    assert "Memory: up to 1.9 GiB, limit of the build container 2.0 GiB" in found.words


def test_a_limit_far_above_the_curve_is_named_and_not_drawn() -> None:
    found = page(a_usage(containers=(build(limits=Limits(memory=64 * GIB, cpus=64.0)),)))

    assert not found.named("line", "limit")
    assert "limit of the build container 64 GiB" in found.words


def test_points_lie_within_the_drawing() -> None:
    found = page(a_usage(seconds=1.0, series=(series("memory", "bytes", [0.0, 5.0, GIB, 0.0]),)))

    points = [point.split(",") for line in found.named("polyline") for point in line["points"].split()]
    assert len(points) == 4
    assert all(0 <= float(x) <= 1000 and 0 <= float(y) <= 100 for x, y in points)
    assert min(float(y) for _, y in points) == pytest.approx(100 * (1 - 0.8 / 2.16), abs=0.1)


def test_what_was_not_measured_is_said_and_not_drawn() -> None:
    found = page(bare_usage())

    assert not found.named("svg")
    assert "not measurable on this host: cpu, memory, io, network" in found.words
    assert "0 B" not in found.words


def test_verdicts_come_first() -> None:
    words = page(oom_usage()).words

    assert words.index(OOM.happened) < words.index("Peak memory")
    assert "memory +38 % – two of the last three runs" in words
    assert 'JOB_MEMORY: "2560Mi"' in words
