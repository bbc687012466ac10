"""Chunks that are decoded side by side, of waves of several learners: each has a seat.

Whatever is done in a step is done for all learners at once: there may be more than a hundred,
and an engine waits meanwhile. Only at the end of a slice each learns by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmzip.adapt.history import Candidates, Ids, propose, write
from llmzip.adapt.learner import SLICE_TOKENS, U64, Learner, Mixed, Rows

_N_ADDRESSES = 4, 7  # of a history, of a mixer


@dataclass(frozen=True)
class Step:
    """Seats that take a step, the waves they belong to, and what is proposed for their tokens."""

    seats: Ids
    waves: Ids
    candidates: Candidates


class Seats:
    """The chunks of waves that go on. Waves have numbers.

    All seats of a wave take its steps, but for those whose chunks have ended.
    """

    def __init__(self, n_waves: int) -> None:
        self._learners: dict[int, tuple[Learner, Ids]] = {}  # each wave's, and its seats
        self._histories, self._mixers = (np.zeros((n_waves, n), np.int64) for n in _N_ADDRESSES)
        self._free: Ids = np.zeros(0, dtype=np.int64)
        self._rows, self._tokens = Rows.empty(0), np.zeros(0, dtype=np.int64)  # slices, by seat
        self._taken: tuple[Step, Rows, Ids] | None = None  # and not yet written down
        self._set_seats(np.zeros((5, 0), dtype=np.int64))

    def _set_seats(self, of: Ids) -> None:
        """Take what is known of each seat: the wave, and which of its chunks this is.

        begin: where the chunk's tokens are in the history; done: how many of them are decoded;
        longest: tokens of the wave's longest chunk.
        """
        self._of = of
        self._wave, self._chunk, self._begin, self._done, self._longest = of

    def begin(self, wave: int, learner: Learner, n_tokens: Sequence[int]) -> Ids:
        """Begin the next wave of a learner, of chunks of so many tokens; return their seats."""
        learner.begin_wave(n_tokens)
        self._histories[wave], self._mixers[wave] = learner.addresses()
        own, chunks = self._reserved(len(n_tokens)), np.arange(len(n_tokens))
        self._of[:, own] = np.broadcast_arrays(wave, chunks, learner.begins, 0, max(n_tokens))
        self._learners[wave] = learner, own
        return own

    def end(self, wave: int) -> None:
        """Give up the seats of a wave."""
        _, own = self._learners.pop(wave)
        self._free = np.append(self._free, own)

    def is_over(self, wave: int) -> bool:
        """Whether all tokens of a wave are decoded."""
        _, own = self._learners[wave]
        return int(self._done[own].max()) == int(self._longest[own[0]])

    def propose(self, seats: Ids) -> Step:
        """Return what may come next in seats."""
        self._put_down()
        waves, begins = self._wave[seats], self._begin[seats]
        candidates = propose(self._histories, waves, begins, begins + self._done[seats])
        return Step(seats, waves, candidates)

    def mix(self, step: Step, freq: U64, totals: U64) -> Mixed:
        """Return the distributions of a step after mixing; freq, totals: what the model says."""
        chunks, at = self._chunk[step.seats], self._done[step.seats]
        rows = Rows(chunks, at, step.candidates, freq.astype(np.int64), totals.astype(np.int64))
        return Mixed.by(self._mixers, step.waves, rows)

    def take(self, step: Step, rows: Rows, tokens: Ids) -> list[int]:
        """Take the tokens that came; return the waves that have come to the end of a slice."""
        self._taken = step, rows, tokens
        self._done[step.seats] = done = rows.at + 1
        ends = (done % SLICE_TOKENS == 0) | (done == self._longest[step.seats])
        return np.unique(step.waves[ends]).tolist() if ends.any() else []

    def _put_down(self) -> None:
        """Write down what was taken last, as late as can be: an engine may be at work by then."""
        if self._taken is None:
            return
        (step, rows, tokens), self._taken = self._taken, None
        write(self._histories, step.waves, self._begin[step.seats] + rows.at, tokens)
        places = step.seats * SLICE_TOKENS + rows.at % SLICE_TOKENS
        self._rows.put(places, rows)
        self._tokens[places] = tokens

    def slice(self, wave: int) -> tuple[Rows, Ids]:
        """Return what a wave learns at the end of its slice: rows and tokens, chunk after chunk.

        They are valid until the next step.
        """
        self._put_down()
        _, own = self._learners[wave]
        done = self._done[own]
        first = (int(done.max()) - 1) // SLICE_TOKENS * SLICE_TOKENS
        steps = np.arange(SLICE_TOKENS)
        places = own[:, None] * SLICE_TOKENS + steps
        taken = _as_slice(places[first + steps < done[:, None]])
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
        own, self._free = np.sort(self._free[:n]), self._free[n:]
        return own


def _as_slice(places: Ids) -> Ids | slice:
    """Return distinct places, in order, as a slice where they are one."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first < len(places) else places
