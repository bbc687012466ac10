"""Integer matrix products, each backend proved exact before it is used.

`torch._int_mm` is fast where the hardware has int8 dot products, and wrong where
oneDNN emulates them with saturating 16-bit sums. So a backend first answers
questions with extreme values; one that fails is passed over. The fastest is asked
first, for the questions take the slowest a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import lru_cache

import torch
from torch import Tensor

from llmzip import torch_threads
from llmzip.errors import DeviceError

Gemm = Callable[[Tensor, Tensor, Tensor], None]
"""(a int8 (M, K), b int8 (K, N), out int32 (M, N)): fills `out` with the product a · b."""

SLICE = 1024
"""Terms that float32 sums exactly: 127 · 128 · 1024 < 2^24."""


def int8_units(a: Tensor, b: Tensor, out: Tensor) -> None:
    """The hardware's int8 dot products, through torch."""
    if a.device.type == "cuda":
        _int8_units_cuda(a, b, out)
    else:
        torch._int_mm(a, b, out=out)


def _int8_units_cuda(a: Tensor, b: Tensor, out: Tensor) -> None:
    """As int8_units, padded to the sizes that cuBLASLt takes: M > 16, K and N multiples of 8."""
    rows, columns = out.shape
    a = _pad(_pad(a, 0, max(32, -(-rows // 8) * 8)), 1, -(-a.shape[1] // 8) * 8)
    b = _pad(_pad(b, 1, -(-columns // 8) * 8), 0, a.shape[1])
    out.copy_(torch._int_mm(a.contiguous(), b.t().contiguous().t())[:rows, :columns])


def _pad(x: Tensor, axis: int, size: int) -> Tensor:
    missing = size - x.shape[axis]
    if not missing:
        return x
    shape = list(x.shape)
    shape[axis] = missing
    return torch.cat([x, x.new_zeros(shape)], axis)


def float32_slices(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Float32 products of slices so short that every partial sum is an integer below 2^24."""
    out.zero_()
    for start in range(0, a.shape[1], SLICE):
        left, right = a[:, start : start + SLICE], b[start : start + SLICE]
        out += torch.mm(left.to(torch.float32), right.to(torch.float32)).to(torch.int32)


def float64_product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Float64 product: exact on anything, for every size in use; slow."""
    out.copy_(torch.mm(a.to(torch.float64), b.to(torch.float64)))


def product(gemm: Gemm, a: Tensor, b: Tensor) -> Tensor:
    """a · b in a new int32 tensor."""
    out = torch.empty(a.shape[0], b.shape[1], dtype=torch.int32, device=a.device)
    gemm(a, b, out)
    return out


BACKENDS: tuple[Gemm, ...] = (int8_units, float32_slices, float64_product)


SIZES = ((1, 64, 64), (5, 576, 96), (16, 72, 40), (192, 1536, 96), (300, 2055, 33))
"""(M, K, N) of the questions: single rows, tails, more than one slice, the models' own widths."""


def _questions(device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Operands that betray saturation, low-precision modes and wrong tails."""
    generator = torch.Generator().manual_seed(2654435761)
    for rows, inner, columns in SIZES:
        for low, high in ((-128, 128), (126, 128), (-128, -126)):
            a = torch.randint(low, high, (rows, inner), generator=generator, dtype=torch.int8)
            b = torch.randint(max(low, -127), high, (columns, inner), generator=generator)
            b = b.to(torch.int8).to(device)
            yield a.to(device), b.t()
            yield a.to(device), -b.t().contiguous()


def is_exact(gemm: Gemm, device: torch.device) -> bool:
    """Does `gemm` give the true integer product on `device`, extreme values included?"""
    try:
        return all(
            torch.equal(product(gemm, a, b), product(float64_product, a, b))
            for a, b in _questions(device)
        )
    except RuntimeError:  # not implemented on this device or in this build
        return False


@lru_cache
def exact_gemm(device: torch.device) -> Gemm:
    """The fastest backend that is exact on `device`. Raises DeviceError if there is none."""
    with torch_threads.one_thread():
        for gemm in BACKENDS if device.type == "cuda" else sorted(BACKENDS, key=_seconds):
            if is_exact(gemm, device):
                return gemm
    raise DeviceError(f"{device}: no matrix product on this device is exact; use --device cpu")


def _seconds(gemm: Gemm) -> float:
    """How long a product keeps a thread of the CPU, at best; for ever, if there is none.

    oneDNN has int8 products for every processor: where they are exact without VNNI they may be
    plain loops, twenty times slower than float32.
    """
    a, b = (torch.ones(128, 512, dtype=torch.int8) for _ in range(2))
    out = torch.empty(128, 128, dtype=torch.int32)

    def once() -> float:
        begin_s = time.thread_time()  # on the clock, other processes would
        gemm(a, b.t(), out)
        return time.thread_time() - begin_s

    try:
        return min(once() for _ in range(3))
    except RuntimeError:  # not implemented in this build
        return math.inf
