"""Adaptive prediction: the exact model's distributions, moved by what a group has learnt.

The head's bias and the mixing with the history learn at the end of every slice, over all chunks
of a wave. The encoder knows all tokens: it runs the model over whole chunks first, keeps the rows
that the head reads, and goes through them slice by slice. The decoder goes token by token. Both
see the same integers in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt import SLICE_TOKENS, Learner, Mixed, Rows
from llmzip.exact.bias import HeadBias
from llmzip.exact.distribution import Engine, Ids
from llmzip.exact.hidden import Hidden
from llmzip.predict.protocol import Intervals
from llmzip.predict.rows import RowStream
from llmzip.predict.workers import Workers

if TYPE_CHECKING:
    from llmzip.predict.exact import ExactLanes

BATCH_ROWS = 64
"""Rows of a slice that a worker takes at once: their logits stay in its cache, about."""

U64 = NDArray[np.uint64]


class Adaptive:
    """What a group has learnt, and how its waves are predicted with it."""

    def __init__(self, vocab_size: int, head_bias: NDArray[np.float32] | None) -> None:
        self.learner = Learner()
        self.bias = HeadBias(vocab_size, head_bias)
        self.vocab_size = vocab_size

    def copy(self) -> Adaptive:
        """Return the same, to go on with independently."""
        other = copy(self)
        other.learner, other.bias = self.learner.copy(), self.bias.copy()
        return other

    def encode(
        self,
        chunks: Sequence[NDArray[np.int32]],
        rows: RowStream,
        workers: Workers,
        progress: Callable[[float], None],
    ) -> list[Intervals]:
        """Return the intervals of the chunks of a wave, and learn from it.

        rows: what the head reads to predict the tokens of each chunk.
        """
        sizes = [len(chunk) for chunk in chunks]
        self.learner.begin_wave(sizes)
        tokens = np.concatenate(chunks).astype(np.int64)
        lanes = np.repeat(np.arange(len(sizes)), sizes)
        at = np.concatenate([np.arange(size) for size in sizes])
        self.learner.write(lanes, at, tokens)
        found = np.zeros((3, len(tokens)), dtype=np.uint64)
        for first in range(0, max(sizes), SLICE_TOKENS):
            own = np.flatnonzero((at >= first) & (at < first + SLICE_TOKENS))
            hidden = rows.take(first + SLICE_TOKENS)
            found[:, own] = self._encode_slice((lanes[own], at[own]), tokens[own], hidden, workers)
            progress(min(1.0, (first + SLICE_TOKENS) / max(sizes)))
        ends = np.cumsum(sizes)
        return [
            _as_intervals(found[:, end - size : end]) for size, end in zip(sizes, ends, strict=True)
        ]

    def _encode_slice(
        self, where: tuple[Ids, Ids], tokens: Ids, hidden: Hidden, workers: Workers
    ) -> tuple[U64, U64, U64]:
        candidates = self.learner.candidates(*where)
        wanted = np.column_stack([tokens, candidates.ids]).astype(np.int64)
        low, freq = np.zeros((2, *wanted.shape), dtype=np.uint64)
        totals = np.zeros(len(tokens), dtype=np.uint64)
        bias = self.bias.values

        def ask(part: slice, engine: Engine) -> NDArray[np.int64]:
            gradient = np.zeros(self.vocab_size, dtype=np.int64)
            found = engine.distributions(Hidden(hidden.q[part], hidden.scale[part]), bias)
            totals[part] = found.totals()
            low[part], freq[part] = found.look_up(wanted[part])
            found.add_gradient(tokens[part], gradient)
            return gradient

        starts = range(0, len(tokens), BATCH_ROWS)
        tasks = [partial(ask, slice(i, min(i + BATCH_ROWS, len(tokens)))) for i in starts]
        gradient = sum(workers.in_order(tasks), np.zeros(self.vocab_size, dtype=np.int64))
        rows = Rows(*where, candidates, freq[:, 1:].astype(np.int64), totals.astype(np.int64))
        mixed = self.learner.mix(rows)
        self.learn(rows, tokens, gradient)
        return *mixed.interval(tokens, low[:, 0], freq[:, 0]), mixed.totals.astype(np.uint64)

    def learn(self, rows: Rows, tokens: Ids, gradient: NDArray[np.int64]) -> None:
        """Learn a slice: all rows of all chunks, chunk after chunk."""
        self.learner.learn(rows, tokens)
        self.bias.step(gradient)


class AdaptiveLanes:
    """Lanes of a wave that learn together; see `LearningGroup.lanes`."""

    def __init__(self, adaptive: Adaptive, plain: ExactLanes, n_tokens: Sequence[int]) -> None:
        self._adaptive, self._plain = adaptive, plain
        self._sizes = np.array(n_tokens, dtype=np.int64)
        self._done = np.zeros(len(n_tokens), dtype=np.int64)
        self._slice: list[tuple[Rows, Ids]] = []
        self._gradients = np.zeros((plain.n_groups, adaptive.vocab_size), dtype=np.int64)
        self._mixed: Mixed | None = None
        self._model_totals: U64 = np.zeros(0, dtype=np.uint64)
        self._low: U64 = np.zeros((0, 0), dtype=np.uint64)
        adaptive.learner.begin_wave(n_tokens)

    def open(self, lane: int) -> None:
        """Start the chunk of `lane`."""
        self._plain.open(lane)

    def totals(self, lanes: Ids) -> U64:
        """Predict the next token of each of `lanes`; return the totals, in order."""
        learner = self._adaptive.learner
        totals = self._plain.totals(lanes, self._adaptive.bias.values)
        at = self._done[lanes]
        candidates = learner.candidates(lanes, at)
        self._low, freq = self._plain.look_up(lanes, candidates.ids.astype(np.int64))
        rows = Rows(lanes, at, candidates, freq.astype(np.int64), totals.astype(np.int64))
        self._mixed = learner.mix(rows)
        mixed_totals: U64 = self._mixed.totals.astype(np.uint64)
        return mixed_totals

    def find(self, lanes: Ids, targets: U64) -> tuple[NDArray[np.int32], U64, U64]:
        """Take the token whose interval holds each target and append it to its lane."""
        assert self._mixed is not None, "find must follow totals"
        mixed, self._mixed = self._mixed, None
        ids, low, freq = self._plain.find(lanes, mixed.model_targets(targets, self._low))
        tokens = ids.astype(np.int64)
        low, freq = mixed.interval(tokens, low, freq)
        self._adaptive.learner.write(lanes, mixed.rows.at, tokens)
        self._plain.add_gradient(lanes, tokens, self._gradients)
        self._slice.append((mixed.rows, tokens))
        self._done[lanes] += 1
        self._learn_if_due()
        return ids, low, freq

    def _learn_if_due(self) -> None:
        n_steps = int(self._done.max())
        if n_steps % SLICE_TOKENS and n_steps < int(self._sizes.max()):
            return
        rows, tokens = Rows.in_order(self._slice)
        self._adaptive.learn(rows, tokens, self._gradients.sum(0))
        self._gradients[:] = 0
        self._slice = []


def _as_intervals(found: U64) -> Intervals:
    low, freq, total = found
    bits = float(np.log2(total.astype(np.float64) / freq.astype(np.float64)).sum())
    return Intervals(low, freq, total, bits)
