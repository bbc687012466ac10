"""Waves, groups and a predictor that tell more of each token than its interval.

The integers that the coder needs are those of `exact`; whoever wants to look at a text gets, from
the same distributions, what else was likely and what the model alone had said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt import Learner, Mixed, Rows
from llmzip.adapt.history import Candidates
from llmzip.adapt.ranking import rank
from llmzip.exact.bias import HeadBias
from llmzip.exact.distribution import Ids, TokenIntervals
from llmzip.predict.adaptive import Adaptive, EncodedWave, Slice
from llmzip.predict.batches import grouped
from llmzip.predict.exact import ExactGroup, ExactPredictor
from llmzip.predict.prefix import NO_PREFIX
from llmzip.predict.protocol import Intervals
from llmzip.predict.rows import RowStream
from llmzip.predict.together import encode_together
from llmzip.predict.told import Told

FROZEN_TOGETHER = 32
"""Chunks that learn nothing, and are explained side by side."""


class ExplainedWave(EncodedWave):
    """A wave of a group, of whose tokens all is told."""

    def __init__(self, adaptive: Adaptive, chunks: Sequence[NDArray[np.int32]]) -> None:
        super().__init__(adaptive, chunks)
        self._told = Told.empty(len(self._tokens))

    def slice(self, first: int) -> Slice:
        """Return the slice that begins at token `first` of each chunk; all before is learnt."""
        part = super().slice(first)
        part.tell = partial(_tell, self._told, self._adaptive.learner, part)
        return part

    def intervals(self) -> Iterator[Intervals]:
        """Yield what was found of each chunk."""
        done = 0
        for own in super().intervals():
            stop = done + len(own.freq)
            yield replace(own, told=self._told.picked(slice(done, stop)))
            done = stop


def _tell(
    told: Told,
    learner: Learner,
    part: Slice,
    theirs: slice,
    alone: TokenIntervals,
    freq: NDArray[np.int64],
) -> None:
    """Note what there is to tell of some rows of a part of a wave."""
    mixed = learner.mix(part.rows().picked(theirs))
    told.put(part.own[theirs], told_of(part.tokens[theirs], mixed, alone, freq))


def told_of(tokens: Ids, mixed: Mixed, alone: TokenIntervals, freq: NDArray[np.int64]) -> Told:
    """Return what there is to tell of tokens (rows,).

    mixed: the distributions that they are coded by. alone: by the model. freq: int64 (rows, V), of
    all tokens before mixing; this changes it.
    """
    told, c = Told.empty(len(tokens)), mixed.rows.candidates
    told.model[:] = alone.freq, alone.total
    told.biased[:] = freq[np.arange(len(freq)), tokens], mixed.rows.totals
    rank(
        freq, tokens, c.n, c.ids, mixed.freq,
        told.ranks, told.likeliest, told.likeliest_freq,
    )  # fmt: skip
    return told


class ExplainedGroup(ExactGroup):
    """A group of whose tokens all is told; others beside it are such, too."""

    _wave = ExplainedWave


class ExplainingPredictor(ExactPredictor):
    """An exact predictor whose intervals come with all that is told of tokens."""

    def __init__(self, plain: ExactPredictor) -> None:
        """`plain`: whose model and threads it shares; only one of the two works at a time."""
        vars(self).update(vars(plain))
        self._group = ExplainedGroup

    def intervals(self, chunks: Iterable[NDArray[np.int32]]) -> Iterator[Intervals]:
        """Yield the intervals of each chunk, in order."""
        for together in grouped(chunks, FROZEN_TOGETHER):
            wave = ExplainedWave(_Frozen(self._bias), together)
            rows = RowStream(self._workers, self._window, together, self._n_together, NO_PREFIX)
            encode_together([wave], rows, self._workers, lambda _: None)
            yield from wave.intervals()


class _Frozen(Adaptive):
    """A group that learns nothing."""

    def __init__(self, bias: HeadBias) -> None:
        super().__init__(bias)
        self.learner = _NoLearner()

    def learn(self, rows: Rows, tokens: Ids, gradient: NDArray[np.int64]) -> None:
        """Learn nothing."""


class _NoLearner(Learner):
    """Proposes nothing."""

    def candidates(self, _lanes: Ids, at: Ids) -> Candidates:
        """Return that nothing may come at places `at`."""
        return Candidates.empty(len(at))
