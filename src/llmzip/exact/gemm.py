"""Integer matrix products, each backend proved exact before it is used.

`torch._int_mm` is fast where the hardware has int8 dot products, and wrong where
oneDNN emulates them with saturating 16-bit sums. So a backend first answers
questions with extreme values; one that fails is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from llmzip.errors import DeviceError

Gemm = Callable[[Tensor, Tensor], Tensor]
"""(int8 (M, K), int8 (N, K)) -> int32 (M, N): the product of the first with the second transposed."""

SLICE = 1024
"""Terms that float32 sums exactly: 127 · 128 · 1024 < 2^24."""


def int8_units(a: Tensor, b: Tensor) -> Tensor:
    """The hardware's int8 dot products, through torch."""
    if a.device.type == "cuda":
        return _int8_units_cuda(a, b)
    return torch._int_mm(a, b.t())


def _int8_units_cuda(a: Tensor, b: Tensor) -> Tensor:
    """As int8_units, padded to the sizes that cuBLASLt takes: M > 16, K and N multiples of 8."""
    rows, columns = a.shape[0], b.shape[0]
    a = _pad(_pad(a, 0, max(32, -(-rows // 8) * 8)), 1, -(-a.shape[1] // 8) * 8)
    b = _pad(_pad(b, 0, -(-columns // 8) * 8), 1, a.shape[1])
    return torch._int_mm(a.contiguous(), b.contiguous().t())[:rows, :columns]


def _pad(x: Tensor, axis: int, size: int) -> Tensor:
    missing = size - x.shape[axis]
    if not missing:
        return x
    shape = list(x.shape)
    shape[axis] = missing
    return torch.cat([x, x.new_zeros(shape)], axis)


def float32_slices(a: Tensor, b: Tensor) -> Tensor:
    """Float32 products of slices so short that every partial sum is an integer below 2^24."""
    total = torch.zeros(a.shape[0], b.shape[0], dtype=torch.int32, device=a.device)
    for start in range(0, a.shape[1], SLICE):
        part = slice(start, start + SLICE)
        product = torch.mm(a[:, part].to(torch.float32), b[:, part].to(torch.float32).t())
        total += product.to(torch.int32)
    return total


def float64_product(a: Tensor, b: Tensor) -> Tensor:
    """Float64 product: exact on anything, for every size in use; slow."""
    return torch.mm(a.to(torch.float64), b.to(torch.float64).t()).to(torch.int32)


BACKENDS: tuple[Gemm, ...] = (int8_units, float32_slices, float64_product)


def _questions(device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Operands that betray saturation, low-precision modes and wrong tails."""
    generator = torch.Generator().manual_seed(2654435761)
    pairs = []
    for rows, inner, columns in ((1, 64, 64), (5, 576, 96), (16, 72, 40), (192, 1536, 96), (300, 2055, 33)):
        for low, high in ((-128, 128), (126, 128), (-128, -126)):
            a = torch.randint(low, high, (rows, inner), generator=generator, dtype=torch.int8)
            b = torch.randint(max(low, -127), high, (columns, inner), generator=generator, dtype=torch.int8)
            pairs += [(a.to(device), b.to(device)), (a.to(device), (-b).to(device))]
    return pairs


def is_exact(gemm: Gemm, device: torch.device) -> bool:
    """Does `gemm` give the true integer product on `device`, extreme values included?"""
    try:
        return all(torch.equal(gemm(a, b), float64_product(a, b)) for a, b in _questions(device))
    except RuntimeError:  # not implemented on this device or in this build
        return False


@lru_cache
def exact_gemm(device: torch.device) -> Gemm:
    """The fastest backend that is exact on `device`. Raises DeviceError if there is none."""
    for gemm in BACKENDS:
        if is_exact(gemm, device):
            return gemm
    raise DeviceError(f"{device}: no matrix product on this device is exact; use --device cpu")
