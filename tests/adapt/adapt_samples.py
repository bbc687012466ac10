"""A learner fed slice by slice, with a model's distributions made up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exact_models import Numbers
from llmzip.adapt import Learner, Mixed, Rows

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Slice:
    """What a learner said of a slice before it learnt it."""

    mixed: Mixed
    tokens: Ids


class Walk:
    """Feeds a learner waves of chunks, slice by slice, the model's distributions made up."""

    def __init__(self, vocab_size: int, seed: int = 0, most_frequent: int = 1 << 28) -> None:
        self.learner = Learner()
        self.vocab_size, self._most = vocab_size, most_frequent
        self._numbers = Numbers(seed << 48)

    def wave(self, chunks: list[NDArray[np.int32]], slice_tokens: int = 32) -> list[Slice]:
        """Go through a wave; return its slices."""
        self.learner.begin_wave([len(chunk) for chunk in chunks])
        slices = []
        for first in range(0, max(map(len, chunks)), slice_tokens):
            parts = [chunk[first : first + slice_tokens].astype(np.int64) for chunk in chunks]
            lanes = np.repeat(np.arange(len(chunks)), [len(part) for part in parts])
            at = np.concatenate([first + np.arange(len(part)) for part in parts])
            slices.append(self._slice(lanes, at, np.concatenate(parts)))
        return slices

    def _slice(self, lanes: Ids, at: Ids, tokens: Ids) -> Slice:
        self.learner.write(lanes, at, tokens)
        candidates = self.learner.candidates(lanes, at)
        freq, totals = self.model(len(tokens))
        own = np.take_along_axis(freq, candidates.ids.astype(np.int64), 1)
        rows = Rows(lanes, at, candidates, own, totals)
        mixed = self.learner.mix(rows)
        self.learner.learn(rows, tokens)
        return Slice(mixed, tokens)

    def model(self, n_rows: int) -> tuple[Ids, Ids]:
        """Frequencies (rows, V), a few large among many small, and totals, as a model's are."""
        shifts = self._numbers.below(28, n_rows * self.vocab_size).astype(np.int64)
        words = self._numbers.below(self._most, n_rows * self.vocab_size).astype(np.int64)
        freq = ((words >> shifts) + 1).reshape(n_rows, self.vocab_size)
        return freq, freq.sum(1)
