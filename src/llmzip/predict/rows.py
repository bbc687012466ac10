"""The rows that the head reads, for all chunks of a wave that advance together.

The tokens are known, so the model runs over whole windows, a few ahead of where the wave is;
what has been dealt out is dropped, so memory holds a window or two of each chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.distribution import AnyHidden, Engine
from llmzip.predict.batches import (
    View,
    hidden_of,
    joined_hidden,
    rows_side_by_side,
    side_by_side,
    views_of,
)
from llmzip.predict.prefix import NO_PREFIX, Prefix
from llmzip.predict.windows import Window
from llmzip.predict.workers import Workers

Turn = list[tuple[int, View]]
"""Windows, and which chunks they are of."""


@dataclass
class _Ready:
    """Rows of a chunk from token `start` on that are not dealt out yet."""

    n_tokens: int
    start: int = 0
    rows: AnyHidden | None = None

    @property
    def stop(self) -> int:
        return self.start + (0 if self.rows is None else len(self.rows))

    def add(self, rows: AnyHidden) -> None:
        self.rows = rows if self.rows is None else joined_hidden([self.rows, rows])

    def take(self, stop: int) -> AnyHidden:
        """Deal out rows up to token `stop`."""
        assert self.rows is not None
        n, rows = stop - self.start, self.rows
        self.start = stop
        self.rows = rows.part(slice(n, None))
        return rows.part(slice(n))


class RowStream:
    """Deals out the rows that predict the tokens of chunks, slice after slice."""

    def __init__(
        self,
        workers: Workers,
        window: Window,
        chunks: Sequence[NDArray[np.int32]],
        n_together: int,
        prefix: Prefix = NO_PREFIX,
    ) -> None:
        """`n_together`: how many windows a worker runs side by side."""
        self._ready = [_Ready(len(chunk)) for chunk in chunks]
        self._found = _in_turn(workers, window, chunks, n_together, prefix)

    def take(self, stop: int) -> AnyHidden:
        """Return the next rows up to token `stop` of every chunk that has them, chunk by chunk."""
        while any(ready.stop < min(stop, ready.n_tokens) for ready in self._ready):
            chunk, rows = next(self._found)
            self._ready[chunk].add(rows)
        own = [ready for ready in self._ready if ready.start < ready.n_tokens]
        return joined_hidden([ready.take(min(stop, ready.n_tokens)) for ready in own])


def _in_turn(
    workers: Workers,
    window: Window,
    chunks: Sequence[NDArray[np.int32]],
    n_together: int,
    prefix: Prefix,
) -> Iterator[tuple[int, AnyHidden]]:
    """Yield (chunk, rows): the first window of every chunk, then the second, …

    In each of these turns windows of about the same length run side by side.
    """

    def run(turn: Turn, engine: Engine) -> list[AnyHidden]:
        return hidden_of(engine, [view for _, view in turn], prefix.cache)

    groups = [
        turn
        for turns in _turns(window, chunks, prefix)
        for turn in side_by_side(
            sorted(turns, key=lambda one: len(one[1].inputs)),
            lambda one: one[1].n_rows,
            _rows_at_once([one[1].n_rows for one in turns], window, n_together, workers),
        )
    ]
    tasks = (partial(run, turn) for turn in groups)
    for turn, found in zip(groups, workers.in_order(tasks), strict=True):
        yield from zip((chunk for chunk, _ in turn), found, strict=True)


def _rows_at_once(sizes: Sequence[int], window: Window, n_together: int, workers: Workers) -> int:
    """How many rows a worker may run at once so that all of them have some."""
    most = rows_side_by_side(workers.engines[0], window, n_together)
    return min(most, -(-sum(sizes) // len(workers.engines)))


def _turns(window: Window, chunks: Sequence[NDArray[np.int32]], prefix: Prefix) -> Iterator[Turn]:
    """Yield the first windows of all chunks, then the second ones, …, with their chunks."""
    waiting = [
        (chunk, views_of(window, np.concatenate([prefix.ids, ids]), len(prefix.ids)))
        for chunk, ids in enumerate(chunks)
    ]
    while waiting:
        found = [(chunk, views, next(views, None)) for chunk, views in waiting]
        yield [(chunk, view) for chunk, _, view in found if view is not None]
        waiting = [(chunk, views) for chunk, views, view in found if view is not None]
