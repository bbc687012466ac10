"""Intervals after mixing, from those before: the kernels' are those of plain numpy, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import Numbers
from llmzip.adapt import Mixed, Rows
from llmzip.adapt.history import N_CANDIDATES, Candidates

Ids = NDArray[np.int64]
U64 = NDArray[np.uint64]


@dataclass
class Plain:
    """The same without kernels: whole rows of candidates at once."""

    ids: Ids  # -1 where there is no candidate
    shifts: Ids  # by how much mixing has changed each one's frequency
    mixed: Ids

    @classmethod
    def of(cls, mixed: Mixed) -> Plain:
        candidates = mixed.rows.candidates
        used = np.arange(N_CANDIDATES) < candidates.n[:, None]
        ids = np.where(used, candidates.ids, -1).astype(np.int64)
        return cls(ids, np.where(used, mixed.freq - mixed.rows.freq, 0), mixed.freq)

    def interval(self, tokens: Ids, low: U64, freq: U64) -> tuple[U64, U64]:
        below = (self.shifts * (self.ids < tokens[:, None])).sum(1)
        own = (self.shifts * (self.ids == tokens[:, None])).sum(1)
        return low + below.astype(np.uint64), freq + own.astype(np.uint64)

    def model_targets(self, targets: U64, low: U64) -> U64:
        wanted, model_low, used = (
            targets.astype(np.int64)[:, None],
            low.astype(np.int64),
            self.ids >= 0,
        )
        is_before = self.ids[:, None, :] < self.ids[:, :, None]
        begin = model_low + (self.shifts[:, None, :] * is_before).sum(2)
        hit = used & (begin <= wanted) & (wanted < begin + self.mixed)
        passed = used & (begin + self.mixed <= wanted)
        outside = wanted[:, 0] - (self.shifts * passed).sum(1)
        found: U64 = np.where(hit.any(1), (model_low * hit).sum(1), outside).astype(np.uint64)
        return found


def any_mixed(numbers: Numbers, n_rows: int, n_tokens: int, most: int) -> tuple[Mixed, U64]:
    """Distributions of few candidates and many, and where these lie in the model's own."""

    def values(below: int) -> Ids:
        return numbers.below(below, n_rows * N_CANDIDATES).reshape(n_rows, -1).astype(np.int64)

    found, none = Candidates.empty(n_rows), np.zeros(n_rows, dtype=np.int64)
    found.n[:] = numbers.below(N_CANDIDATES + 1, n_rows)
    found.ids[:] = values(n_tokens)
    rows = Rows(none, none, found, values(most) + 1, none)
    return Mixed(rows, values(most) + 1, none), values(most).astype(np.uint64)


@settings(max_examples=200)
@given(
    seed=st.integers(0, 1 << 30),
    n_tokens=st.sampled_from([1, 7, 49152, 1 << 19]),
    bits=st.sampled_from([1, 8, 30, 47]),
)
def test_they_are_those_of_numpy(seed: int, n_tokens: int, bits: int) -> None:
    """Whatever stands there: candidates named twice, intervals that overlap, the largest totals."""
    numbers, n_rows = Numbers(seed << 30), 16
    mixed, low = any_mixed(numbers, n_rows, n_tokens, 1 << bits)
    plain, tokens = Plain.of(mixed), numbers.below(n_tokens, n_rows).astype(np.int64)
    begin, size = (numbers.below(1 << bits, n_rows).astype(np.uint64) for _ in range(2))
    for ours, theirs in zip(
        mixed.interval(tokens, begin, size), plain.interval(tokens, begin, size), strict=True
    ):
        assert ours.tolist() == theirs.tolist()
    for targets in (begin, low[:, 0], low[:, 1] + np.uint64(1), np.zeros_like(begin)):
        ours = mixed.model_targets(targets.copy(), low)
        assert ours.tolist() == plain.model_targets(targets, low).tolist()
