"""Adapters merged with weights: as docs/EXACT.md says, and as near as a grid can be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmzip.exact.merging import Product

finite = st.floats(-1e3, 1e3, width=32)


def by_fractions(
    weight: NDArray[np.float32], a: NDArray[np.float64], b: NDArray[np.float64], scale: float
) -> NDArray[np.float32]:
    """Merge as the document says, one number at a time."""

    def grid(matrix: NDArray[np.float64]) -> tuple[list[list[int]], float]:
        _, exponent = np.frexp(max(np.abs(matrix).max(), 1e-30))
        unit = 2.0 ** (int(exponent) - 20)
        return [[round(Fraction(value) / Fraction(unit)) for value in row] for row in matrix], unit

    (g, u), (h, v) = grid(a), grid(b)
    made = np.empty_like(weight)
    for n, row in enumerate(h):
        for k in range(weight.shape[1]):
            product = float(sum(x * g[r][k] for r, x in enumerate(row)))
            made[n, k] = np.float32(float(weight[n, k]) + product * (v * u * scale))
    return made


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.floats(0.01, 64), st.data())
def test_it_is_what_the_document_says(
    n_out: int, rank: int, n_in: int, scale: float, data: st.DataObject
) -> None:
    def drawn(rows: int, columns: int) -> NDArray[np.float64]:
        size = rows * columns
        values = data.draw(st.lists(finite, min_size=size, max_size=size))
        return np.array(values).reshape(rows, columns)

    weight = drawn(n_out, n_in).astype(np.float32)
    a, b = drawn(rank, n_in), drawn(n_out, rank)
    made = Product.of(a, b, scale).added(weight)
    assert np.array_equal(made, by_fractions(weight, a, b, scale))


def test_it_is_close_to_the_product_of_floats() -> None:
    draw = np.random.default_rng(2)
    weight = draw.normal(size=(60, 50)).astype(np.float32)
    a, b = draw.normal(size=(8, 50)), draw.normal(size=(60, 8))
    assert Product.of(a, b, 0.5).added(weight) == pytest.approx(weight + 0.5 * (b @ a), abs=1e-4)
