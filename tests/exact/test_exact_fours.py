"""Products by AVX512-VNNI: exact for any number of rows, at the limits too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmzip.compiled import kernel
from llmzip.exact.cpu import fours, simd
from llmzip.exact.cpu.packed import packed_rows
from llmzip.exact.cpu.scalars import address_of
from llmzip.exact.cpu.ways import Way

pytestmark = pytest.mark.skipif(not simd.AVAILABLE, reason="the processor has no AVX512-VNNI")

Array = NDArray[Any]

EXTREMES = [(-128, 127), (-128, -128), (127, 127), (-127, -127)]


@kernel
def by_blocks(rows: Any, weight: Any, step: int, width: int, out: Any) -> None:
    """Products of rows with packed weights, `step` rows and `width` outputs at a time."""
    n_rows, n_terms = rows.shape[0], np.int64(rows.shape[1])
    undo = fours.corrections(address_of(rows), n_rows, n_terms)
    part = np.empty((step, width), dtype=np.int32)
    rows_at, undo_at, part_at = address_of(rows), address_of(undo), address_of(part)
    for c in range(0, out.shape[1], width):
        w_at = address_of(weight) + c * n_terms
        for r in range(0, n_rows, step):
            last = min(r + step, n_rows)
            fours.product_block(rows_at, n_rows, r, last, n_terms, w_at, undo_at, part_at, width)
            out[r:last, c : c + width] = part[: last - r]
    undo[0] = 0  # used until here, so that its memory is not given back before


@kernel
def unsigned(rows: Any, columns: Any, out: Any) -> None:
    stride, fours_ = np.int64(rows.shape[1]), np.int64(rows.shape[1] // 4)
    rows_at, columns_at, apart = address_of(rows), address_of(columns), stride * simd.LANES
    line = np.int64(4 * out.shape[1])
    fours.unsigned_products_8(rows_at, stride, columns_at, apart, fours_, address_of(out), line)


def numbers(rng: np.random.Generator, low: int, high: int, *shape: int) -> Array:
    return rng.integers(low, high, shape, dtype=np.int8, endpoint=True)


def product(a: Array, weight: Array) -> Array:
    return a.astype(np.int64) @ weight.astype(np.int64).T


@pytest.mark.parametrize(("low", "high"), EXTREMES)
@pytest.mark.parametrize(("step", "width"), [(32, 64), (32, 32), (5, 32)])
def test_blocks_are_exact_for_any_number_of_rows(
    low: int, high: int, step: int, width: int
) -> None:
    rng = np.random.default_rng(5)
    weight = numbers(rng, low, high, 128, 192)
    packed = packed_rows([weight], Way.VNNI)[0]
    for n_rows in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 31, 32, 33, 64, 71):
        a = numbers(rng, low, high, n_rows, 192)
        out = np.zeros((n_rows, 128), dtype=np.int32)
        by_blocks(a, packed, step, width, out)
        assert (out == product(a, weight)).all()


@pytest.mark.parametrize("n_terms", [64, 1536, 132_096])
def test_the_longest_sums_of_one_sign_fit(n_terms: int) -> None:
    """As many terms as int32 sums of products of bytes within ± 127."""
    a = np.full((9, n_terms), 127, dtype=np.int8)
    weight = np.full((64, n_terms), 127, dtype=np.int8)
    weight[::2] = -127
    out = np.zeros((9, 64), dtype=np.int32)
    by_blocks(a, packed_rows([weight], Way.VNNI)[0], 32, 64, out)
    assert (out == product(a, weight)).all()


@pytest.mark.parametrize("value", [None, 255, 0])
@pytest.mark.parametrize(("low", "high"), EXTREMES)
@pytest.mark.parametrize("n_terms", [4, 64, 1020])
def test_unsigned_rows(value: int | None, low: int, high: int, n_terms: int) -> None:
    rng = np.random.default_rng(6)
    rows = rng.integers(0, 255, (8, n_terms), dtype=np.uint8, endpoint=True)
    rows[:] = rows if value is None else value
    weight = numbers(rng, low, high, 32, n_terms)
    columns = weight.reshape(2, 16, n_terms // 4, 4).swapaxes(1, 2).copy()
    out = np.zeros((8, 32), dtype=np.int32)
    unsigned(rows, columns, out)
    assert (out == product(rows, weight)).all()
