"""Learners side by side: each is told what it would be told alone, and learns the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from adapt_samples import Ids
from numpy.typing import NDArray

from exact_models import Numbers, phrases
from llmzip.adapt import Learner, Mixed, Rows, Seats
from llmzip.adapt.history import N_CANDIDATES

Chunk = NDArray[np.int32]
Told = dict[tuple[int, int], list[int]]
"""By chunk of a wave and token of it: all that was said of it, and from what."""

SIZES = [
    [[70, 3, 40], [5]],
    [[1], [33, 32, 31, 64]],
    [[2, 1], [1, 90]],
    [[40]],
    [[100, 1], [64], [1, 1, 1]],
]
"""Of learners, of their waves: how long the chunks are."""


def model(lanes: Ids, at: Ids) -> tuple[Ids, Ids]:
    """Made-up frequencies of candidates, and totals: the same for the same token of a chunk."""
    seeds = zip(lanes.tolist(), at.tolist(), strict=True)
    words = [Numbers((lane << 20) + place).below(1 << 28, N_CANDIDATES) for lane, place in seeds]
    freq = np.array(words).astype(np.int64) + 1
    return freq, freq.sum(1) + (1 << 20)


def told_of(mixed: Mixed) -> list[list[int]]:
    """All that was said, row by row."""
    rows, c = mixed.rows, mixed.rows.candidates
    said = c.n, c.ids, c.counts, c.matches, c.totals, rows.freq, mixed.totals
    flat = np.column_stack([a.reshape(len(c.n), -1).astype(np.int64) for a in said])
    used = np.where(np.arange(N_CANDIDATES) < c.n[:, None], mixed.freq, 0)
    return [[*a, *b] for a, b in zip(flat.tolist(), used.tolist(), strict=True)]


@dataclass
class One:
    """A learner that goes through its waves."""

    waves: list[list[Chunk]]
    learner: Learner = field(default_factory=Learner)
    told: list[Told] = field(default_factory=list)
    seats: Ids = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    done: int = 0

    def begin(self) -> list[Chunk]:
        self.told.append({})
        self.done = 0
        return self.chunks

    @property
    def chunks(self) -> list[Chunk]:
        return self.waves[len(self.told) - 1]

    def lanes(self) -> list[int]:
        return [lane for lane, chunk in enumerate(self.chunks) if self.done < len(chunk)]


def alone(waves: list[list[Chunk]]) -> list[Told]:
    """What a learner is told by itself, a whole slice at once."""
    one = One(waves)
    for _ in waves:
        chunks = one.begin()
        one.learner.begin_wave([len(chunk) for chunk in chunks])
        for first in range(0, max(map(len, chunks)), 32):
            spans = [np.arange(len(chunk))[first : first + 32] for chunk in chunks]
            lanes = np.repeat(np.arange(len(chunks)), [len(span) for span in spans])
            at = np.concatenate(spans)
            tokens = np.array([int(chunks[i][j]) for i, j in zip(lanes, at, strict=True)])
            one.learner.write(lanes, at, tokens)
            rows = Rows(lanes, at, one.learner.candidates(lanes, at), *model(lanes, at))
            mixed = one.learner.mix(rows)
            one.learner.learn(rows, tokens)
            keys = zip(lanes.tolist(), at.tolist(), strict=True)
            one.told[-1].update(zip(keys, told_of(mixed), strict=True))
    return one.told


def step(seats: Seats, going: dict[int, One]) -> list[int]:
    """Go on by a token in all chunks, those of learners mingled; return the waves that are over."""
    parts = sorted((lane, wave) for wave, one in going.items() for lane in one.lanes())
    own = [going[wave] for _, wave in parts]
    lanes, at = np.array([lane for lane, _ in parts]), np.array([one.done for one in own])
    taken = seats.propose(np.array([one.seats[lane] for one, lane in zip(own, lanes, strict=True)]))
    freq, totals = model(lanes, at)
    mixed = seats.mix(taken, freq.astype(np.uint64), totals.astype(np.uint64))
    for one, lane, told in zip(own, lanes.tolist(), told_of(mixed), strict=True):
        one.told[-1][lane, one.done] = told
    tokens = [int(one.chunks[lane][one.done]) for one, lane in zip(own, lanes, strict=True)]
    due = seats.take(taken, mixed.rows, np.array(tokens))
    for one in going.values():
        one.done += 1
    for wave in due:
        going[wave].learner.learn(*seats.slice(wave))
    over = [wave for wave in due if seats.is_over(wave)]
    assert over == [wave for wave, one in going.items() if not one.lanes()]
    return over


def side_by_side(groups: Sequence[list[list[Chunk]]], n_waves: int) -> list[list[Told]]:
    """What learners are told when up to `n_waves` waves share the steps."""
    ones, seats = [One(waves) for waves in groups], Seats(n_waves)
    waiting, going = [*ones], {}  # type: list[One], dict[int, One]
    while waiting or going:
        while waiting and len(going) < n_waves:
            one, wave = waiting.pop(0), min(set(range(n_waves)) - going.keys())
            one.seats = seats.begin(wave, one.learner, [len(chunk) for chunk in one.begin()])
            going = dict(sorted({**going, wave: one}.items()))
        for wave in step(seats, going):
            seats.end(wave)
            one = going.pop(wave)
            waiting += [one] if len(one.told) < len(one.waves) else []
    return [one.told for one in ones]


@pytest.mark.parametrize("n_waves", [1, 2, 5])
def test_each_is_told_what_it_is_told_alone(n_waves: int) -> None:
    groups = [
        [[phrases(50, n, 7 * i % 3 + j) for j, n in enumerate(own)] for own in waves]
        for i, waves in enumerate(SIZES)
    ]
    found = side_by_side(groups, n_waves)
    assert found == [alone(waves) for waves in groups]
    assert any(told[0] for waves in found for wave in waves for told in wave.values())
