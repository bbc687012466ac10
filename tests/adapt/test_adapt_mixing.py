"""Mixing: the document's bits, distributions that stay within bounds, and a search that inverts."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
from adapt_samples import Slice, Walk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from by_kernel import by_kernel
from decoder.history import Candidate, Proposal
from decoder.mixer import Mixer as SlowMixer
from exact_models import Numbers, phrases
from llmzip.adapt import Learner, Mixed, Rows, mixing
from llmzip.adapt.history import N_CANDIDATES, Candidates
from llmzip.adapt.mixing import MAX_TOTAL, Mixer

log2, exp2 = by_kernel(mixing.log2), by_kernel(mixing.exp2)

Ids = NDArray[np.int64]
LARGEST = (1 << 19) * ((1 << 28) + 1)
"""The total of a model that knows nothing, at the largest vocabulary there is."""


def waves(vocab_size: int, seed: int) -> list[list[NDArray[np.int32]]]:
    sizes = [(130, 40), (90,), (33, 70, 1)]
    return [
        [phrases(vocab_size, size, seed + 10 * w + i) for i, size in enumerate(own)]
        for w, own in enumerate(sizes)
    ]


def proposals(candidates: Candidates) -> list[Proposal]:
    return [
        Proposal(
            [
                Candidate(int(token), counts.tolist(), int(match))
                for token, counts, match in zip(ids[:n], counted, matches, strict=False)
            ],
            met.tolist(),
        )
        for n, ids, counted, matches, met in zip(
            candidates.n,
            candidates.ids,
            candidates.counts,
            candidates.matches,
            candidates.totals,
            strict=True,
        )
    ]


def assert_mixed_alike(slow: SlowMixer, found: Slice) -> None:
    """The document's mixer gives the same integers, and learns the slice."""
    rows = found.mixed.rows
    given_rows = list(zip(proposals(rows.candidates), rows.freq, rows.totals, strict=True))
    for i, (proposal, freq, total) in enumerate(given_rows):
        mixed, mixed_total = slow.mix(proposal, freq.tolist(), int(total))
        assert found.mixed.freq[i, : len(mixed)].tolist() == mixed
        assert int(found.mixed.totals[i]) == mixed_total
    for (proposal, freq, total), token in zip(given_rows, found.tokens.tolist(), strict=True):
        slow.learn(proposal, freq.tolist(), int(total), token)


def assert_same_state(slow: SlowMixer, fast: Mixer) -> None:
    assert fast.weights.tolist() == slow.weights
    for o, table in enumerate(slow.estimates):
        for place, estimate in table.items():
            assert fast.estimates[o][place] == estimate.value
            assert fast.estimate_ages[o][place] == estimate.age
    matches = [[estimate.value for estimate in line] for line in slow.matches]
    assert fast.match_estimates.tolist() == matches
    maps = [[[step.value for step in line] for line in lines] for lines in slow.maps]
    assert fast.corrections.tolist() == maps
    ages = [[[step.age for step in line] for line in lines] for lines in slow.maps]
    assert fast.correction_ages.tolist() == ages


def mixer_of(learner: Learner) -> Mixer:
    return learner._mixer


@pytest.mark.parametrize("vocab_size", [2, 5, 40, 700])
def test_mixing_and_learning_give_the_documents_bits(vocab_size: int) -> None:
    walk, slow = Walk(vocab_size, 3), SlowMixer()
    for chunks in waves(vocab_size, 20):
        for found in walk.wave(chunks):
            assert_mixed_alike(slow, found)
    assert_same_state(slow, mixer_of(walk.learner))


def test_the_fresh_mixer_is_the_documents() -> None:
    assert_same_state(SlowMixer(), Mixer.fresh())


PINNED = "cd2d16ac74ba92c28a1e318e5b259a617cb3056c700cffa67b66f5c845b35029"


def test_a_fixed_run_gives_the_pinned_bits() -> None:
    """A change of these is a change of the format."""
    walk, state = Walk(300, 5), hashlib.sha256()
    for seed in range(3):
        chunks = [phrases(300, size, 50 + 7 * seed + i) for i, size in enumerate((400, 250, 3))]
        for found in walk.wave(chunks):
            state.update(found.mixed.freq.astype("<i8").tobytes())
            state.update(found.mixed.totals.astype("<i8").tobytes())
    for table in mixer_of(walk.learner):
        state.update(table.astype("<f8").tobytes())
    assert state.hexdigest() == PINNED


