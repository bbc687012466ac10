"""The decoder's lanes of waves that learn: those of one group, or of several side by side.

The lanes of a wave learn together, waves of different groups share nothing but the steps. What
stands for the rows of a step here is ordered by wave, so that each finds its own in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt import SLICE_TOKENS, Mixed, Rows
from llmzip.adapt.history import Candidates
from llmzip.exact.bias import HeadBias, RowBias
from llmzip.exact.distribution import Ids
from llmzip.predict.adaptive import Adaptive, learnt_by
from llmzip.predict.gradients import Gradients, runs

if TYPE_CHECKING:
    from llmzip.predict.exact import ExactLanes
    from llmzip.predict.protocol import LearningGroup

U64 = NDArray[np.uint64]
T = TypeVar("T", bound=np.generic)


@dataclass(eq=False)
class _Wave:
    """A wave that is being decoded. sizes, done: tokens of each of its chunks."""

    adaptive: Adaptive
    sizes: Ids
    done: Ids
    slice: list[tuple[Rows, Ids]] = field(default_factory=list)

    def is_over(self) -> bool:
        """Whether all its tokens are decoded."""
        return int(self.done.max()) == int(self.sizes.max())

    def is_slice_over(self) -> bool:
        """Whether it is time to learn."""
        return int(self.done.max()) % SLICE_TOKENS == 0 or self.is_over()


class AdaptiveLanes:
    """Lanes of waves; see `SharedLanes`."""

    def __init__(self, plain: ExactLanes, n_lanes: int, vocab_size: int) -> None:
        self._plain = plain
        self._waves: dict[int, _Wave] = {}  # those that go on, by number
        self._wave_of = np.zeros(n_lanes, dtype=np.int64)
        self._chunk_of = np.zeros(n_lanes, dtype=np.int64)  # which of its wave's a lane holds
        self._gradients = Gradients(vocab_size)
        self._biases = _Biases(n_lanes, vocab_size)
        self._order: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._mixed: Mixed | None = None
        self._low: U64 = np.zeros((0, 0), dtype=np.uint64)

    def begin(self, group: LearningGroup, lanes: Sequence[int], n_tokens: Sequence[int]) -> None:
        """Let `lanes` hold the chunks, of so many tokens, of the next wave of `group`."""
        adaptive = learnt_by(group)
        own, sizes = np.array(lanes), np.array(n_tokens, dtype=np.int64)
        number = next(i for i in range(len(self._wave_of)) if i not in self._waves)
        self._wave_of[own], self._chunk_of[own] = number, np.arange(len(own))
        self._waves[number] = _Wave(adaptive, sizes, np.zeros_like(sizes))
        self._biases.put(number, adaptive.bias)
        adaptive.learner.begin_wave(n_tokens)

    def open(self, lane: int) -> None:
        """Start the chunk of `lane`."""
        self._plain.open(lane)

    def totals(self, lanes: Ids) -> U64:
        """Predict the next token of each of `lanes`; return the totals, in order."""
        self._order = np.argsort(self._wave_of[lanes], kind="stable")
        lanes = lanes[self._order]
        waves, chunks = self._wave_of[lanes], self._chunk_of[lanes]
        totals = self._plain.totals(lanes, self._biases.of(waves))
        at, candidates = np.zeros(len(lanes), dtype=np.int64), Candidates.empty(len(lanes))
        for wave, own in self._parts(waves):
            at[own] = wave.done[chunks[own]]
            wave.adaptive.learner.propose(chunks[own], at[own], candidates.part(own))
        self._low, freq = self._plain.look_up(lanes, candidates.ids.astype(np.int64))
        rows = Rows(chunks, at, candidates, freq.astype(np.int64), totals.astype(np.int64))
        self._mixed = Mixed.of(rows)
        for wave, own in self._parts(waves):
            wave.adaptive.learner.fill(self._mixed.part(own))
        return self._as_asked(self._mixed.totals.astype(np.uint64))

    def find(self, lanes: Ids, targets: U64) -> tuple[NDArray[np.int32], U64, U64]:
        """Take the token whose interval holds each target and append it to its lane."""
        assert self._mixed is not None, "find must follow totals"
        mixed, self._mixed = self._mixed, None
        lanes, targets = lanes[self._order], targets[self._order]
        ids, low, freq = self._plain.find(lanes, mixed.model_targets(targets, self._low))
        tokens = ids.astype(np.int64)
        low, freq = mixed.interval(tokens, low, freq)
        waves = self._wave_of[lanes]
        self._plain.add_gradient(lanes, tokens, waves, self._gradients)
        for wave, own in self._parts(waves):
            rows = mixed.rows.part(own)
            wave.adaptive.learner.write(rows.lanes, rows.at, tokens[own])
            wave.slice.append((rows, tokens[own]))
            wave.done[rows.lanes] += 1
            if wave.is_slice_over():
                self._learn(int(waves[own.start]), wave)
        return self._as_asked(ids), self._as_asked(low), self._as_asked(freq)

    def _parts(self, waves: Ids) -> Iterator[tuple[_Wave, slice]]:
        """Yield each wave with its rows."""
        for number, own in runs(waves):
            yield self._waves[number], own

    def _as_asked(self, rows: NDArray[T]) -> NDArray[T]:
        """Return rows in the order in which their lanes were named."""
        result = np.empty_like(rows)
        result[self._order] = rows
        return result

    def _learn(self, number: int, wave: _Wave) -> None:
        rows, tokens = Rows.in_order(wave.slice)
        wave.adaptive.learn(rows, tokens, self._gradients.take(number))
        wave.slice = []
        self._biases.put(number, wave.adaptive.bias)
        if wave.is_over():
            del self._waves[number]


class _Biases:
    """What waves have learnt to add to the head's logits, in one array for the engine.

    A row of it for all that have learnt nothing yet, then one for each that has.
    """

    def __init__(self, n_waves: int, vocab_size: int) -> None:
        self._values = np.zeros((1, vocab_size), dtype=np.float32)
        self._first: NDArray[np.float32] | None = None  # what stands in the first row
        self._rows: dict[int, int] = {}  # that are reserved for waves
        self._row_of = np.zeros(n_waves, dtype=np.int64)
        self._version = 0

    def put(self, wave: int, bias: HeadBias) -> None:
        """Note what the wave's group has learnt."""
        self._version += 1
        if self._first is None:
            self._first, self._values[0] = bias.values, bias.values
        is_first = bias.values is self._first  # steps make arrays anew
        self._row_of[wave] = 0 if is_first else self._reserved(wave)
        if not is_first:
            self._values[self._row_of[wave]] = bias.values

    def of(self, waves: Ids) -> RowBias:
        """Return the biases of rows of these waves."""
        return RowBias(self._values, self._row_of[waves], self._version)

    def _reserved(self, wave: int) -> int:
        row = self._rows.setdefault(wave, len(self._rows) + 1)
        if row == len(self._values):
            self._values = np.concatenate([self._values, np.zeros_like(self._values)])
        return row
