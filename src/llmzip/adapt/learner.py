"""One group's learning: what its history proposes, how it is mixed, and what it learns when.

Chunks of a wave advance together. Within a slice of SLICE_TOKENS tokens nothing is learnt; at
its end everything is, chunk after chunk, token after token. So what is predicted depends on the
wave's chunks and on nothing else: not on how many run side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt.history import N_CANDIDATES, Candidates, History, Ids
from llmzip.adapt.intervals import find_intervals, find_targets
from llmzip.adapt.mixing import Mixer, learn, mix

SLICE_TOKENS = 32
"""Tokens of each chunk after which the group learns."""

U64 = NDArray[np.uint64]


@dataclass(frozen=True)
class Rows:
    """Rows of predictions: what was proposed, and the model's frequencies before mixing.

    lanes: which chunk of the wave; at: which token of it. freq: int64 (rows, N_CANDIDATES);
    totals: int64 (rows,).
    """

    lanes: Ids
    at: Ids
    candidates: Candidates
    freq: NDArray[np.int64]
    totals: NDArray[np.int64]

    @classmethod
    def empty(cls, n_rows: int) -> Rows:
        """Room for `n_rows` rows."""
        lanes, at, totals = np.zeros((3, n_rows), dtype=np.int64)
        freq = np.zeros((n_rows, N_CANDIDATES), dtype=np.int64)
        return cls(lanes, at, Candidates.empty(n_rows), freq, totals)

    def extended(self, n_rows: int) -> Rows:
        """Return these and room for more."""
        more = Rows.empty(n_rows)._arrays()
        return _rows(np.concatenate(pair) for pair in zip(self._arrays(), more, strict=True))

    def put(self, places: Ids, rows: Rows) -> None:
        """Let `rows` be those at `places`."""
        for mine, theirs in zip(self._arrays(), rows._arrays(), strict=True):
            mine[places] = theirs

    def picked(self, places: Ids | slice) -> Rows:
        """Return the rows at `places`; those of a slice in the same memory."""
        return _rows(array[places] for array in self._arrays())

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        c = self.candidates
        found = c.n, c.ids, c.counts, c.matches, c.totals
        return self.lanes, self.at, *found, self.freq, self.totals


def _rows(arrays: Iterable[NDArray[Any]]) -> Rows:
    lanes, at, *found, freq, totals = arrays
    return Rows(lanes, at, Candidates(*found), freq, totals)


@dataclass(frozen=True)
class Mixed:
    """Distributions after mixing: candidates' frequencies int64 (rows, N_CANDIDATES), totals."""

    rows: Rows
    freq: NDArray[np.int64]
    totals: NDArray[np.int64]

    @classmethod
    def by(cls, mixers: Ids, of: Ids, rows: Rows) -> Mixed:
        """Mix `rows`. mixers: the addresses of some, which are alive; of: whose each row is."""
        mixed, c = cls(rows, np.zeros_like(rows.freq), np.zeros_like(rows.totals)), rows.candidates
        mix(
            mixers,
            of,
            c.n,
            c.counts,
            c.matches,
            c.totals,
            rows.freq,
            rows.totals,
            mixed.freq,
            mixed.totals,
        )
        return mixed

    def interval(
        self, tokens: Ids, low: U64, freq: U64, rows: Ids | None = None
    ) -> tuple[U64, U64]:
        """Return (low, freq) of tokens whose places in the model's own are given.

        rows: of each token, which row it is of; None stands for all of them, in order.
        """
        found, c = np.zeros((2, len(tokens)), dtype=np.uint64), self.rows.candidates
        low, freq = np.ascontiguousarray(low), np.ascontiguousarray(freq)
        own = np.arange(len(tokens)) if rows is None else rows
        find_intervals(c.n, c.ids, self.rows.freq, self.freq, own, tokens, low, freq, found)
        return found[0], found[1]

    def model_targets(self, targets: U64, low: U64, rows: Ids | None = None) -> U64:
        """Return targets in the model's own distributions that hit the same tokens.

        low: (all rows, N_CANDIDATES), where the candidates lie in the model's distributions.
        rows: as for `interval`.
        """
        found, c = np.zeros_like(targets), self.rows.candidates
        own = np.arange(len(targets)) if rows is None else rows
        find_targets(c.n, c.ids, self.rows.freq, self.freq, low, own, targets, found)
        return found


class Learner:
    """What one group has learnt; starts with nothing."""

    def __init__(self) -> None:
        self._history = History()
        self._mixer = Mixer.fresh()
        self.begins: Ids = np.zeros(0, dtype=np.int64)  # of the wave's chunks in the history

    def remember(self, tokens: Ids) -> None:
        """Take a chunk of tokens into the history; how far to trust that is not learnt."""
        start = int(self._history.add_chunks([len(tokens)])[0])
        places = start + np.arange(len(tokens))
        self._history.write(places, tokens)
        self._history.learn(np.full_like(places, start), places)

    @property
    def mixer(self) -> Mixer:
        """How far to trust what, as far as that is learnt; not to be written to."""
        return self._mixer

    def trust_as(self, mixer: Mixer) -> None:
        """Go on from there."""
        self._mixer = mixer.copy()

    def copy(self) -> Learner:
        """Return the same, to go on with independently."""
        other = copy(self)
        other._history, other._mixer = self._history.copy(), self._mixer.copy()
        return other

    def begin_wave(self, n_tokens: Sequence[int]) -> None:
        """Go on to a wave of chunks of so many tokens."""
        self.begins = self._history.add_chunks(n_tokens)

    def write(self, lanes: Ids, at: Ids, tokens: Ids) -> None:
        """Say which tokens stand at places `at` of `lanes`; they are contexts from now on."""
        self._history.write(self.begins[lanes] + at, tokens)

    def candidates(self, lanes: Ids, at: Ids) -> Candidates:
        """Return what may come at places `at` of `lanes`; all before in the lanes is written."""
        begins = self.begins[lanes]
        return self._history.candidates(begins, begins + at)

    def mix(self, rows: Rows) -> Mixed:
        """Return the distributions of `rows` after mixing."""
        return Mixed.by(self._mixer.addresses()[None], np.zeros_like(rows.lanes), rows)

    def addresses(self) -> tuple[Ids, Ids]:
        """Those of its history, until chunks are added, and of its mixer."""
        return self._history.addresses(), self._mixer.addresses()

    def learn(self, rows: Rows, tokens: Ids) -> None:
        """Learn a slice: all its rows, in order, and the tokens that came."""
        c = rows.candidates
        learn(
            self._mixer,
            c.n,
            c.ids,
            c.counts,
            c.matches,
            c.totals,
            rows.freq,
            rows.totals,
            tokens,
        )
        begins = self.begins[rows.lanes]
        self._history.learn(begins, begins + rows.at)
