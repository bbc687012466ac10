"""The kernels' elementwise functions give `arith`'s bits, on floats from everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from cuda_device import DEVICE, numbers, same_bits

# isort: split
import triton.language as tl
from torch import Tensor

from llmzip.exact import arith
from llmzip.exact.cuda import scalars
from llmzip.exact.cuda.launch import launch
from llmzip.exact.cuda.scalars import kernel

SIZE = 4096


@kernel
def probe_exp2(x: tl.tensor, y: tl.tensor, SIZE: tl.constexpr) -> None:
    at = tl.arange(0, SIZE)
    tl.store(y + at, scalars.exp2(tl.load(x + at)))


@kernel
def probe_gelu(x: tl.tensor, y: tl.tensor, SIZE: tl.constexpr) -> None:
    at = tl.arange(0, SIZE)
    tl.store(y + at, scalars.gelu_new(tl.load(x + at)))


@kernel
def probe_silu(x: tl.tensor, y: tl.tensor, SIZE: tl.constexpr) -> None:
    at = tl.arange(0, SIZE)
    value = tl.load(x + at)
    tl.store(y + at, scalars.silu_gate(value, value * 0.75))


@kernel
def probe_small(x: tl.tensor, y: tl.tensor, SIZE: tl.constexpr) -> None:
    at = tl.arange(0, SIZE)
    tl.store(y + at, scalars.round_small(tl.load(x + at)).to(tl.float32))


@kernel
def probe_frequency(x: tl.tensor, y: tl.tensor, SIZE: tl.constexpr) -> None:
    at = tl.arange(0, SIZE)
    tl.store(y + at, scalars.round_frequency(tl.load(x + at)).to(tl.float32))


def answer(probe: Any, x: Tensor) -> Tensor:
    y = torch.empty(SIZE, dtype=torch.float32, device=DEVICE)
    launch(probe, (1,), x.to(DEVICE), y, SIZE=SIZE)
    return y


def everywhere(limit: float) -> Tensor:
    """Floats of every magnitude up to `limit`, denormals, halves and both zeros among them."""
    some = numbers(0)
    floats = some.integers(0, 1 << 32, SIZE, dtype=np.uint64).astype(np.uint32).view(np.float32)
    floats = np.where(np.abs(floats) <= limit, floats, 0).astype(np.float32)
    special = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -1.5, 1e-40, -1e-45, limit, -limit]
    floats[: len(special)] = special
    plain = some.normal(0, min(limit / 8, 40.0), SIZE // 2).astype(np.float32)
    floats[-len(plain) :] = plain
    return torch.from_numpy(floats)


@pytest.mark.parametrize(
    ("probe", "function", "limit"),
    [
        (probe_exp2, arith.exp2, 1e30),
        (probe_gelu, arith.gelu_new, 1e9),
        (probe_silu, lambda x: arith.silu_gate(x, x * 0.75), 1e18),
    ],
)
def test_functions_agree(probe: Any, function: Callable[[Tensor], Tensor], limit: float) -> None:
    x = everywhere(limit)
    assert same_bits(answer(probe, x), function(x))


def test_small_numbers_round_half_to_even() -> None:
    halves = torch.arange(-64, 64).float() / 2
    edges = torch.tensor([4194304.0, -4194304.0, 4194303.5, 4194302.5, -4194303.5, 0.49999997])
    x = everywhere(4194304.0)
    x[: 128 + len(edges)] = torch.cat([halves, edges])
    assert torch.equal(answer(probe_small, x).cpu(), torch.round(x))


def test_frequencies_round_half_to_even() -> None:
    edges = torch.tensor([8388607.5, 8388606.5, 8388608.0, 4194304.5, 4194305.5, float(1 << 28)])
    x = everywhere(float(1 << 28)).abs()
    x[: len(edges)] = edges
    assert torch.equal(answer(probe_frequency, x).cpu(), torch.round(x))
