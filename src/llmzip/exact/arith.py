"""The few elementary functions that exact inference is made of, in plain torch.

Every value is an integer or the result of single, correctly rounded IEEE-754
operations in a fixed order, so each function gives the same bits on any device.
`cpu.scalars` and `cpu.rows` have the same functions for numba, constant by constant.

Division is always of two tensors: torch turns `scalar / tensor`, and on CUDA
`tensor / scalar`, into a multiplication by a reciprocal, which rounds twice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmzip.exact.constants import (
    EXP2_COEFFICIENTS,
    EXP2_LIMIT,
    GELU_CUBIC,
    GELU_LINEAR,
    INT8_MAX,
    LOG2_E,
    STATISTIC_MAX,
    TINY,
    cap_depth,
)
from llmzip.exact.shape import Activation


def exp2(t: Tensor) -> Tensor:
    """2^t elementwise for float32 `t`: a polynomial in the fraction, the exponent added as bits."""
    t = t.clamp(-EXP2_LIMIT, EXP2_LIMIT)
    whole = torch.round(t)
    fraction = t - whole
    power = torch.full_like(t, EXP2_COEFFICIENTS[0])
    for coefficient in EXP2_COEFFICIENTS[1:]:
        power = power * fraction
        power = power + coefficient
    bits = power.view(torch.int32) + (whole.to(torch.int32) << 23)
    return bits.view(torch.float32)


def silu_gate(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) · up, float32."""
    return gate / (exp2(gate * -LOG2_E) + 1.0) * up


def gelu_new(x: Tensor) -> Tensor:
    """GPT-2's GELU, 0.5 x (1 + tanh(√(2/π)(x + 0.044715 x³))), as x / (1 + 2^z)."""
    z = (x * x) * GELU_CUBIC
    z = (z + GELU_LINEAR) * x
    return x / (exp2(z) + 1.0)


def capped(z: Tensor, cap: float) -> Tensor:
    """How far below the cap in base 2, C = cap · log2 e, a soft cap leaves z · cap / 2.

    C · tanh(z / 2 · ln 2) - C, as -2 C / (1 + 2^z): a softmax of it is one of what is capped.
    """
    return torch.full_like(z, cap_depth(cap)) / (exp2(z) + 1.0)


def activate(activation: Activation, up: Tensor) -> Tensor:
    """What `up` becomes: with gates, its first half is the gate, its second what it multiplies."""
    if activation.is_gate:
        gate, up = up.chunk(2, -1)
        return silu_gate(gate, up) if activation is Activation.SILU_GATE else gelu_new(gate) * up
    if activation is Activation.GELU:
        return gelu_new(up)
    rest = torch.where(up > 0, up, 0.0)
    return rest if activation is Activation.RELU else rest * rest


def largest(x: Tensor) -> Tensor:
    """Largest magnitude of each row (last axis kept as 1), at least TINY."""
    return x.abs().amax(-1, keepdim=True).clamp_min(TINY)


def quantise(x: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Round each row of float32 `x` to integers within ± limit.

    Returns (integers as float32, scale float32 with the last axis 1): x ≈ integers · scale.
    """
    top = largest(x)
    return torch.round(x * (torch.full_like(top, limit) / top)), top * (1.0 / limit)


def split_halves(q: Tensor) -> tuple[Tensor, Tensor]:
    """Write integers within ± INT16_MAX as 256 · high + low, both int8."""
    q = q.to(torch.int32)
    high = (q + 128) >> 8
    return high.to(torch.int8), (q - (high << 8)).to(torch.int8)


def normalise(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """RMS-normalise rows of float32 `x` into int8: x / √(mean x² + eps) ≈ integers · scale.

    The mean square is taken over integers, so that its sum has no order; the few
    scalars of a row are float64. Returns (int8, float32 scale with the last axis 1).
    """
    q, _ = quantise(x, INT8_MAX)
    scale = largest(x).to(torch.float64) * (1.0 / INT8_MAX) / _root_mean_square(x, eps)
    return q.to(torch.int8), scale.to(torch.float32)


def butterfly(x: Tensor, block: int) -> Tensor:
    """Rows of float32 `x` times the Walsh-Hadamard matrix of order `block`, block after block.

    block: a power of two that divides the row. Of every two elements that stand 1 apart the sum
    and the difference take their places; then of those 2 apart, 4, …, block / 2.
    """
    apart = 1
    while apart < block:
        a, b = x.view(*x.shape[:-1], -1, 2, apart).unbind(-2)
        x = torch.stack([a + b, a - b], -2).flatten(-3)
        apart *= 2
    return x


def turned(x: Tensor, gain: Tensor | None, block: int) -> tuple[Tensor, Tensor]:
    """Rows of the stream times a gain, if there is one, turned and rounded: int8 and scales."""
    q, scale = quantise(butterfly(x if gain is None else x * gain, block), INT8_MAX)
    return q.to(torch.int8), scale


def turned_norm(x: Tensor, gain: Tensor | None, block: int, eps: float) -> tuple[Tensor, Tensor]:
    """The same of rows that are normed: what norms them goes into the scales."""
    product = x if gain is None else x * gain
    q, _ = turned(x, gain, block)
    top = largest(butterfly(product, block)).to(torch.float64)
    scale = top * (1.0 / INT8_MAX) / _root_mean_square(x, eps)
    return q, scale.to(torch.float32)


def added(x: Tensor, y: Tensor, gain: Tensor, eps: float) -> Tensor:
    """The stream with what a sublayer adds, that being normed: x + norm(y) · gain."""
    return x + y * norm_factor(y, eps) * gain


def norm_factor(x: Tensor, eps: float) -> Tensor:
    """What RMS-normalises rows of float32 `x`: 1 / √(mean x² + eps), float32, the last axis 1."""
    root = _root_mean_square(x, eps)
    return (torch.ones_like(root) / root).to(torch.float32)


def _root_mean_square(x: Tensor, eps: float) -> Tensor:
    grid, _ = quantise(x, STATISTIC_MAX)
    squares = (grid.to(torch.int64) ** 2).sum(-1, keepdim=True)
    unit = largest(x).to(torch.float64) * (1.0 / STATISTIC_MAX)
    return torch.sqrt(squares.to(torch.float64) * (unit * unit) * (1.0 / x.shape[-1]) + eps)
