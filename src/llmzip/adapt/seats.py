"""Chunks that are decoded side by side, of waves of several learners: each has a seat.

Whatever is done in a step is done for all learners at once: there may be more than a hundred,
and an engine waits meanwhile. Only at the end of a slice each learns by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmzip.adapt.drafts import Least, draft, fresh_trust, learn_trust
from llmzip.adapt.history import Candidates, Ids, propose, write
from llmzip.adapt.learner import SLICE_TOKENS, U64, Learner, Mixed, Rows

_N_ADDRESSES = 4, 7  # of a history, of a mixer


@dataclass(frozen=True)
class Step:
    """Rows of seats, the waves they belong to, and what is proposed for their tokens.

    at: which token of its seat's chunk each row predicts. Rows of a seat follow each other.
    """

    seats: Ids
    waves: Ids
    at: Ids
    candidates: Candidates

    def picked(self, rows: Ids | slice) -> Step:
        """Return some of the rows."""
        return Step(self.seats[rows], self.waves[rows], self.at[rows], self.candidates.picked(rows))


class Seats:
    """The chunks of waves that go on. Waves have numbers.

    Seats of a wave may go on at different speeds, but wait for each other at the end of a slice.
    """

    def __init__(self, n_waves: int) -> None:
        self._learners: dict[int, tuple[Learner, Ids]] = {}  # each wave's, and its seats
        self._histories, self._mixers = (np.zeros((n_waves, n), np.int64) for n in _N_ADDRESSES)
        self._free: Ids = np.zeros(0, dtype=np.int64)
        self._rows, self._tokens = Rows.empty(0), np.zeros(0, dtype=np.int64)  # slices, by seat
        self._taken: tuple[Step, Rows, Ids] | None = None  # and not yet written down
        self._slice_end, self._left = np.zeros((2, n_waves), dtype=np.int64)
        self._trust = fresh_trust(0)
        self._set_seats(np.zeros((5, 0), dtype=np.int64))

    def _set_seats(self, of: Ids) -> None:
        """Take what is known of each seat: the wave, and which of its chunks this is.

        begin: where the chunk's tokens are in the history; done: how many of them are decoded;
        size: of how many. Of a wave, slice_end: where its slice ends, if the chunk has so many
        tokens; left: how many tokens of its chunks are left of the slice.
        """
        self._of = of
        self._wave, self._chunk, self._begin, self._done, self._size = of

    def begin(self, wave: int, learner: Learner, n_tokens: Sequence[int]) -> Ids:
        """Begin the next wave of a learner, of chunks of so many tokens; return their seats."""
        learner.begin_wave(n_tokens)
        self._histories[wave], self._mixers[wave] = learner.addresses()
        own, chunks = self._reserved(len(n_tokens)), np.arange(len(n_tokens))
        self._of[:, own] = np.broadcast_arrays(wave, chunks, learner.begins, 0, n_tokens)
        self._trust[own] = fresh_trust(len(own))
        self._learners[wave] = learner, own
        self._begin_slice(wave, 0)
        return own

    def _begin_slice(self, wave: int, first: int) -> None:
        """Let tokens from `first` on be the next slice of a wave."""
        _, own = self._learners[wave]
        self._slice_end[wave] = first + SLICE_TOKENS
        self._left[wave] = np.clip(self._size[own] - first, 0, SLICE_TOKENS).sum()

    def end(self, wave: int) -> None:
        """Give up the seats of a wave."""
        _, own = self._learners.pop(wave)
        self._free = np.append(self._free, own)

    def is_over(self, wave: int) -> bool:
        """Whether all tokens of a wave are decoded."""
        return not self._left[wave]

    def room(self, seats: Ids) -> Ids:
        """Return how many tokens each seat may take before its wave has to learn, or it is done."""
        ends = np.minimum(self._slice_end[self._wave[seats]], self._size[seats])
        room: Ids = ends - self._done[seats]
        return room

    def propose(self, seats: Ids) -> Step:
        """Return what may come next in seats."""
        self._put_down()
        waves, begins, at = self._wave[seats], self._begin[seats], self._done[seats]
        candidates = propose(self._histories, waves, begins, begins + at)
        return Step(seats, waves, at, candidates)

    def draft(self, seats: Ids, most: Ids, least: Least) -> tuple[Step, Ids]:
        """Return what may come next in seats, and then behind what is likeliest to, row after row.

        Also how many rows each seat has. Every row of a seat but the first follows the first
        candidate of the row before. most, least: see `drafts.draft`.
        """
        self._put_down()
        waves, begins, done = self._wave[seats], self._begin[seats], self._done[seats]
        trust, places = self._trust[seats], begins + done
        found, n_rows = draft(self._histories, waves, begins, places, most, trust, least)
        ahead = np.arange(len(found.n)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
        rows = (np.repeat(each, n_rows) for each in (seats, waves, done))
        own, of, at = rows
        return Step(own, of, at + ahead, found), n_rows

    def mix(self, step: Step, freq: U64, totals: U64) -> Mixed:
        """Return the distributions of a step after mixing; freq, totals: what the model says."""
        chunks, c = self._chunk[step.seats], step.candidates
        rows = Rows(chunks, step.at, c, freq.astype(np.int64), totals.astype(np.int64))
        return Mixed.by(self._mixers, step.waves, rows)

    def take(self, step: Step, rows: Rows, tokens: Ids) -> list[int]:
        """Take the tokens that came; return the waves that have come to the end of a slice."""
        self._taken = step, rows, tokens
        self._done[step.seats] = step.at + 1  # of a seat's rows the last one counts
        counts = np.bincount(step.waves, minlength=len(self._left))
        self._left -= counts
        ends: list[int] = np.flatnonzero((counts > 0) & (self._left == 0)).tolist()
        return ends

    def _put_down(self) -> None:
        """Write down what was taken last, as late as can be: an engine may be at work by then."""
        if self._taken is None:
            return
        (step, rows, tokens), self._taken = self._taken, None
        c = step.candidates
        write(self._histories, step.waves, self._begin[step.seats] + rows.at, tokens)
        learn_trust(self._trust, step.seats, c.n, c.ids, c.counts, c.totals, tokens)
        places = step.seats * SLICE_TOKENS + rows.at % SLICE_TOKENS
        self._rows.put(places, rows)
        self._tokens[places] = tokens

    def slice(self, wave: int) -> tuple[Rows, Ids]:
        """Return what a wave learns at the end of its slice: rows and tokens, chunk after chunk.

        They are valid until the next step. The next slice begins.
        """
        self._put_down()
        _, own = self._learners[wave]
        first = int(self._slice_end[wave]) - SLICE_TOKENS
        steps = np.arange(SLICE_TOKENS)
        places = own[:, None] * SLICE_TOKENS + steps
        taken = _as_slice(places[first + steps < self._size[own][:, None]])
        self._begin_slice(wave, first + SLICE_TOKENS)
        return self._rows.picked(taken), self._tokens[taken]

    def _reserved(self, n: int) -> Ids:
        """Take free seats, of which there may have to be more."""
        missing = n - len(self._free)
        if missing > 0:
            n_seats = self._of.shape[1]
            self._free = np.append(self._free, np.arange(n_seats, n_seats + missing))
            self._set_seats(np.pad(self._of, ((0, 0), (0, missing))))
            self._rows = self._rows.extended(missing * SLICE_TOKENS)
            self._tokens = np.pad(self._tokens, (0, missing * SLICE_TOKENS))
            self._trust = np.concatenate([self._trust, fresh_trust(missing)])
        own, self._free = np.sort(self._free[:n]), self._free[n:]
        return own


def _as_slice(places: Ids) -> Ids | slice:
    """Return distinct places, in order, as a slice where they are one."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first < len(places) else places
