"""What a group has learnt, and its waves on their way through the encoder.

The head's bias and the mixing with the history learn at the end of every slice, over all chunks
of a wave. The encoder knows all tokens: it runs the model over whole chunks first, keeps the rows
that the head reads, and goes through them slice by slice (see `together`). The decoder goes token
by token (see `adaptive_lanes`). Both see the same integers in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt import SLICE_TOKENS, Learner, Rows
from llmzip.exact.bias import HeadBias
from llmzip.exact.distribution import Ids, TokenIntervals
from llmzip.predict.protocol import Intervals, LearningGroup

U64 = NDArray[np.uint64]


class Adaptive:
    """What a group has learnt."""

    def __init__(self, bias: HeadBias) -> None:
        """`bias`: that has learnt nothing; groups may share it, for none writes to it."""
        self.learner = Learner()
        self.bias = bias.copy()

    def copy(self) -> Adaptive:
        """Return the same, to go on with independently."""
        other = copy(self)
        other.learner, other.bias = self.learner.copy(), self.bias.copy()
        return other

    def learn(self, rows: Rows, tokens: Ids, gradient: NDArray[np.int64]) -> None:
        """Learn a slice: all rows of all chunks, chunk after chunk."""
        self.learner.learn(rows, tokens)
        self.bias.step(gradient)


class AdaptiveGroup:
    """A group that learns so."""

    def __init__(self, adaptive: Adaptive) -> None:
        self.adaptive = adaptive


def learnt_by(group: LearningGroup) -> Adaptive:
    """Return what a group of the exact predictor has learnt."""
    assert isinstance(group, AdaptiveGroup), "predictors run the groups that they have made"
    return group.adaptive


class EncodedWave:
    """A wave of a group whose tokens are known: its slices, and what becomes of them."""

    def __init__(self, adaptive: Adaptive, chunks: Sequence[NDArray[np.int32]]) -> None:
        self._adaptive = adaptive
        self._sizes = np.array([len(chunk) for chunk in chunks])
        self.n_steps = int(self._sizes.max())
        self._tokens = np.concatenate(chunks).astype(np.int64)
        self._ends = np.cumsum(self._sizes)
        lanes = np.repeat(np.arange(len(chunks)), self._sizes)
        at = np.arange(len(self._tokens)) - np.repeat(self._ends - self._sizes, self._sizes)
        self._found = np.zeros((3, len(self._tokens)), dtype=np.uint64)
        adaptive.learner.begin_wave(self._sizes.tolist())
        adaptive.learner.write(lanes, at, self._tokens)

    def slice(self, first: int) -> Slice:
        """Return the slice that begins at token `first` of each chunk; all before is learnt."""
        going = np.flatnonzero(self._sizes > first)
        n_rows = np.minimum(self._sizes[going] - first, SLICE_TOKENS)
        lanes = np.repeat(going, n_rows)
        at = first + np.arange(len(lanes)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
        own = at + np.repeat(self._ends[going] - self._sizes[going], n_rows)
        return Slice.of(self._adaptive, lanes, at, self._tokens[own], own)

    def finish(self, part: Slice, gradient: NDArray[np.int64]) -> None:
        """Keep the intervals of a slice of which the model has said all, and learn it."""
        mixed = self._adaptive.learner.mix(part.rows())
        low, freq = mixed.interval(part.tokens, part.low[:, 0], part.freq[:, 0])
        self._found[:, part.own] = low, freq, mixed.totals.astype(np.uint64)
        self._adaptive.learn(mixed.rows, part.tokens, gradient)

    def intervals(self) -> Iterator[Intervals]:
        """Yield what was found of each chunk."""
        for size, end in zip(self._sizes, self._ends, strict=True):
            yield _as_intervals(self._found[:, end - size : end])


@dataclass
class Slice:
    """The rows of a slice, all chunks of a wave, chunk after chunk.

    wanted: (rows, 1 + candidates), of which the model is asked; low, freq, totals: what it says.
    tell: wants to hear of some rows, once that is there, what the model alone says of their tokens,
        and the frequencies of all tokens, int64 (rows, V).
    """

    own: NDArray[np.intp]  # which of the wave's tokens
    tokens: Ids
    unseen: Rows  # without what the model says
    bias: NDArray[np.float32]
    wanted: Ids
    low: U64
    freq: U64
    totals: U64
    tell: Callable[[slice, TokenIntervals, NDArray[np.int64]], None] | None = None

    @classmethod
    def of(
        cls, adaptive: Adaptive, lanes: Ids, at: Ids, tokens: Ids, own: NDArray[np.intp]
    ) -> Slice:
        """The rows of these tokens of a wave, with what its group proposes."""
        candidates = adaptive.learner.candidates(lanes, at)
        none = np.zeros(0, dtype=np.int64)
        wanted = np.column_stack([tokens, candidates.ids]).astype(np.int64)
        low, freq = np.zeros((2, *wanted.shape), dtype=np.uint64)
        totals = np.zeros(len(tokens), dtype=np.uint64)
        unseen = Rows(lanes, at, candidates, none, none)
        return cls(own, tokens, unseen, adaptive.bias.values, wanted, low, freq, totals)

    def rows(self) -> Rows:
        """The rows with what the model says."""
        c, freq = self.unseen.candidates, self.freq[:, 1:].astype(np.int64)
        return Rows(self.unseen.lanes, self.unseen.at, c, freq, self.totals.astype(np.int64))


def _as_intervals(found: U64) -> Intervals:
    low, freq, total = found
    bits = float(np.log2(total.astype(np.float64) / freq.astype(np.float64)).sum())
    return Intervals(low, freq, total, bits)