def random_rows(
    numbers: Numbers, freq: Ids, n: list[int], most_counted: int = 24
) -> tuple[Rows, Ids]:
    """Rows of whatever a history may propose, against given distributions (rows, V)."""
    found = Candidates.empty(len(n))
    for row, count in enumerate(n):
        found.n[row] = count
        order = np.argsort(numbers.words(freq.shape[1]))
        found.ids[row, :count] = order[:count]
        counts = numbers.below(most_counted // 6 + 1, count * 5).reshape(count, 5)
        found.counts[row, :count] = counts
        found.totals[row] = counts.sum(0) + numbers.below(most_counted // 6 + 1, 5)
        found.matches[row, : min(count, 1)] = numbers.below(33, min(count, 1))
    own = np.take_along_axis(freq, found.ids.astype(np.int64), 1)
    lanes = np.arange(len(n))
    return Rows(lanes, np.zeros_like(lanes), found, own, freq.sum(1)), freq


def explicit(mixed: Mixed, freq: Ids) -> Ids:
    """The mixed distributions (rows, V), written out."""
    whole = freq.copy()
    for row, count in enumerate(mixed.rows.candidates.n.tolist()):
        ids = mixed.rows.candidates.ids[row, :count]
        whole[row, ids] = mixed.freq[row, :count]
    return whole


def lows(freq: Ids) -> Ids:
    below: Ids = np.cumsum(freq, axis=1) - freq
    return below


def check_search(mixed: Mixed, freq: Ids, targets: NDArray[np.uint64]) -> None:
    """Each target leads to the token whose mixed interval holds it, and to that interval."""
    whole = explicit(mixed, freq)
    assert (mixed.totals == whole.sum(1)).all()
    model_low, rows = lows(freq), np.arange(len(freq))
    ids = mixed.rows.candidates.ids.astype(np.int64)
    candidate_low = np.take_along_axis(model_low, ids, 1).astype(np.uint64)
    own = mixed.model_targets(targets, candidate_low).astype(np.int64)
    assert (own < freq.sum(1)).all()
    found = (np.cumsum(freq, axis=1) <= own[:, None]).sum(1)
    wanted = (np.cumsum(whole, axis=1) <= targets.astype(np.int64)[:, None]).sum(1)
    assert (found == wanted).all()
    low, size = mixed.interval(
        found, model_low[rows, found].astype(np.uint64), freq[rows, found].astype(np.uint64)
    )
    assert (low.astype(np.int64) == lows(whole)[rows, found]).all()
    assert (size.astype(np.int64) == whole[rows, found]).all()
    assert ((low <= targets) & (targets < low + size)).all()


def check_bounds(mixed: Mixed, freq: Ids) -> None:
    whole = explicit(mixed, freq)
    assert whole.min() >= 1
    assert (mixed.totals == whole.sum(1)).all()
    assert (mixed.totals <= MAX_TOTAL).all()


def check_all_intervals(mixed: Mixed, freq: Ids) -> None:
    """Both ends of every token's interval."""
    whole = explicit(mixed, freq)
    for token in range(freq.shape[1]):
        begin = lows(whole)[:, token]
        for target in (begin, begin + whole[:, token] - 1):
            check_search(mixed, freq, target.astype(np.uint64))


@settings(max_examples=60)
@given(
    vocab_size=st.integers(1, 12),
    shift=st.lists(st.integers(0, 28), min_size=1, max_size=8),
    seed=st.integers(0, 1 << 20),
    trained=st.booleans(),
)
def test_every_target_finds_its_token(
    vocab_size: int, shift: list[int], seed: int, trained: bool
) -> None:
    """Vocabularies with fewer tokens than candidates are wanted among them."""
    numbers = Numbers(seed << 32)
    words = numbers.below(1 << 28, len(shift) * vocab_size).astype(np.int64)
    freq = (words.reshape(len(shift), -1) >> np.array(shift)[:, None]) + 1
    n = numbers.below(min(vocab_size, N_CANDIDATES) + 1, len(shift)).tolist()
    rows, freq = random_rows(numbers, freq, n)
    learner = trained_learner(seed) if trained else Learner()
    mixed = learner.mix(rows)
    check_bounds(mixed, freq)
    check_all_intervals(mixed, freq)


def trained_learner(seed: int) -> Learner:
    walk = Walk(30, seed % 3)
    walk.wave([phrases(30, 300, seed % 3)])
    return walk.learner


@pytest.mark.parametrize("certain", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 6])
@pytest.mark.parametrize("total", [8, 9, 1000, LARGEST])
def test_extreme_distributions_stay_within_bounds(total: int, n: int, certain: bool) -> None:
    """Frequencies of 1, all but everything in one token, the largest total of a model."""
    for heavy in range(8):
        freq = np.ones((1, 8), dtype=np.int64)
        freq[0, heavy] = total - 7
        rows, _ = random_rows(Numbers(n), freq, [n], 12)
        if certain:
            rows.candidates.counts[0, :n, :] = 0
            rows.candidates.counts[0, :1, :] = 24
            rows.candidates.totals[:] = 24
            rows.candidates.matches[0, :1] = 32
        mixed = Learner().mix(rows)
        check_bounds(mixed, freq)
        check_all_intervals(mixed, freq)


def test_candidates_that_come_always_take_all_but_the_least() -> None:
    """A learner that has only seen hits: the mixed total nears its limit, never passes it."""
    learner = Learner()
    freq = np.ones((1, 40), dtype=np.int64) << 20
    rows, _ = random_rows(Numbers(9), freq, [6])
    c = rows.candidates
    for _ in range(300):
        mixing.learn(
            mixer_of(learner),
            c.n,
            c.ids,
            c.counts,
            c.matches,
            c.totals,
            rows.freq,
            rows.totals,
            c.ids[:, 0].astype(np.int64),
        )
    mixed = learner.mix(rows)
    check_bounds(mixed, freq)
    check_all_intervals(mixed, freq)
    assert mixed.freq[0, 0] / mixed.totals[0] > 0.9


def test_no_candidates_leave_the_distribution_alone() -> None:
    freq = np.arange(1, 9, dtype=np.int64)[None]
    rows, _ = random_rows(Numbers(1), freq, [0])
    mixed = Learner().mix(rows)
    assert mixed.totals.tolist() == [36]
    targets = np.array([17], dtype=np.uint64)
    assert mixed.model_targets(targets, np.zeros((1, 6), dtype=np.uint64)).tolist() == [17]


def test_rows_do_not_touch_each_other() -> None:
    walk = Walk(60, 1)
    walk.wave([phrases(60, 200, 1)])
    found = walk.wave([phrases(60, 32, 2)])[0].mixed
    again = trained_again()
    for row in range(len(found.totals)):
        one = again.mix(one_row(found.rows, row))
        assert (one.freq[0] == found.freq[row]).all()
        assert one.totals[0] == found.totals[row]


def trained_again() -> Learner:
    walk = Walk(60, 1)
    walk.wave([phrases(60, 200, 1)])
    return walk.learner


def one_row(rows: Rows, row: int) -> Rows:
    own = slice(row, row + 1)
    c = rows.candidates
    picked = Candidates(c.n[own], c.ids[own], c.counts[own], c.matches[own], c.totals[own])
    return replace(
        rows,
        lanes=rows.lanes[own],
        at=rows.at[own],
        candidates=picked,
        freq=rows.freq[own],
        totals=rows.totals[own],
    )


@settings(max_examples=300)
@given(x=st.floats(1e-300, 1e300))
def test_log2_is_close(x: float) -> None:
    assert log2(x) == pytest.approx(math.log2(x), abs=2e-6)


@settings(max_examples=300)
@given(x=st.floats(-1000, 1000))
def test_exp2_is_close(x: float) -> None:
    assert exp2(x) == pytest.approx(2.0**x, rel=3e-6)


def test_logarithms_and_powers_of_whole_numbers_are_exact() -> None:
    for n in range(-1000, 1001):
        assert exp2(float(n)) == 2.0**n
        assert log2(2.0**n) == n
