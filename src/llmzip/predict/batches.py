"""Chunks through an engine's prefill, several side by side where the engine is wide enough.

Each window of a chunk starts from position 0 and needs nothing but its inputs, so windows are
what runs side by side, of one chunk or of many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.distribution import AnyCache, AnyHidden, Engine, TokenIntervals
from llmzip.predict.protocol import Intervals
from llmzip.predict.windows import Ids, Window

T = TypeVar("T")


def grouped(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of `size` items; the last may be shorter."""
    remaining = iter(items)
    while group := list(islice(remaining, size)):
        yield group


def side_by_side(items: Iterable[T], n_rows: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Cut into lists that fill `most` rows, each item padded to its list's longest; or of one."""
    group: list[T] = []
    longest = 0
    for item in items:
        padded = max(longest, n_rows(item))
        if group and padded * (len(group) + 1) > most:
            yield group
            group, padded = [], n_rows(item)
        group.append(item)
        longest = padded
    if group:
        yield group


def rows_side_by_side(engine: Engine, window: Window, n_together: int) -> int:
    """How many rows of windows may run side by side, `n_together` of them being whole."""
    return min(n_together * window.size, engine.max_rows)


def begin_chunks(
    engine: Engine, window: Window, chunks: Sequence[NDArray[np.int32]], n_lanes: int
) -> Callable[[], list[Intervals]]:
    """Begin to find the intervals of each chunk, `n_lanes` windows running side by side.

    Returns what waits for them; meanwhile the engine may go on to others.
    """
    views = [list(views_of(window, chunk.astype(np.int64))) for chunk in chunks]
    flat = [view for own in views for view in own]
    begun = [_begin_look_up(engine, rows) for rows in _blocks(engine, flat, n_lanes)]

    def finish() -> list[Intervals]:
        for wait in begun:
            wait()
        return [_intervals([part for view in own for part in view.found]) for own in views]

    return finish


def prefill(
    engine: Engine, cache: AnyCache, lane: int, inputs: Ids
) -> Iterator[tuple[int, AnyHidden]]:
    """Run `inputs` from position 0 of a lane, in blocks; yield each block's first row and rows."""
    for first in range(0, len(inputs), engine.max_rows):
        block = inputs[None, first : first + engine.max_rows]
        yield first, engine.forward(block, np.array([lane]), np.array([first]), cache)


def prefill_together(engine: Engine, cache: AnyCache, inputs: Mapping[int, Ids]) -> None:
    """Run the inputs of lanes from position 0, those of the same length side by side."""
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for lane, own in inputs.items():
        by_length[len(own)].append(lane)
    for length, alike in by_length.items():
        for lanes in grouped(alike, max(1, engine.max_rows // max(length, 1))):
            ids, columns = np.stack([inputs[lane] for lane in lanes]), engine.max_rows // len(lanes)
            for first in range(0, length, columns):
                block = np.ascontiguousarray(ids[:, first : first + columns])
                engine.forward(block, np.array(lanes), np.full(len(lanes), first), cache)


def hidden_of(
    engine: Engine, views: Sequence[View], known: AnyCache | None = None
) -> list[AnyHidden]:
    """The rows that predict each window's targets, in memory of their own; all side by side.

    known: a cache that holds the first n_known inputs of every view that has some.
    """
    parts: list[list[AnyHidden]] = [[] for _ in views]
    for rows in _blocks(engine, views, len(views), known):
        for own, part in zip(parts, rows.parts(), strict=True):
            own.append(part)
    return [joined_hidden(own) for own in parts]


def joined_hidden(parts: Sequence[AnyHidden]) -> AnyHidden:
    """The rows of all `parts`, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return parts[0].followed_by(parts[1:])


@dataclass(frozen=True, eq=False)
class View:
    """A window's inputs; the row of input n_context + i predicts targets[i].

    n_known: how many of the inputs, from the first, need not be run, a cache having them.
    """

    inputs: Ids
    n_context: int
    targets: Ids
    n_known: int = 0
    found: list[TokenIntervals] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        """How many of the inputs are to be run."""
        return len(self.inputs) - self.n_known

    def own(self, first: int, last: int) -> slice:
        """Which of the targets the rows first to last - 1 predict."""
        start, stop = (min(max(at, self.n_context), len(self.inputs)) for at in (first, last))
        return slice(start - self.n_context, stop - self.n_context)


def views_of(window: Window, ids: Ids, n_before: int = 0) -> Iterator[View]:
    """The windows of a chunk, in order; the first n_before of `ids` stand before it."""
    done = n_before
    for inputs, n_context in window.cut(ids, n_before):
        targets = ids[done : done + len(inputs) - n_context]
        yield View(inputs, n_context, targets, n_before if done == n_before else 0)
        done += len(targets)


@dataclass(frozen=True)
class _Rows:
    """Positions first to first + columns - 1 of each view: `hidden`, view after view."""

    views: Sequence[View]
    hidden: AnyHidden
    first: int
    columns: int

    def owns(self) -> list[slice]:
        """Which of each view's targets are predicted here."""
        return [view.own(self.first, self.first + self.columns) for view in self.views]

    def index(self) -> list[Ids]:
        """Which rows of `hidden` predict them."""
        return [
            np.arange(own.start, own.stop) + view.n_context - self.first + row * self.columns
            for row, (view, own) in enumerate(zip(self.views, self.owns(), strict=True))
        ]

    def parts(self) -> list[AnyHidden]:
        """The rows that predict targets, view by view."""
        return [self.hidden.picked(rows) for rows in self.index()]


def _blocks(
    engine: Engine, views: Sequence[View], n_lanes: int, known: AnyCache | None = None
) -> Iterator[_Rows]:
    """Run windows, `n_lanes` side by side, in blocks of as many positions as the engine takes.

    Shorter ones are fed id 0 to the end: what comes later in a lane changes nothing before it.
    """
    size = max(len(view.inputs) for view in views)
    cache = getattr(engine, "working_cache", engine.cache)(min(n_lanes, len(views)), size)
    for group in grouped(views, n_lanes):
        length = max(len(view.inputs) for view in group)
        ids = np.zeros((len(group), length), dtype=np.int64)
        for row, view in enumerate(group):
            ids[row, : len(view.inputs)] = view.inputs
        lanes, columns = np.arange(len(group)), max(1, engine.max_rows // len(group))
        n_known = 0
        if known is not None:
            n_known = min(view.n_known for view in group)
            for lane in lanes.tolist():
                cache.begin_lane(lane, known, n_known)
        for first in range(n_known, length, columns):
            block = ids[:, first : first + columns]
            hidden = engine.forward(block, lanes, np.full(len(group), first), cache)
            yield _Rows(group, hidden, first, block.shape[1])


def _begin_look_up(engine: Engine, rows: _Rows) -> Callable[[], None]:
    """Begin to find what `rows` say of targets; return what adds it to the views."""
    tokens = [view.targets[own] for view, own in zip(rows.views, rows.owns(), strict=True)]
    if not sum(map(len, tokens)):
        return lambda: None
    hidden, wanted = rows.hidden.picked(np.concatenate(rows.index())), np.concatenate(tokens)
    found = _begun(engine, hidden, wanted)

    def finish() -> None:
        answer, ends = found(), np.cumsum([len(own) for own in tokens])
        for view, own, end in zip(rows.views, tokens, ends, strict=True):
            if len(own):
                view.found.append(answer.part(end - len(own), end))

    return finish


def _begun(engine: Engine, hidden: AnyHidden, tokens: Ids) -> Callable[[], TokenIntervals]:
    """Ask an engine for intervals: one on a device is not waited for."""
    if hasattr(engine, "begin_intervals"):
        wait: Callable[[], TokenIntervals] = engine.begin_intervals(hidden, tokens)
        return wait
    found = engine.intervals(hidden, tokens)
    return lambda: found


def _intervals(parts: Sequence[TokenIntervals]) -> Intervals:
    found = TokenIntervals.joined(parts)
    return Intervals(found.low, found.freq, found.total, float(found.bits.sum()))
