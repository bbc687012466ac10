"""Products of fours: exact for any number of rows, at the limits too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmzip.compiled import kernel
from llmzip.exact.cpu import attention, fours, simd
from llmzip.exact.cpu.instruction_set import Dot, outputs_of
from llmzip.exact.cpu.packed import packed_rows
from llmzip.exact.cpu.scalars import address_of
from llmzip.exact.cpu.ways import Way
from ways import four_ways

Array = NDArray[Any]

EXTREMES = [(-128, 127), (-128, -128), (127, 127), (-127, -127)]


@kernel
def by_blocks(isa: Any, rows: Any, weight: Any, step: int, width: int, out: Any) -> None:
    """Products of rows with packed weights, `step` rows and `width` outputs at a time."""
    n_rows, n_terms = rows.shape[0], np.int64(rows.shape[1])
    undo = fours.corrections(isa, address_of(rows), n_rows, n_terms)
    part = np.empty((step, width), dtype=np.int32)
    rows_at, undo_at, part_at = address_of(rows), address_of(undo), address_of(part)
    for c in range(0, out.shape[1], width):
        w_at = address_of(weight) + c * n_terms
        for r in range(0, n_rows, step):
            last = min(r + step, n_rows)
            place = w_at, undo_at, part_at, width
            fours.product_block(isa, rows_at, n_rows, r, last, n_terms, place)
            out[r:last, c : c + width] = part[: last - r]
    undo[0] = 0  # used until here, so that its memory is not given back before


@kernel
def weighted(isa: Any, rows: Any, columns: Any, out: Any) -> None:
    """Of as many outputs as there are columns."""
    stride, fours_ = np.int64(rows.shape[1]), np.int64(rows.shape[1] // 4)
    apart, line = stride * simd.LANES, np.int64(4 * out.shape[1])
    for c in range(0, out.shape[1], outputs_of(isa)):
        place = address_of(columns) + c * stride, apart, fours_, address_of(out) + 4 * c, line
        if rows.shape[0] == fours.FEW:
            fours.few_weight_products(isa, address_of(rows), stride, *place)
        else:
            fours.weight_products(isa, address_of(rows), stride, *place)


@kernel
def scored(isa: Any, keys: Any, query: Any, undo: Any, out: Any) -> None:
    """Products of 16 keys with a query."""
    stride, place = np.int64(keys.shape[1]), (address_of(undo), address_of(out), address_of(keys))
    simd.keys_16x1(isa, address_of(keys), stride, address_of(query), stride, *place)


@kernel
def mixed(isa: Any, weights: Any, values: Any, out: Any) -> None:
    """Values weighted by as many sets of weights as registers hold the sums of."""
    n, (_, d) = len(weights), values.shape
    pairs, far = np.int64(len(values) // 2), np.int64(2 * weights.shape[1])
    rest = np.int64(d), pairs, address_of(out), np.int64(4 * d), address_of(values)
    weights_at, values_at = address_of(weights), address_of(values)
    if n == 4:
        simd.weighted_sums_4(isa, weights_at, far, values_at, *rest)
    elif n == 3:
        simd.weighted_sums_3(isa, weights_at, far, values_at, *rest)
    elif n == 2:
        simd.weighted_sums_2(isa, weights_at, far, values_at, *rest)
    else:
        simd.weighted_sums_1(isa, weights_at, far, values_at, *rest)


def set_of(way: Way) -> Dot:
    assert way.dot is not None
    return way.dot


def numbers(rng: np.random.Generator, low: int, high: int, *shape: int) -> Array:
    return rng.integers(low, high, shape, dtype=np.int8, endpoint=True)


def product(a: Array, weight: Array) -> Array:
    return a.astype(np.int64) @ weight.astype(np.int64).T


@four_ways
@pytest.mark.parametrize(("low", "high"), EXTREMES)
@pytest.mark.parametrize(("step", "width"), [(32, 64), (32, 32), (5, 32)])
def test_blocks_are_exact_for_any_number_of_rows(
    way: Way, low: int, high: int, step: int, width: int
) -> None:
    rng = np.random.default_rng(5)
    weight = numbers(rng, low, high, 128, 192)
    packed = packed_rows([weight], way)[0]
    for n_rows in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 31, 32, 33, 64, 71):
        a = numbers(rng, low, high, n_rows, 192)
        out = np.zeros((n_rows, 128), dtype=np.int32)
        by_blocks(set_of(way), a, packed, step, width, out)
        assert (out == product(a, weight)).all()


@four_ways
@pytest.mark.parametrize("n_terms", [64, 1536, 132_096])
def test_the_longest_sums_of_one_sign_fit(way: Way, n_terms: int) -> None:
    """As many terms as int32 sums of products of bytes within ± 127."""
    a = np.full((9, n_terms), 127, dtype=np.int8)
    weight = np.full((64, n_terms), 127, dtype=np.int8)
    weight[::2] = -127
    out = np.zeros((9, 64), dtype=np.int32)
    by_blocks(set_of(way), a, packed_rows([weight], way)[0], 32, 64, out)
    assert (out == product(a, weight)).all()


@four_ways
@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize(("low", "high"), EXTREMES)
@pytest.mark.parametrize("n_terms", [16, 64, 1008])
@pytest.mark.parametrize("n_rows", [fours.FEW, fours.STRIP])
def test_products_of_weights(
    way: Way, extreme: bool, low: int, high: int, n_terms: int, n_rows: int
) -> None:
    """Of bytes that are unsigned where products want one operand so."""
    rng, least, most = (
        np.random.default_rng(6),
        *((0, 255) if set_of(way).SIGN_BITS else (-128, 127)),
    )
    drawn = rng.choice([least, most], (n_rows, n_terms)) if extreme else None
    rows = rng.integers(least, most, (n_rows, n_terms), endpoint=True) if drawn is None else drawn
    weight = numbers(rng, low, high, 64, n_terms)
    columns = weight.reshape(4, 16, n_terms // 4, 4).swapaxes(1, 2).copy()
    out = np.zeros((n_rows, 64), dtype=np.int32)
    weighted(set_of(way), rows.astype(np.uint8 if least == 0 else np.int8), columns, out)
    assert (out == product(rows, weight)).all()


@four_ways
@pytest.mark.parametrize(("low", "high"), EXTREMES)
@pytest.mark.parametrize("n_terms", [64, 128])
def test_scores_of_keys(way: Way, low: int, high: int, n_terms: int) -> None:
    rng = np.random.default_rng(7)
    keys, query = numbers(rng, low, high, 16, n_terms), numbers(rng, low, high, n_terms)
    undo = np.full(16, set_of(way).SIGN_BITS * query.sum(dtype=np.int32), dtype=np.int32)
    out = np.zeros(16, dtype=np.int32)
    scored(set_of(way), keys, query, undo, out)
    assert (out == product(keys, query[None])[:, 0]).all()


@four_ways
@pytest.mark.parametrize("n_members", [1, 2, 3, 4])
@pytest.mark.parametrize("extreme", [False, True])
def test_weighted_sums_of_values(way: Way, n_members: int, extreme: bool) -> None:
    rng, n_keys = np.random.default_rng(8), attention.EXACT_KEYS // 2
    weights = rng.integers(-32639, 32639, (n_members, n_keys), dtype=np.int16, endpoint=True)
    weights[:] = -32639 if extreme else weights
    values = numbers(rng, 127 if extreme else -127, 127, n_keys, 64)
    out = np.zeros((n_members, 64), dtype=np.int32)
    mixed(set_of(way), weights, values, out)
    assert (out == product(weights, values.T)).all()
