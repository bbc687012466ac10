"""Rows of a stream that is turned when it is read: the kernels give the reference's bits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact import arith
from llmzip.exact.cpu import turned_rows
from llmzip.exact.turning import butterfly

Array = NDArray[np.float32]
KINDS = {
    "ordinary": 3.0,
    "zero": 0.0,
    "tiny": 1e-38,
    "huge": 1e30,
    "outlier": 1.0,
    "largest": 1.0,
}
WIDTHS = {1: 1, 6: 2, 64: 64, 80: 16, 640: 128}
"""And the blocks in which they are turned."""
EPS = 1e-6
every_kind = pytest.mark.parametrize(("kind", "width"), list(product(KINDS, WIDTHS)))


def rows_of(kind: str, width: int, n_rows: int = 5, seed: int = 0) -> Array:
    x = np.random.default_rng(width + seed).normal(0, 1, (n_rows, width)) * KINDS[kind]
    if kind == "outlier":
        x[:, width // 2] = 1e7
    if kind == "largest":  # of which sums are finite
        x = np.where(x > 0, 3e37 / width, -3e37 / width)
    found: Array = x.astype(np.float32)
    return found


def gain_of(width: int) -> Array:
    """Some of it next to nothing."""
    gain: Array = rows_of("ordinary", width, 1, 5)[0]
    gain[width // 2] = 1e-6
    return gain


def matrix_of(block: int) -> NDArray[np.float64]:
    """Sylvester's."""
    bits = np.arange(block)[:, None] & np.arange(block)
    return np.array([[1.0 - 2 * (int(b).bit_count() % 2) for b in row] for row in bits])


@pytest.mark.parametrize(("width", "block"), [(1, 1), (6, 2), (80, 16), (64, 64)])
def test_a_butterfly_is_a_product_with_walsh_s_matrix(width: int, block: int) -> None:
    x = np.random.default_rng(width).integers(-999, 999, (3, width)).astype(np.float64)
    wanted = (x.reshape(3, -1, block) @ matrix_of(block)).reshape(3, width)
    assert (butterfly(x, block) == wanted).all()
    assert (arith.butterfly(torch.from_numpy(x).float(), block).numpy() == wanted).all()


def added(x: Array, y: Array, gain: Array) -> Array:
    stream, more, by = (torch.from_numpy(array.copy()) for array in (x, y, gain))
    found: Array = arith.added(stream, more, by, EPS).numpy()
    return found


def taken_in(x: Array, gain: Array, block: int, normed: bool) -> tuple[Tensor, Tensor]:
    tensors = torch.from_numpy(x), torch.from_numpy(gain)
    if normed:
        q, s = arith.turned_norm(*tensors, block, EPS)
    else:
        q, s = arith.turned(*tensors, block)
    return q, s[:, 0]


@every_kind
@pytest.mark.parametrize("normed", [True, False])
def test_rows_are_taken_in(kind: str, width: int, normed: bool) -> None:
    x, block, gain = rows_of(kind, width), WIDTHS[width], gain_of(width)
    q, s = np.full(x.shape, 55, np.int8), np.full(len(x), 5, np.float32)
    turned_rows.read_rows(x, gain, block, normed, EPS, q, s)
    wanted, scales = taken_in(x, gain, block, normed)
    assert (q == wanted.numpy()).all()
    assert (s.view(np.int32) == scales.numpy().view(np.int32)).all()


@every_kind
def test_what_is_added_is_normed(kind: str, width: int) -> None:
    x, y, gain = rows_of("ordinary", width, seed=1), rows_of(kind, width), gain_of(width)
    stream = added(x, y, gain)
    turned_rows.add_rows(y, gain, EPS, x)
    assert (x == stream).all()
    assert not y.any()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("largest", [True, False])
def test_sums_are_normed(width: int, biased: bool, largest: bool) -> None:
    some, n_rows = np.random.default_rng(width), 5
    high, low = some.integers(-(2**28), 2**28, (2, n_rows, width)).astype(np.int32)
    if largest:
        high[:], low[:] = 2**31 - 1, -(2**31)
    scale, s = rows_of("ordinary", width, 1)[0] * 1e-5, rows_of("ordinary", n_rows, 1)[0]
    bias = rows_of("ordinary", width, 1, 7)[0] if biased else np.empty(0, np.float32)
    gain, x = rows_of("ordinary", width, 1, 9)[0], rows_of("ordinary", width)
    for wide in (False, True):
        total = high.astype(np.int64) * 256 + low if wide else high
        y = total.astype(np.float32) * scale * s[:, None]
        y = y + bias if biased else y
        wanted = added(x, y, gain)
        found = x.copy()
        if wide:
            turned_rows.add_normed_wide(high, low, (scale, bias), s, gain, EPS, found)
        else:
            turned_rows.add_normed(high, (scale, bias), s, gain, EPS, found)
        assert (found == wanted).all()
