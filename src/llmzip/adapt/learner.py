"""One group's learning: what its history proposes, how it is mixed, and what it learns when.

Chunks of a wave advance together. Within a slice of SLICE_TOKENS tokens nothing is learnt; at
its end everything is, chunk after chunk, token after token. So what is predicted depends on the
wave's chunks and on nothing else: not on how many run side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt.history import Candidates, History, Ids
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

    def part(self, rows: slice) -> Rows:
        """Return some of the rows, in the same memory."""
        return Rows(
            self.lanes[rows],
            self.at[rows],
            self.candidates.part(rows),
            self.freq[rows],
            self.totals[rows],
        )

    @staticmethod
    def in_order(parts: Sequence[tuple[Rows, Ids]]) -> tuple[Rows, Ids]:
        """The rows and tokens of consecutive steps, chunk after chunk."""
        joined = _joined([rows for rows, _ in parts])
        order = np.argsort(joined.lanes, kind="stable")
        return _picked(joined, order), np.concatenate([tokens for _, tokens in parts])[order]


@dataclass(frozen=True)
class Mixed:
    """Distributions after mixing: candidates' frequencies int64 (rows, N_CANDIDATES), totals."""

    rows: Rows
    freq: NDArray[np.int64]
    totals: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows) -> Mixed:
        """Room for the distributions of `rows`."""
        return cls(rows, np.zeros_like(rows.freq), np.zeros_like(rows.totals))

    def part(self, rows: slice) -> Mixed:
        """Return some of the rows, in the same memory."""
        return Mixed(self.rows.part(rows), self.freq[rows], self.totals[rows])

    def interval(self, tokens: Ids, low: U64, freq: U64) -> tuple[U64, U64]:
        """Return (low, freq) of tokens (rows,) whose places in the model's own are given."""
        wanted, own_freq = tokens[:, None], freq.astype(np.int64)
        below = (self._shifts * (self._ids < wanted)).sum(1)
        own = (self._shifts * (self._ids == wanted)).sum(1)
        return (low.astype(np.int64) + below).astype(np.uint64), (own_freq + own).astype(np.uint64)

    def model_targets(self, targets: U64, low: U64) -> U64:
        """Return targets in the model's own distributions that hit the same tokens.

        low: (rows, N_CANDIDATES), where the candidates lie in the model's distributions.
        """
        wanted, model_low = targets.astype(np.int64)[:, None], low.astype(np.int64)
        is_before = self._ids[:, None, :] < self._ids[:, :, None]
        begin = model_low + (self._shifts[:, None, :] * is_before).sum(2)
        hit = self._used & (begin <= wanted) & (wanted < begin + self.freq)
        passed = self._used & (begin + self.freq <= wanted)
        outside = wanted[:, 0] - (self._shifts * passed).sum(1)
        result: U64 = np.where(hit.any(1), (model_low * hit).sum(1), outside).astype(np.uint64)
        return result

    @cached_property
    def _used(self) -> NDArray[np.bool_]:
        candidates = self.rows.candidates
        return np.arange(candidates.ids.shape[1]) < candidates.n[:, None]

    @cached_property
    def _ids(self) -> Ids:
        """The candidates' ids, -1 where there is none."""
        return np.where(self._used, self.rows.candidates.ids, -1).astype(np.int64)

    @cached_property
    def _shifts(self) -> NDArray[np.int64]:
        """By how much mixing has changed each candidate's frequency."""
        return np.where(self._used, self.freq - self.rows.freq, 0)


class Learner:
    """What one group has learnt; starts with nothing."""

    def __init__(self) -> None:
        self._history = History()
        self._mixer = Mixer.fresh()
        self._begins: Ids = np.zeros(0, dtype=np.int64)

    def remember(self, tokens: Ids) -> None:
        """Take a chunk of tokens into the history; how far to trust that is not learnt."""
        start = int(self._history.add_chunks([len(tokens)])[0])
        self._history.write(start + np.arange(len(tokens)), tokens)
        self._history.learn(start, start, start + len(tokens))

    def copy(self) -> Learner:
        """Return the same, to go on with independently."""
        other = copy(self)
        other._history, other._mixer = self._history.copy(), self._mixer.copy()
        return other

    def begin_wave(self, n_tokens: Sequence[int]) -> None:
        """Go on to a wave of chunks of so many tokens."""
        self._begins = self._history.add_chunks(n_tokens)

    def write(self, lanes: Ids, at: Ids, tokens: Ids) -> None:
        """Say which tokens stand at places `at` of `lanes`; they are contexts from now on."""
        self._history.write(self._begins[lanes] + at, tokens)

    def candidates(self, lanes: Ids, at: Ids) -> Candidates:
        """Return what may come at places `at` of `lanes`; all before in the lanes is written."""
        begins = self._begins[lanes]
        return self._history.candidates(begins, begins + at)

    def propose(self, lanes: Ids, at: Ids, found: Candidates) -> None:
        """Fill `found` with what `candidates` returns."""
        begins = self._begins[lanes]
        self._history.propose(begins, begins + at, found)

    def mix(self, rows: Rows) -> Mixed:
        """Return the distributions of `rows` after mixing."""
        mixed = Mixed.of(rows)
        self.fill(mixed)
        return mixed

    def fill(self, mixed: Mixed) -> None:
        """Fill in the distributions of its rows after mixing."""
        rows, c = mixed.rows, mixed.rows.candidates
        mix(
            self._mixer,
            c.n,
            c.counts,
            c.matches,
            c.totals,
            rows.freq,
            rows.totals,
            mixed.freq,
            mixed.totals,
        )

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
        for lane in np.unique(rows.lanes).tolist():
            at, begin = rows.at[rows.lanes == lane], int(self._begins[lane])
            self._history.learn(begin, begin + int(at[0]), begin + int(at[-1]) + 1)


def _joined(parts: Sequence[Rows]) -> Rows:
    candidates = Candidates(
        *(
            np.concatenate([getattr(part.candidates, f.name) for part in parts])
            for f in fields(Candidates)
        )
    )
    return Rows(
        np.concatenate([part.lanes for part in parts]),
        np.concatenate([part.at for part in parts]),
        candidates,
        np.concatenate([part.freq for part in parts]),
        np.concatenate([part.totals for part in parts]),
    )


def _picked(rows: Rows, order: NDArray[np.intp]) -> Rows:
    candidates = Candidates(*(getattr(rows.candidates, f.name)[order] for f in fields(Candidates)))
    return Rows(rows.lanes[order], rows.at[order], candidates, rows.freq[order], rows.totals[order])
