"""The step's softmax by vectors: the same bits as the one of any row, for any number of keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmzip.compiled import kernel
from llmzip.exact.cpu.attention import softmax_row
from llmzip.exact.cpu.caps import cap_of
from llmzip.exact.cpu.rows import I16_LIMIT, I16_UNIT
from llmzip.exact.cpu.scalars import address_of, f32, high_byte, low_byte, rounded_bits
from llmzip.exact.cpu.step_softmax import KEYS, cap_scores, halve, scale_scores, weigh

UNIT = f32(2.0**-18)


@kernel
def by_row(
    scores: Any, key_scales: Any, value_scales: Any, q_scale: Any, cap: Any, halves: Any
) -> Any:
    work = np.empty(scores.size, dtype=np.float32)
    inverse, factor = softmax_row(scores, key_scales, value_scales, q_scale, cap, work)
    for j in range(scores.size):
        bits = rounded_bits(work[j] * inverse)
        halves[0, j], halves[1, j] = high_byte(bits), low_byte(bits)
    return factor


@kernel
def by_vectors(
    scores: Any,
    key_scales: Any,
    value_scales: Any,
    skip: Any,
    n_keys: Any,
    q_scale: Any,
    cap: Any,
    halves: Any,
) -> Any:
    work, total = np.empty(scores.size, dtype=np.float32), np.zeros(1, dtype=np.int64)
    work_at, ahead = address_of(work), address_of(scores)
    top = scale_scores(address_of(scores), address_of(key_scales), skip, n_keys, work_at, ahead)
    top, q_scale = cap_scores(cap, work_at, skip, n_keys, top, q_scale)
    total_at = address_of(total)
    bits = weigh(work_at, address_of(value_scales), skip, n_keys, top, q_scale, total_at, ahead)
    most = np.int32(bits).view(np.float32)
    high_at, low_at = address_of(halves[0]), address_of(halves[1])
    halve(work_at, n_keys, I16_LIMIT / most, high_at, low_at, ahead)
    work[0] = 0  # used until here, so that its memory is not given back before
    return (most * I16_UNIT) / (f32(total[0]) * UNIT)


def random_scales(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    return rng.uniform(1e-3, 1e-1, size).astype(np.float32)


@pytest.mark.parametrize("n_keys", [1, 15, 16, 17, 31, 100, 1056, 5000])
@pytest.mark.parametrize("hidden", [0, 1, 13])
@pytest.mark.parametrize("reach", [10, 300_000])
@pytest.mark.parametrize("cap", [0.0, 1.0, 50.0])
def test_vectors_weigh_as_a_row_does(n_keys: int, hidden: int, reach: int, cap: float) -> None:
    """`hidden` keys before those in view, and what lies behind them, do not count."""
    rng = np.random.default_rng(n_keys)
    size, skip = -(-n_keys // KEYS) * KEYS, min(hidden, n_keys - 1)
    scores = rng.integers(-reach, reach, size).astype(np.int32)
    scores[n_keys:] = scores[:skip] = 2**30
    key_scales, value_scales = random_scales(rng, size), random_scales(rng, size)
    wanted, found = np.zeros((2, 2, size), dtype=np.int8)
    q_scale = f32(0.01)
    seen = slice(skip, n_keys)
    shown = wanted[:, seen]
    own_cap = cap_of(cap)
    factor = by_row(scores[seen], key_scales[seen], value_scales[seen], q_scale, own_cap, shown)
    in_view = np.int64(skip), np.int64(n_keys)
    ours = by_vectors(scores, key_scales, value_scales, *in_view, q_scale, own_cap, found)
    assert ours == factor
    assert (found[:, :n_keys] == wanted[:, :n_keys]).all()
