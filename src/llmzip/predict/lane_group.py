"""Lanes that one engine steps together: what each has seen, and its window."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import RowBias
from llmzip.exact.distribution import Distributions, Engine, TokenIntervals
from llmzip.predict.batches import prefill, prefill_together
from llmzip.predict.drafts import FedRows
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
        self.engine = engine
        self._window = window
        self._helpers = helpers
        self._cache = engine.cache(n_lanes, n_positions)
        self._prefix = prefix
        self._seen = _Histories(n_lanes)
        self._found: Distributions | None = None

    def open(self, lane: int) -> None:
        """Forget what the lane has seen, all but the prefix."""
        self._seen.begin(lane, self._prefix.ids)
        if self._prefix.cache is not None:
            self._cache.begin_lane(lane, self._prefix.cache, len(self._prefix.ids))

    def step(self, fed: FedRows, bias: RowBias | None = None) -> None:
        """Feed each lane its last token (or a new window) and predict the next.

        Rows ahead are fed their drafts; they are of the window of the row before.
        """
        lanes, is_first = fed.lanes, fed.ahead == 0
        n_seen = self._seen.sizes[lanes] + fed.ahead
        self._begin_windows(lanes[is_first & self._window.begin(n_seen) & (n_seen > 0)])
        at = n_seen - self._window.starts_of(n_seen)
        ids = np.where(at > 0, self._seen.last(lanes), self._window.bos_id)
        ids = np.where(is_first, ids, fed.drafts)
        self._found = self.engine.step(ids, lanes, at, self._cache, bias)

    def room(self, lanes: Lanes) -> Lanes:
        """How many rows each lane can have in the next step."""
        return self._window.room(self._seen.sizes[lanes])

    def distributions(self, rows: Ids | None = None) -> Distributions:
        """What the last `step` predicted. rows: of some rows only, for engines that take drafts."""
        assert self._found is not None, "predictions come before what is asked of them"
        if rows is None:
            return self._found
        some: Distributions = self._found.picked(rows)  # type: ignore[attr-defined]
        return some

    def _begin_windows(self, lanes: Lanes) -> None:
        """Prefill lanes whose next token opens a new window, but for its last input."""
        inputs = {lane: self._window.inputs(self._seen.ids(lane))[:-1] for lane in lanes.tolist()}
        if hasattr(self.engine, "prefill_lanes"):
            prefill_together(self.engine, self._cache, inputs)
            return
        tasks = [partial(self._prefill, lane, own) for lane, own in inputs.items()]
        if self._helpers is None:
            for task in tasks:
                task(self.engine)
        else:
            for _ in self._helpers.in_order(tasks):
                pass

    def _prefill(self, lane: int, inputs: Ids, engine: Engine) -> None:
        for _ in prefill(engine, self._cache, lane, inputs):
            pass

    def find(self, lanes: Lanes, targets: Totals, rows: Ids | None = None) -> TokenIntervals:
        """Search the distributions of the last `step`, append the tokens found.

        rows: which of them to search; None stands for all.
        """
        found = self.distributions(rows).find(targets)
        self._seen.append(lanes, found.tokens)
        return found


class _Histories:
    """The tokens that lanes have seen, in an array that grows. sizes: int64, how many each has."""

    def __init__(self, n_lanes: int) -> None:
        self.sizes = np.zeros(n_lanes, dtype=np.int64)
        self._ids = np.zeros((n_lanes, 256), dtype=np.int32)

    def begin(self, lane: int, ids: Ids) -> None:
        """Let a lane have seen `ids` alone."""
        self._make_room(len(ids))
        self._ids[lane, : len(ids)] = ids
        self.sizes[lane] = len(ids)

    def append(self, lanes: Lanes, tokens: Ids) -> None:
        """Append a token each to distinct lanes."""
        self._make_room(int(self.sizes[lanes].max(initial=0)) + 1)
        self._ids[lanes, self.sizes[lanes]] = tokens
        self.sizes[lanes] += 1

    def last(self, lanes: Lanes) -> Ids:
        """Return the last token of each lane; any number for one that has seen nothing."""
        return self._ids[lanes, self.sizes[lanes] - 1].astype(np.int64)

    def ids(self, lane: int) -> Ids:
        """Return all that a lane has seen."""
        return self._ids[lane, : self.sizes[lane]].astype(np.int64)

    def _make_room(self, size: int) -> None:
        missing = size - self._ids.shape[1]
        if missing > 0:
            self._ids = np.pad(self._ids, ((0, 0), (0, max(missing, self._ids.shape[1]))))
