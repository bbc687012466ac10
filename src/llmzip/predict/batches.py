"""Chunks through an engine's prefill, several side by side where the engine is wide enough.

Each window of a chunk starts from position 0 and needs nothing but its inputs, so windows are
what runs side by side, of one chunk or of many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip.exact.cache import KVCache
from llmzip.exact.distribution import Engine, TokenIntervals
from llmzip.exact.hidden import Hidden
from llmzip.predict.protocol import Intervals
from llmzip.predict.windows import Ids, Window

T = TypeVar("T")


def grouped(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of `size` items; the last may be shorter."""
    remaining = iter(items)
    while group := list(islice(remaining, size)):
        yield group


def chunk_intervals(
    engine: Engine, window: Window, chunks: Sequence[NDArray[np.int32]], n_lanes: int
) -> list[Intervals]:
    """The intervals of each chunk, `n_lanes` windows running side by side."""
    views = [list(_views(window, chunk.astype(np.int64))) for chunk in chunks]
    flat = [view for own in views for view in own]
    size = max(len(view.inputs) for view in flat)
    cache = engine.cache(min(n_lanes, len(flat)), size)
    for group in grouped(flat, n_lanes):
        _run(engine, cache, group)
    return [_intervals([part for view in own for part in view.found]) for own in views]


@dataclass(frozen=True)
class _View:
    """A window's inputs; the row of input n_context + i predicts targets[i]."""

    inputs: Ids
    n_context: int
    targets: Ids
    found: list[TokenIntervals] = field(default_factory=list)

    def own(self, first: int, last: int) -> slice:
        """Which of the targets the rows first to last - 1 predict."""
        start, stop = (min(max(at, self.n_context), len(self.inputs)) for at in (first, last))
        return slice(start - self.n_context, stop - self.n_context)


def _views(window: Window, ids: Ids) -> Iterator[_View]:
    done = 0
    for inputs, n_context in window.cut(ids):
        targets = ids[done : done + len(inputs) - n_context]
        done += len(targets)
        yield _View(inputs, n_context, targets)


def _run(engine: Engine, cache: KVCache, views: Sequence[_View]) -> None:
    """Run windows side by side, in blocks of as many positions as the engine takes.

    Shorter ones are fed id 0 to the end: what comes later in a lane changes nothing before it.
    """
    length = max(len(view.inputs) for view in views)
    ids = np.zeros((len(views), length), dtype=np.int64)
    for row, view in enumerate(views):
        ids[row, : len(view.inputs)] = view.inputs
    lanes, columns = np.arange(len(views)), max(1, engine.max_rows // len(views))
    for first in range(0, length, columns):
        block = ids[:, first : first + columns]
        hidden = engine.forward(block, lanes, np.full(len(views), first), cache)
        _look_up(engine, hidden, views, first, block.shape[1])


def _look_up(
    engine: Engine, hidden: Hidden, views: Sequence[_View], first: int, columns: int
) -> None:
    """Add to each view what the rows of `hidden`, `columns` of each view, say of its targets."""
    owns = [view.own(first, first + columns) for view in views]
    tokens = [view.targets[own] for view, own in zip(views, owns, strict=True)]
    if not sum(map(len, tokens)):
        return
    rows = [
        np.arange(own.start, own.stop) + view.n_context - first + row * columns
        for row, (view, own) in enumerate(zip(views, owns, strict=True))
    ]
    index = torch.from_numpy(np.concatenate(rows)).to(hidden.q.device)
    found = engine.intervals(Hidden(hidden.q[index], hidden.scale[index]), np.concatenate(tokens))
    ends = np.cumsum([len(own) for own in tokens])
    for view, own, end in zip(views, tokens, ends, strict=True):
        if len(own):
            view.found.append(found.part(end - len(own), end))


def _intervals(parts: Sequence[TokenIntervals]) -> Intervals:
    found = TokenIntervals.joined(parts)
    return Intervals(found.low, found.freq, found.total, float(found.bits.sum()))
