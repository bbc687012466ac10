"""Elementwise functions that the kernels inline: `arith` once more, in Triton.

Triton needs its constants as `tl.constexpr`; floats that meet float32 are rounded to it here,
so that no compiler chooses how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import triton
import triton.language as tl

from llmzip.exact import constants
from llmzip.exact.constants import FREQ_BITS, SUM_BITS, cap_depth, cap_unit


def kernel(function: Callable[..., Any]) -> Any:
    """Make a Triton kernel, or a function that kernels inline; see `launch.launch`."""
    return triton.jit(function)


def _f32(value: float) -> Any:
    return tl.constexpr(float(np.float32(value)))


C0, C1, C2, C3, C4 = (_f32(c) for c in constants.EXP2_COEFFICIENTS)
LIMIT = _f32(constants.EXP2_LIMIT)
MINUS_LOG2_E = _f32(-constants.LOG2_E)
GELU_CUBIC = _f32(constants.GELU_CUBIC)
GELU_LINEAR = _f32(constants.GELU_LINEAR)
TINY = _f32(constants.TINY)
I8_LIMIT = _f32(constants.INT8_MAX)
I8_UNIT = _f32(1.0 / constants.INT8_MAX)
I16_LIMIT = _f32(constants.INT16_MAX)
I16_UNIT = _f32(1.0 / constants.INT16_MAX)
STATISTIC_LIMIT = _f32(constants.STATISTIC_MAX)
STATISTIC_UNIT_64 = tl.constexpr(1.0 / constants.STATISTIC_MAX)
I8_UNIT_64 = tl.constexpr(1.0 / constants.INT8_MAX)
SUM_SCALE = _f32(1 << SUM_BITS)
SUM_UNIT = _f32(2.0**-SUM_BITS)
FREQ_SCALE = _f32(1 << FREQ_BITS)

ROUNDER = tl.constexpr(float(3 << 22))
"""1.5 · 2^23: float32 numbers near it are the integers, so adding it rounds half to even."""
ROUNDER_BITS = tl.constexpr(0x4B400000)
SMALL = tl.constexpr(1 << 22)
"""Integers below it are float32 by the same bits."""
WHOLE = tl.constexpr(float(1 << 23))
"""From here on every float32 is an integer."""


def cap_constants(cap: float) -> dict[str, float]:
    """A soft cap as kernels take it, 0 for none: what brings numbers to `capped`, and its depth."""
    unit, depth = (cap_unit(cap), cap_depth(cap)) if cap else (0.0, 0.0)
    return {"CAP_UNIT": float(np.float32(unit)), "CAP_DEPTH": float(np.float32(depth))}


@kernel
def round_small(x: tl.tensor) -> tl.tensor:
    """Round float32 x, |x| <= 2^22, half to even; int32. Two additions, no slow conversion."""
    return (x + ROUNDER).to(tl.int32, bitcast=True) - ROUNDER_BITS


@kernel
def small_float(x: tl.tensor) -> tl.tensor:
    """int32 x, |x| < SMALL, as float32, by two additions: a conversion takes as long as eight."""
    return (x + ROUNDER_BITS).to(tl.float32, bitcast=True) - ROUNDER


@kernel
def round_frequency(x: tl.tensor) -> tl.tensor:
    """Round float32 x, 0 <= x <= 2^28, half to even; int32."""
    return tl.where(x < WHOLE, (x + WHOLE) - WHOLE, x).to(tl.int32)


@kernel
def exp2(t: tl.tensor) -> tl.tensor:
    """See `arith.exp2`."""
    return exp2_down(tl.minimum(t, LIMIT))


@kernel
def exp2_down(t: tl.tensor) -> tl.tensor:
    """The same of t <= LIMIT."""
    t = tl.maximum(t, -LIMIT)
    shifted = t + ROUNDER
    f = t - (shifted - ROUNDER)
    p = C0 * f + C1
    p = p * f + C2
    p = p * f + C3
    p = p * f + C4
    # All of ROUNDER_BITS that is not the rounded number falls out at the top.
    bits = p.to(tl.int32, bitcast=True) + (shifted.to(tl.int32, bitcast=True) << 23)
    return bits.to(tl.float32, bitcast=True)


@kernel
def silu_gate(gate: tl.tensor, up: tl.tensor) -> tl.tensor:
    """See `arith.silu_gate`."""
    return tl.div_rn(gate, exp2(gate * MINUS_LOG2_E) + 1.0) * up


@kernel
def gelu_new(x: tl.tensor) -> tl.tensor:
    """See `arith.gelu_new`."""
    z = (x * x) * GELU_CUBIC
    z = (z + GELU_LINEAR) * x
    return tl.div_rn(x, exp2(z) + 1.0)


@kernel
def capped(z: tl.tensor, DEPTH: tl.constexpr) -> tl.tensor:
    """See `arith.capped`."""
    return tl.div_rn(DEPTH, exp2(z) + 1.0)


@kernel
def largest(x: tl.tensor, AXIS: tl.constexpr) -> tl.tensor:
    """Largest magnitude along an axis, at least TINY. What is masked must be 0."""
    return tl.maximum(tl.max(tl.abs(x), AXIS), TINY)


@kernel
def high_half(q: tl.tensor) -> tl.tensor:
    """The high int8 half of 16-bit integers (int32); see `arith.split_halves`."""
    return (q + 128) >> 8


@kernel
def low_half(q: tl.tensor) -> tl.tensor:
    """The low int8 half."""
    return q - (high_half(q) << 8)


@kernel
def join_halves(high: tl.tensor, low: tl.tensor) -> tl.tensor:
    """256 · high + low of int32 sums, as float32, rounded once."""
    return (high.to(tl.int64) * 256 + low.to(tl.int64)).to(tl.float32)


@kernel
def dequantise(sums: tl.tensor, scale: tl.tensor, row_scale: tl.tensor) -> tl.tensor:
    """Sums (float32) times the column's and then the row's scale."""
    return sums * scale * row_scale


@kernel
def norm_factor(x: tl.tensor, WIDTH: tl.constexpr, EPS: tl.constexpr) -> tl.tensor:
    """See `arith.norm_factor`: of rows x (M, BLOCK), zero beyond WIDTH."""
    top = largest(x, 1)
    grid = round_small(x * tl.div_rn(STATISTIC_LIMIT, top)[:, None])
    squares = tl.sum((grid * grid).to(tl.int64), 1)
    return factor_of(top, squares, tl.full((), 1.0 / WIDTH, tl.float64), EPS)


@kernel
def factor_of(top: tl.tensor, squares: tl.tensor, share: tl.tensor, EPS: tl.constexpr) -> tl.tensor:
    """The same from a row's largest number and its squares' sum; share: 1 / the row's width."""
    unit = top.to(tl.float64) * tl.full((), STATISTIC_UNIT_64, tl.float64)
    mean_square = squares.to(tl.float64) * (unit * unit) * share
    root = tl.sqrt(mean_square + tl.full((), EPS, tl.float64))
    return (tl.full((), 1.0, tl.float64) / root).to(tl.float32)


