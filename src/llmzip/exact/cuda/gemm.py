"""Integer matrix products on the int8 units, exact as long as int32 does not overflow.

Operands come padded: K is a multiple of ALIGNMENT. A tile may reach past rows and columns, which
are masked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import triton.language as tl
from torch import Tensor

from llmzip.exact.cuda.launch import block_of, launch
from llmzip.exact.cuda.scalars import kernel

ALIGNMENT = 16
"""Bytes: rows of int8 operands start at multiples of this."""


@dataclass(frozen=True)
class Tile:
    """How a product is cut: rows and columns of a program, and what it takes of K at once."""

    rows: int
    columns: int
    inner: int
    warps: int
    stages: int

    @property
    def constants(self) -> dict[str, int]:
        """What a kernel is compiled with."""
        return {
            "BLOCK_M": self.rows,
            "BLOCK_N": self.columns,
            "BLOCK_K": self.inner,
            "num_warps": self.warps,
            "num_stages": self.stages,
        }

    def grid(self, n_rows: int, n_columns: int) -> tuple[int, int]:
        """Programs by columns, then by rows: those that share rows run side by side."""
        return -(-n_columns // self.columns), -(-n_rows // self.rows)


def tile_for(n_rows: int, n_columns: int, n_inner: int, *, alone: bool = True) -> Tile:
    """The tile of a product (M, K) · (K, N). alone: whether it is of one set of columns, not two.

    On an H200, 64 · 64 · 64 was as fast as larger ones or faster, from 512 rows to 16,384, where
    something follows the product: many programs hide what each does then. Long rows are faster
    when they are taken in fewer steps; with two sets of columns that was not tried, and some
    devices have not the memory.
    """
    inner = 128 if alone and n_inner >= 1024 else 64
    return _within(Tile(64, 64, inner, 4, 3 if inner == 128 else 4), n_rows, n_columns, n_inner)


def product_tile(n_rows: int, n_columns: int, n_inner: int) -> Tile:
    """The tile of a product that is stored as it is."""
    if n_rows < 1024:
        return tile_for(n_rows, n_columns, n_inner)
    return _within(Tile(128, 128, 64, 4, 3), n_rows, n_columns, n_inner)


def _within(tile: Tile, n_rows: int, n_columns: int, n_inner: int) -> Tile:
    """A tile no larger than what is to be cut, as far as matrix units allow."""
    return replace(
        tile,
        rows=min(tile.rows, block_of(n_rows, 16)),
        columns=min(tile.columns, block_of(n_columns, 16)),
        inner=min(tile.inner, block_of(n_inner, 32)),
    )


def padded(size: int) -> int:
    """The multiple of ALIGNMENT that holds `size`."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def product(a: Tensor, weight: Tensor, out: Tensor) -> None:
    """`out` int32 (M, N) = a int8 (M, K) · weight int8 (N, K)ᵀ, all contiguous."""
    (M, K), N = a.shape, weight.shape[0]
    tile = product_tile(M, N, K)
    launch(
        multiply,
        tile.grid(M, N),
        a,
        weight,
        out,
        M,
        N,
        K=K,
        **tile.constants,
    )


@kernel
def load_rows(
    a: tl.tensor,
    row: tl.tensor,
    n_rows: tl.tensor,
    first: tl.tensor,
    K: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> tl.tensor:
    """Some of K of rows `row` of a (M, K), zero past its ends."""
    inner = first + tl.arange(0, BLOCK_K)
    mask = (row < n_rows)[:, None]
    if K % BLOCK_K != 0:
        mask = mask & (inner < K)[None, :]
    return tl.load(a + row[:, None].to(tl.int64) * K + inner[None, :], mask=mask, other=0)


@kernel
def load_columns(
    weight: tl.tensor,
    column: tl.tensor,
    real: tl.tensor,
    first: tl.tensor,
    K: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> tl.tensor:
    """Some of K of rows `column` of weight (N, K), turned; zero where they are not real."""
    inner = first + tl.arange(0, BLOCK_K)
    mask = real[None, :]
    if K % BLOCK_K != 0:
        mask = mask & (inner < K)[:, None]
    return tl.load(weight + column[None, :].to(tl.int64) * K + inner[:, None], mask=mask, other=0)


@kernel
def one_product(
    a: tl.tensor,
    weight: tl.tensor,
    row: tl.tensor,
    n_rows: tl.tensor,
    column: tl.tensor,
    real: tl.tensor,
    K: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> tl.tensor:
    """Sums int32 of rows `row` of a (M, K) with rows `column` of weight (N, K), where `real`."""
    sums = tl.zeros((row.shape[0], column.shape[0]), tl.int32)
    for first in range(0, K, BLOCK_K):
        left = load_rows(a, row, n_rows, first, K, BLOCK_K)
        right = load_columns(weight, column, real, first, K, BLOCK_K)
        sums = tl.dot(left, right, acc=sums, out_dtype=tl.int32)
    return sums


@kernel
def products_with_two(
    a: tl.tensor,
    weight: tl.tensor,
    row: tl.tensor,
    n_rows: tl.tensor,
    column: tl.tensor,
    other: tl.tensor,
    real: tl.tensor,
    K: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> tl.tensor:
    """The same with two sets of columns."""
    sums = tl.zeros((row.shape[0], column.shape[0]), tl.int32)
    others = tl.zeros((row.shape[0], column.shape[0]), tl.int32)
    for first in range(0, K, BLOCK_K):
        left = load_rows(a, row, n_rows, first, K, BLOCK_K)
        right = load_columns(weight, column, real, first, K, BLOCK_K)
        sums = tl.dot(left, right, acc=sums, out_dtype=tl.int32)
        right = load_columns(weight, other, real, first, K, BLOCK_K)
        others = tl.dot(left, right, acc=others, out_dtype=tl.int32)
    return sums, others


@kernel
def products_of_halves(
    halves: tl.tensor,
    weight: tl.tensor,
    row: tl.tensor,
    n_rows: tl.tensor,
    column: tl.tensor,
    real: tl.tensor,
    K: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> tl.tensor:
    """The same with two sets of rows, `n_rows` apart: high halves (M, K), then low ones."""
    high = tl.zeros((row.shape[0], column.shape[0]), tl.int32)
    low = tl.zeros((row.shape[0], column.shape[0]), tl.int32)
    for first in range(0, K, BLOCK_K):
        right = load_columns(weight, column, real, first, K, BLOCK_K)
        left = load_rows(halves, row, n_rows, first, K, BLOCK_K)
        high = tl.dot(left, right, acc=high, out_dtype=tl.int32)
        left = load_rows(halves, row + n_rows, 2 * n_rows, first, K, BLOCK_K)
        low = tl.dot(left, right, acc=low, out_dtype=tl.int32)
    return high, low


@kernel
def multiply(
    a: tl.tensor,
    weight: tl.tensor,
    out: tl.tensor,
    n_rows: tl.tensor,
    n_columns: tl.tensor,
    K: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """One tile of out (M, N) = a (M, K) · weight (N, K)ᵀ."""
    column = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    real = column < n_columns
    sums = one_product(a, weight, row, n_rows, column, real, K, BLOCK_K)
    mask = (row < n_rows)[:, None] & real[None, :]
    tl.store(out + row[:, None].to(tl.int64) * n_columns + column[None, :], sums, mask=mask)
