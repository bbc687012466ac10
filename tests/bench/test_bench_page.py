"""The page: whole by itself, for everybody, and a chart whose labels can be read."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import combinations

import pytest

from llmzip.bench.chart import Box, Chart, Mark, chart_of
from llmzip.bench.page import page
from llmzip.bench.results import RowResult, TextResult

LETTER = 7.2


def row(name: str, bits: float, compress: float, decompress: float) -> RowResult:
    level = 5 if name.startswith("llmzip") else None
    n = 20_000
    return RowResult(name, level, n, round(bits * n / 8), n / compress, n / decompress, 1, 0, 1)


ROWS = [
    row("gzip -9", 3.32, 35e6, 570e6),
    row("bzip2 -9", 2.92, 12e6, 41e6),
    row("xz -9e", 3.187, 436e3, 69e6),
    row("zstd -19", 3.185, 5.9e6, 797e6),
    row("brotli -11", 2.81, 914e3, 295e6),
    row("ppmd -o12", 2.64, 5.75e6, 5.87e6),
    row("llmzip -1", 1.24, 2240, 1300),
    row("llmzip -5", 1.14, 1540, 890),
    row("llmzip -9", 1.11, 540, 310),
]
TEXT = TextResult("<alice>.txt", 20_000, ROWS, {"arj": "absent"}, {"zoo": "odd & wrong"})


class Reader(HTMLParser):
    """Collects tags with their attributes, and checks that they are closed in order."""

    VOID = ("meta", "line", "circle", "link", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def whole() -> str:
    return page([TEXT, TEXT], 98_362_432, {"processor": "<fast>", "threads": None})


def test_it_needs_nothing_from_elsewhere(whole: str) -> None:
    reader = Reader()
    reader.feed(whole)
    assert reader.open == []
    names = {name for _, attributes in reader.tags for name in attributes}
    assert not names & {"src", "href", "xlink:href", "srcset", "onload"}
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?:|url\(|@import", whole)


def test_it_has_charts_and_tables_for_everybody(whole: str) -> None:
    reader = Reader()
    reader.feed(whole)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("figure") == tags.count("table") == tags.count("caption") == 3
    charts = [attributes for tag, attributes in reader.tags if attributes.get("role") == "img"]
    assert len(charts) == 6
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) == 12
    for attributes in charts:
        assert set((attributes["aria-labelledby"] or "").split()) <= set(ids)
    assert all("scope" in attributes for tag, attributes in reader.tags if tag == "th")
    assert "prefers-color-scheme: dark" in whole
    for one in ROWS:
        assert f">{one.name}</text>" in whole
        assert f'<th scope="row">{one.name}</th>' in whole


def test_names_are_text_and_what_is_not_there_is_said(whole: str) -> None:
    assert "&lt;alice&gt;.txt" in whole
    assert "<alice>" not in whole
    assert "processor &lt;fast&gt;." in whole
    assert "zoo: odd &amp; wrong" in whole
    assert re.search("Left out.*: arj; pip install", whole)
    assert whole.count("are paid back against ppmd\u00a0\u2011o12") == 9
    assert page([TextResult("none", 1, [], {}, {"xz": "odd"})], 1, {}).count("<figure>") == 0


@pytest.mark.parametrize(("width", "height"), [(760, 400), (350, 380)])
def test_labels_cover_neither_each_other_nor_a_dot(width: float, height: float) -> None:
    chart = chart_of(ROWS, width, height)
    labels = [label_of(mark) for mark in chart.marks]
    assert len(labels) == len(ROWS)
    for one, other in combinations(labels, 2):
        assert not one.meets(other)
    for label in labels:
        assert chart.plot.holds(label)
        for mark in chart.marks:
            for x in (mark.compress_x, mark.decompress_x):
                assert not label.meets(Box(x - 4, mark.y - 4, x + 4, mark.y + 4))


def label_of(mark: Mark) -> Box:
    n = len(mark.name) * LETTER
    left = {"start": mark.label_x, "middle": mark.label_x - n / 2, "end": mark.label_x - n}
    at = left[mark.anchor]
    return Box(at, mark.label_y - 7, at + n, mark.label_y + 7)


def test_places_follow_the_figures() -> None:
    chart = chart_of(ROWS, 760, 400)
    assert [tick.text for tick in chart.x_ticks] == [
        *("100", "1k", "10k", "100k", "1M", "10M", "100M", "1G")
    ]
    assert [tick.text for tick in chart.y_ticks] == ["0", "1", "2", "3", "4"]
    by_name = {mark.name: mark for mark in chart.marks}
    assert by_name["xz -9e"].compress_x < by_name["zstd -19"].compress_x
    assert by_name["llmzip -5"].y > by_name["ppmd -o12"].y  # further down is smaller
    assert by_name["llmzip -9"].is_ours
    assert_within(chart)


@pytest.mark.parametrize("bits", [0.004, 0.05, 0.5, 3.0, 8.1])
def test_one_row_of_any_size_has_a_chart(bits: float) -> None:
    chart = chart_of([row("xz", bits, 1e6, 1e6)], 350, 380)
    assert 2 <= len(chart.y_ticks) <= 8
    assert len(chart.x_ticks) >= 2
    assert_within(chart)


def assert_within(chart: Chart) -> None:
    for mark in chart.marks:
        for x in (mark.compress_x, mark.decompress_x):
            assert chart.plot.left <= x <= chart.plot.right
        assert chart.plot.top <= mark.y <= chart.plot.bottom
