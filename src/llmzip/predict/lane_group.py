"""Lanes that one engine steps together: what each has seen, and its window."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import RowBias
from llmzip.exact.distribution import Distributions, Engine, TokenIntervals
from llmzip.predict.batches import prefill
from llmzip.predict.prefix import Prefix
from llmzip.predict.windows import Ids, Window
from llmzip.predict.workers import Workers

Lanes = NDArray[np.int64]
Totals = NDArray[np.uint64]


class LaneGroup:
    """The lanes that one engine steps together.

    helpers: workers that may prefill lanes of the group side by side, where they are free.
    """

    def __init__(
        self,
        engine: Engine,
        window: Window,
        n_lanes: int,
        helpers: Workers | None,
        n_positions: int,
        prefix: Prefix,
    ) -> None:
        self._engine = engine
        self._window = window
        self._helpers = helpers
        self._cache = engine.cache(n_lanes, n_positions)
        self._prefix = prefix
        self._seen = [_History() for _ in range(n_lanes)]
        self._found: Distributions | None = None

    def open(self, lane: int) -> None:
        """Forget what the lane has seen, all but the prefix."""
        self._seen[lane].begin(self._prefix.ids)
        if self._prefix.cache is not None:
            self._cache.begin_lane(lane, self._prefix.cache, len(self._prefix.ids))

    def totals(self, lanes: Lanes, bias: RowBias | None = None) -> Totals:
        """Feed each lane its last token (or a new window) and predict the next."""
        self._begin_windows(lanes)
        last = np.array([self._last_input(int(lane)) for lane in lanes], dtype=np.int64)
        ids, at = np.ascontiguousarray(last.T)
        self._found = self._engine.step(ids, lanes, at, self._cache, bias)
        return self._found.totals()

    def distributions(self) -> Distributions:
        """What the last `totals` predicted."""
        assert self._found is not None, "predictions come before what is asked of them"
        return self._found

    def _begin_windows(self, lanes: Lanes) -> None:
        """Prefill the lanes whose next token opens a new window, but for its last input."""
        due = [lane for lane in lanes.tolist() if self._window.begins(len(self._seen[lane]))]
        tasks = [partial(self._prefill, lane) for lane in due if len(self._seen[lane])]
        if self._helpers is None:
            for task in tasks:
                task(self._engine)
        else:
            for _ in self._helpers.in_order(tasks):
                pass

    def _prefill(self, lane: int, engine: Engine) -> None:
        inputs = self._window.inputs(self._seen[lane].ids())
        for _ in prefill(engine, self._cache, lane, inputs[:-1]):
            pass

    def _last_input(self, lane: int) -> tuple[int, int]:
        """The window's last token in this lane and its position."""
        seen = self._seen[lane].ids()
        position = len(seen) - self._window.start_of(len(seen))
        return int(seen[-1]) if position else self._window.bos_id, position

    def find(self, lanes: Lanes, targets: Totals) -> TokenIntervals:
        """Search the distributions of the last `totals`, append the tokens found."""
        found = self.distributions().find(targets)
        for lane, token in zip(lanes.tolist(), found.tokens.tolist(), strict=True):
            self._seen[lane].append(token)
        return found


class _History:
    """The tokens a lane has seen, in an array that grows."""

    def __init__(self) -> None:
        self._ids = np.zeros(2048, dtype=np.int64)
        self._size = 0

    def begin(self, ids: Ids) -> None:
        self._size = len(ids)
        if self._size > len(self._ids):
            self._ids = np.zeros(2 * self._size, dtype=np.int64)
        self._ids[: self._size] = ids

    def append(self, token: int) -> None:
        if self._size == len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
        self._ids[self._size] = token
        self._size += 1

    def __len__(self) -> int:
        return self._size

    def ids(self) -> Ids:
        return self._ids[: self._size]
