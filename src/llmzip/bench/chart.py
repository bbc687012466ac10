"""Where things stand in a chart of bits per byte against speed; a template draws it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmzip.bench.results import RowResult

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 16, 14, 44
_LETTER, _LINE, _GAP, _DOT = 7.2, 15, 9, 5
"""Of labels: the width of a letter, the height of a line, the way to their dot; a dot's radius."""
_MOST_TICKS = 6
_FARTHEST = 8
_UNITS = ((9, "G"), (6, "M"), (3, "k"), (0, ""))


@dataclass(frozen=True)
class Tick:
    """A line across the chart, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Box:
    """A part of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether they have anything in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, other: Box) -> bool:
        """Whether the other lies within."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True)
class Mark:
    """A row: two dots at one height, a line between them, and a label.

    anchor: start, middle or end, as SVG has it. lead: where a line to a distant label begins and
    ends; None where it stands beside its dot.
    """

    name: str
    is_ours: bool
    compress_x: float
    decompress_x: float
    y: float
    label_x: float
    label_y: float
    anchor: str
    lead: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Chart:
    """All of it, in units of the picture, whose origin is at the top left."""

    width: float
    height: float
    plot: Box
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Mark]


@dataclass(frozen=True)
class _Place:
    """Where a label may stand: its box, where its text begins, where a line to it would."""

    box: Box
    x: float
    y: float
    anchor: str
    lead: tuple[float, float, float, float] | None


def chart_of(rows: Sequence[RowResult], width: float, height: float) -> Chart:
    """Lay out a chart of rows (at least one) in a picture of that size."""
    plot = Box(_LEFT, _TOP, width - _RIGHT, height - _BOTTOM)
    speeds = [s for row in rows for s in (row.compress_bytes_per_s, row.decompress_bytes_per_s)]
    low, high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)))
    high = max(high, low + 1)
    top, step = _scale(max(row.bits_per_byte for row in rows))

    def x_of(speed: float) -> float:
        share = (math.log10(speed) - low) / (high - low)
        return round(plot.left + share * (plot.right - plot.left), 1)

    def y_of(bits: float) -> float:
        return round(plot.bottom - bits / top * (plot.bottom - plot.top), 1)

    at = [
        (
            row,
            x_of(row.compress_bytes_per_s),
            x_of(row.decompress_bytes_per_s),
            y_of(row.bits_per_byte),
        )
        for row in rows
    ]
    x_ticks = [Tick(x_of(10.0**power), _power(power)) for power in range(low, high + 1)]
    y_ticks = [Tick(y_of(i * step), f"{i * step:g}") for i in range(round(top / step) + 1)]
    return Chart(width, height, plot, x_ticks, y_ticks, _labelled(at, plot))


def _scale(most: float) -> tuple[float, float]:
    """Return where an axis from 0 ends, and how far its ticks are apart."""
    step = 0.1
    while most / step > _MOST_TICKS:
        step = round(step * (2.5 if f"{step:g}"[-1] == "2" else 2), 10)
    return math.ceil(most / step) * step, step


def _power(power: int) -> str:
    """Return a power of ten as people write it: 100k."""
    for unit_power, unit in _UNITS:
        if power >= unit_power:
            return f"{10 ** (power - unit_power)}{unit}"
    return f"{10.0**power:g}"


def _labelled(at: Sequence[tuple[RowResult, float, float, float]], plot: Box) -> list[Mark]:
    """Give each row a label that covers nothing: the nearest place that is free."""
    taken = [box for _, *where in at for box in _boxes(*where)]
    marks = []
    for row, x, back_x, y in sorted(at, key=lambda one: one[3], reverse=True):
        places = list(_places(len(row.name) * _LETTER, x, back_x, y))
        free = (
            place
            for place in places
            if plot.holds(place.box) and not any(place.box.meets(box) for box in taken)
        )
        place = next(free, places[0])
        taken.append(place.box)
        ours = row.level is not None
        marks.append(Mark(row.name, ours, x, back_x, y, place.x, place.y, place.anchor, place.lead))
    return marks


def _boxes(x: float, back_x: float, y: float) -> Iterator[Box]:
    """Yield what two dots and the line between them cover."""
    for middle in (x, back_x):
        yield Box(middle - _DOT, y - _DOT, middle + _DOT, y + _DOT)
    yield Box(min(x, back_x), y - 1, max(x, back_x), y + 1)


def _places(n: float, x: float, back_x: float, y: float) -> Iterator[_Place]:
    """Yield where a label of that width may stand, the best first."""
    left, right = min(x, back_x), max(x, back_x)
    yield _place(right + _GAP, y, n, "start")
    yield _place(left - _GAP, y, n, "end")
    for distance in range(1, _FARTHEST):
        for sign in (-1, 1):
            for dot, anchor in (
                (left, "middle"),
                (right, "middle"),
                (left, "start"),
                (right, "end"),
            ):
                yield _place(dot, y + sign * _LINE * distance, n, anchor, (dot, y, distance))


def _place(
    x: float, y: float, n: float, anchor: str, dot: tuple[float, float, int] | None = None
) -> _Place:
    left = {"start": x, "middle": x - n / 2, "end": x - n}[anchor]
    box = Box(left, y - _LINE / 2, left + n, y + _LINE / 2)
    lead = None
    if dot is not None and dot[2] > 1:
        end = box.bottom if box.bottom < dot[1] else box.top
        lead = (dot[0], dot[1], dot[0], end)
    return _Place(box, round(x, 1), round(y, 1), anchor, lead)
