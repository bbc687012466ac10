"""The decoder's lanes of waves that learn: those of one group, or of several side by side.

The lanes of a wave learn together, waves of different groups share nothing but the steps. What
stands for the rows of a step here is ordered by wave, so that each finds its own in one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt import Mixed, Seats, Step
from llmzip.exact.bias import HeadBias, RowBias
from llmzip.exact.distribution import Ids
from llmzip.predict.adaptive import Adaptive, learnt_by
from llmzip.predict.gradients import Gradients

if TYPE_CHECKING:
    from llmzip.predict.exact import ExactLanes
    from llmzip.predict.protocol import LearningGroup

U64 = NDArray[np.uint64]
T = TypeVar("T", bound=np.generic)


class AdaptiveLanes:
    """Lanes of waves; see `SharedLanes`."""

    def __init__(self, plain: ExactLanes, n_lanes: int, vocab_size: int) -> None:
        self._plain = plain
        self._waves: dict[int, Adaptive] = {}  # what those that go on belong to, by number
        self._seats = Seats(n_lanes)
        self._seat_of = np.zeros(n_lanes, dtype=np.int64)
        self._wave_of = np.zeros(n_lanes, dtype=np.int64)
        self._gradients = Gradients(vocab_size)
        self._biases = _Biases(n_lanes, vocab_size)
        self._order: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._step: tuple[Step, Mixed] | None = None
        self._low: U64 = np.zeros((0, 0), dtype=np.uint64)

    def begin(self, group: LearningGroup, lanes: Sequence[int], n_tokens: Sequence[int]) -> None:
        """Let `lanes` hold the chunks, of so many tokens, of the next wave of `group`."""
        adaptive, own = learnt_by(group), np.array(lanes)
        number = next(i for i in range(len(self._wave_of)) if i not in self._waves)
        self._waves[number] = adaptive
        self._wave_of[own] = number
        self._seat_of[own] = self._seats.begin(number, adaptive.learner, n_tokens)
        self._biases.put(number, adaptive.bias)

    def open(self, lane: int) -> None:
        """Start the chunk of `lane`."""
        self._plain.open(lane)

    def totals(self, lanes: Ids) -> U64:
        """Predict the next token of each of `lanes`; return the totals, in order."""
        self._order = np.argsort(self._wave_of[lanes], kind="stable")
        lanes = lanes[self._order]
        self._plain.step(lanes, self._biases.of(self._wave_of[lanes]))
        step = self._seats.propose(self._seat_of[lanes])  # while the engine is at work
        totals = self._plain.step_totals(lanes)
        self._low, freq = self._plain.look_up(lanes, step.candidates.ids.astype(np.int64))
        mixed = self._seats.mix(step, freq, totals)
        self._step = step, mixed
        return self._as_asked(mixed.totals.astype(np.uint64))

    def find(self, lanes: Ids, targets: U64) -> tuple[NDArray[np.int32], U64, U64]:
        """Take the token whose interval holds each target and append it to its lane."""
        assert self._step is not None, "find must follow totals"
        (step, mixed), self._step = self._step, None
        lanes, targets = lanes[self._order], targets[self._order]
        ids, low, freq = self._plain.find(lanes, mixed.model_targets(targets, self._low))
        tokens = ids.astype(np.int64)
        low, freq = mixed.interval(tokens, low, freq)
        self._plain.add_gradient(lanes, tokens, step.waves, self._gradients)
        for wave in self._seats.take(step, mixed.rows, tokens):
            self._learn(wave)
        return self._as_asked(ids), self._as_asked(low), self._as_asked(freq)

    def _as_asked(self, rows: NDArray[T]) -> NDArray[T]:
        """Return rows in the order in which their lanes were named."""
        result = np.empty_like(rows)
        result[self._order] = rows
        return result

    def _learn(self, wave: int) -> None:
        adaptive = self._waves[wave]
        rows, tokens = self._seats.slice(wave)
        adaptive.learn(rows, tokens, self._gradients.take(wave))
        self._biases.put(wave, adaptive.bias)
        if self._seats.is_over(wave):
            self._seats.end(wave)
            del self._waves[wave]


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
