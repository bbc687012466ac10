"""Integer matrix products on CUDA: cuBLASLt's where it is exact, else a Triton kernel.

Operands come padded: K and N are multiples of ALIGNMENT, and M is what `padded_rows` says.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import triton.language as tl
from torch import Tensor

from llmzip.exact.cuda.launch import block_of, launch
from llmzip.exact.cuda.scalars import kernel
from llmzip.exact.gemm import exact_gemm, int8_units

ALIGNMENT = 16
"""Bytes: rows of int8 operands start at multiples of this."""
LEAST_ROWS = 32
"""cuBLASLt takes more than 16 rows."""

Product = Callable[[Tensor, Tensor, Tensor], None]
"""(a int8 (M, K), weight int8 (N, K), out int32 (M, N)), all contiguous: out = a · weightᵀ."""


def padded(size: int) -> int:
    """The multiple of ALIGNMENT that holds `size`."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def padded_rows(n_rows: int) -> int:
    """Rows of a product whose first `n_rows` are wanted."""
    return max(LEAST_ROWS, padded(n_rows))


def choose_product(device: torch.device) -> Product:
    """The product to use on `device`: proved exact by `exact_gemm`, or ours."""
    if device.type == "cuda" and exact_gemm(device) is int8_units:
        return cublas_product
    return triton_product


def cublas_product(a: Tensor, weight: Tensor, out: Tensor) -> None:
    """cuBLASLt's int8 product, through torch."""
    torch._int_mm(a, weight.t(), out=out)


def triton_product(a: Tensor, weight: Tensor, out: Tensor) -> None:
    """A plain tiled product on the int8 units, exact as long as int32 does not overflow."""
    (M, K), N = a.shape, weight.shape[0]
    tile_m, tile_n = min(128, block_of(M, 16)), min(128, block_of(N, 16))
    grid = (-(-M // tile_m), -(-N // tile_n))
    tiles = {"BLOCK_M": tile_m, "BLOCK_N": tile_n, "BLOCK_K": min(128, block_of(K, 32))}
    launch(multiply, grid, a, weight, out, M, N, K, **tiles, num_warps=8 if tile_m > 32 else 4)


@kernel
def multiply(
    a: tl.tensor,
    weight: tl.tensor,
    out: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    K: tl.tensor,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """One tile of out (M, N) = a (M, K) · weight (N, K)ᵀ."""
    rows = (tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M))[:, None]
    columns = (tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N))[None, :]
    sums = tl.zeros((BLOCK_M, BLOCK_N), tl.int32)
    for first in range(0, K, BLOCK_K):
        inner = first + tl.arange(0, BLOCK_K)
        left_at = rows.to(tl.int64) * K + inner[None, :]
        left = tl.load(a + left_at, mask=(rows < M) & (inner < K)[None, :], other=0)
        right_at = columns.to(tl.int64) * K + inner[:, None]
        right = tl.load(weight + right_at, mask=(columns < N) & (inner < K)[:, None], other=0)
        sums = tl.dot(left, right, acc=sums, out_dtype=tl.int32)
    tl.store(out + rows.to(tl.int64) * N + columns, sums, mask=(rows < M) & (columns < N))
