"""What an engine answers: intervals of known tokens, and the search for unknown ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import AnyBias
from llmzip.exact.cache import KVCache
from llmzip.exact.hidden import Hidden
from llmzip.exact.shape import ModelShape

Ids = NDArray[np.int64]
AnyCache = KVCache[Any]
AnyHidden = Hidden[Any]
"""What engines make for themselves; only the one that made it takes it."""


@dataclass(frozen=True)
class TokenIntervals:
    """One token of each row with its place in the row's distribution; all shape (rows,)."""

    tokens: Ids
    low: NDArray[np.uint64]
    freq: NDArray[np.uint64]
    total: NDArray[np.uint64]
    bits: NDArray[np.float64]  # the cross-entropy of the token before rounding

    @classmethod
    def empty(cls, n_rows: int) -> TokenIntervals:
        """Room for `n_rows` answers."""
        low, freq, total = np.zeros((3, n_rows), dtype=np.uint64)
        return cls(np.zeros(n_rows, dtype=np.int64), low, freq, total, np.zeros(n_rows))

    @classmethod
    def joined(cls, parts: Sequence[TokenIntervals]) -> TokenIntervals:
        """The answers of all `parts` (at least one), one after the other."""
        return cls(
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([part.low for part in parts]),
            np.concatenate([part.freq for part in parts]),
            np.concatenate([part.total for part in parts]),
            np.concatenate([part.bits for part in parts]),
        )

    def part(self, start: int, stop: int) -> TokenIntervals:
        """The answers of rows start to stop - 1."""
        own = slice(start, stop)
        return TokenIntervals(
            self.tokens[own], self.low[own], self.freq[own], self.total[own], self.bits[own]
        )


@dataclass(frozen=True)
class StepCosts:
    """What a step costs, where one of a single row costs 1.

    few: rows up to which another costs `row`; those beyond cost `more` each. lane: what a row
    costs beside that if it is another lane's. second: what a lane's second row costs beside, or
    the first of its rows for which attention goes another way.
    """

    few: int
    row: float
    more: float
    lane: float
    second: float

    def of(self, n_rows: int, n_lanes: int, n_several: int) -> float:
        """What a step of so many rows of so many lanes costs, of which some have several."""
        few = min(n_rows, self.few)
        beyond = self.more * (n_rows - few) + self.second * n_several
        return 1 + self.row * (few - 1) + beyond + self.lane * (n_lanes - 1)


class Distributions(Protocol):
    """Next-token distributions of several rows, held where the engine runs."""

    def totals(self) -> NDArray[np.uint64]:
        """The frequencies' sum of each row."""

    def find(self, targets: NDArray[np.uint64]) -> TokenIntervals:
        """The token of each row whose interval holds its target, with low and freq."""

    def look_up(self, ids: Ids) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Where tokens (rows, C) lie in the rows' distributions: (low, freq)."""

    def frequencies(self) -> NDArray[np.int64]:
        """The frequencies of all tokens in the rows' distributions, (rows, V)."""

    def add_gradient(self, tokens: Ids, gradient: NDArray[np.int64], first_row: int = 0) -> None:
        """Add to `gradient` (V,) what came, tokens (rows,), less what was predicted.

        It is that of as many rows as there are tokens, from first_row on.
        In units of 2^-GRADIENT_BITS: 2^GRADIENT_BITS for each token, less for each row and each
        v rint(exp2(l[v] - max l) · f32(2^(GRADIENT_BITS + FREQ_BITS) / total)).
        """


class Engine(Protocol):
    """An exact model that runs rows of tokens over a KV cache.

    One that wants many lanes has a method `default_lanes(n_positions)` beside these: how many
    to decode side by side, and one `prefill_lanes(n_positions)`: how many to prefill so. One on a
    device may have `head_rows`: for how many rows to ask for distributions at once;
    `gradient_room()`: where it sums up gradients itself (predict.gradients.Room);
    `begin_intervals`, which returns what waits for `intervals`; `working_cache`, a `cache` that
    serves until it is asked for again; `groups_together`: how many that learn to encode at once,
    each in a thread, for the model's work is not the processor's. One whose step takes several
    rows of a lane, which follow each other and stand at positions one after the other, says what
    that costs in `step_costs: StepCosts`; its distributions then have a method `picked(rows)`.
    """

    shape: ModelShape
    device: str  # "cpu", "cuda"
    max_rows: int
    step_threads: int  # threads that one `step` keeps busy

    @property
    def way(self) -> str:
        """How it computes on its device, for people: "avx2", "triton"."""

    @property
    def head_bias(self) -> NDArray[np.float32] | None:
        """The head's own bias (V,), if it has one."""

    def cache(self, n_lanes: int, n_positions: int) -> AnyCache:
        """Make a KV cache."""

    def forward(self, ids: Ids, lanes: Ids, starts: Ids, cache: AnyCache) -> AnyHidden:
        """Run ids (B, T), lane b at positions from starts[b]; B · T <= max_rows."""

    def intervals(self, hidden: AnyHidden, tokens: Ids) -> TokenIntervals:
        """Intervals of the tokens (rows,) that follow the rows of `hidden`."""

    def distributions(self, hidden: AnyHidden, bias: AnyBias | None = None) -> Distributions:
        """The distributions after the rows of `hidden`, to be searched.

        bias: float32 (V,), or one for each row, instead of the head's own.
        """

    def step(
        self, ids: Ids, lanes: Ids, at: Ids, cache: AnyCache, bias: AnyBias | None = None
    ) -> Distributions:
        """Feed a token each (M,) to lanes at positions `at`: the distributions after.

        They are valid until the engine's next call. M may be any number. The lanes are distinct,
        unless the engine has `step_costs`.
        """