@kernel
def butterfly(x: tl.tensor, TURNED: tl.constexpr, BLOCK: tl.constexpr) -> tl.tensor:
    """See `arith.butterfly`, of a row x (BLOCK,) by blocks of TURNED.

    Sums of neighbours go to the first half of each block, differences to the second, as often as
    it has bits: then all are back at their places, and what stood 1, 2, 4, … apart has met.
    """
    N: tl.constexpr = BLOCK // TURNED
    left = tl.reshape(x, (N, TURNED))
    for _ in tl.static_range(TURNED.bit_length() - 1):
        a, b = tl.split(tl.reshape(left, (N, TURNED // 2, 2)))
        left = tl.reshape(tl.permute(tl.join(a + b, a - b), (0, 2, 1)), (N, TURNED))
    return tl.reshape(left, (BLOCK,))


@kernel
def normalise(x: tl.tensor, WIDTH: tl.constexpr, EPS: tl.constexpr) -> tl.tensor:
    """See `arith.normalise`: a row x (zero beyond WIDTH) to (integers int32, scale float32)."""
    top = largest(x, 0)
    grid = round_small(x * tl.div_rn(STATISTIC_LIMIT, top))
    squares = tl.sum((grid * grid).to(tl.int64), 0)
    q = round_small(x * tl.div_rn(I8_LIMIT, top))
    wide_top = top.to(tl.float64)
    unit = wide_top * tl.full((), STATISTIC_UNIT_64, tl.float64)
    mean_square = squares.to(tl.float64) * (unit * unit) * tl.full((), 1.0 / WIDTH, tl.float64)
    root = tl.sqrt(mean_square + tl.full((), EPS, tl.float64))
    scale = wide_top * tl.full((), I8_UNIT_64, tl.float64) / root
    return q, scale.to(tl.float32)


@kernel
def row_root(x: tl.tensor, WIDTH: tl.constexpr, EPS: tl.constexpr) -> tl.tensor:
    """The root mean square of a row x (zero beyond WIDTH), float64; see `normalise`."""
    top = largest(x, 0)
    grid = round_small(x * tl.div_rn(STATISTIC_LIMIT, top))
    squares = tl.sum((grid * grid).to(tl.int64), 0)
    unit = top.to(tl.float64) * tl.full((), STATISTIC_UNIT_64, tl.float64)
    mean_square = squares.to(tl.float64) * (unit * unit) * tl.full((), 1.0 / WIDTH, tl.float64)
    return tl.sqrt(mean_square + tl.full((), EPS, tl.float64))
