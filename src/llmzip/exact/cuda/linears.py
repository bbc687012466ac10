"""Kernels of the layers' linears: integer products, and what is made of their sums at once.

A product of one tile is finished in registers, so that its sums never travel to memory and back.
Programs (block of columns, block of rows) of int8 rows a (M, K), K padded; see `gemm`.
"""

from __future__ import annotations

import triton.language as tl

from llmzip.exact.cuda.attention import value_place
from llmzip.exact.cuda.gemm import one_product, products_of_halves, products_with_two
from llmzip.exact.cuda.scalars import (
    I8_LIMIT,
    I8_UNIT,
    dequantise,
    gelu_new,
    join_halves,
    kernel,
    largest,
    norm_factor,
    round_small,
    silu_gate,
)
from llmzip.exact.shape import Activation

GELU = tl.constexpr(int(Activation.GELU))
SILU_GATE = tl.constexpr(int(Activation.SILU_GATE))
RELU = tl.constexpr(int(Activation.RELU))


@kernel
def finished(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    row_scale: tl.tensor,
    column: tl.tensor,
    real: tl.tensor,
    BIASED: tl.constexpr,
) -> tl.tensor:
    """Outputs of a linear from sums (float32); zero where a column is not real."""
    units = tl.load(scale + column, mask=real, other=0.0)[None, :]
    value = dequantise(sums, units, row_scale[:, None])
    if BIASED:
        value = value + tl.load(bias + column, mask=real, other=0.0)[None, :]
    return value


@kernel
def add_linear(
    a: tl.tensor,
    weight: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s_in: tl.tensor,
    x: tl.tensor,
    n_rows: tl.tensor,
    WIDTH: tl.constexpr,
    K: tl.constexpr,
    BIASED: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """x (M, WIDTH) += the linear of int8 rows a (M, K). WIDE: of halves (2 M, K)."""
    column = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    real = column < WIDTH
    if WIDE:
        high, low = products_of_halves(a, weight, row, n_rows, column, real, K, BLOCK_K)
        sums = join_halves(high, low)
    else:
        sums = one_product(a, weight, row, n_rows, column, real, K, BLOCK_K).to(tl.float32)
    s = tl.load(s_in + row, mask=row < n_rows, other=0.0)
    value = finished(sums, scale, bias, s, column, real, BIASED)
    place = x + row[:, None].to(tl.int64) * WIDTH + column[None, :]
    mask = (row < n_rows)[:, None] & real[None, :]
    tl.store(place, tl.load(place, mask=mask, other=0.0) + value, mask=mask)


@kernel
def activate_linear(
    a: tl.tensor,
    weight: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s_in: tl.tensor,
    active: tl.tensor,
    n_rows: tl.tensor,
    WIDTH: tl.constexpr,
    K: tl.constexpr,
    BIASED: tl.constexpr,
    ACTIVATION: tl.constexpr,
    GATED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """Active (M, WIDTH) = an `Activation` of the linear of rows a; see `arith.activate`."""
    column = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    real = column < WIDTH
    s = tl.load(s_in + row, mask=row < n_rows, other=0.0)
    if GATED:
        second = WIDTH + column
        gates, ups = products_with_two(a, weight, row, n_rows, column, second, real, K, BLOCK_K)
        gate = finished(gates.to(tl.float32), scale, bias, s, column, real, BIASED)
        up = finished(ups.to(tl.float32), scale, bias, s, second, real, BIASED)
        value = silu_gate(gate, up) if ACTIVATION == SILU_GATE else gelu_new(gate) * up
    else:
        sums = one_product(a, weight, row, n_rows, column, real, K, BLOCK_K)
        value = finished(sums.to(tl.float32), scale, bias, s, column, real, BIASED)
        if ACTIVATION == GELU:
            value = gelu_new(value)
        else:
            value = tl.where(value > 0, value, 0.0)
            if ACTIVATION != RELU:
                value = value * value
    place = active + row[:, None].to(tl.int64) * WIDTH + column[None, :]
    tl.store(place, value, mask=(row < n_rows)[:, None] & real[None, :])


@kernel
def project_heads(
    a: tl.tensor,
    weight: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s_in: tl.tensor,
    lanes: tl.tensor,
    at: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    gains: tl.tensor,
    q: tl.tensor,
    q_scale: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    values: tl.tensor,
    value_scales: tl.tensor,
    n_rows: tl.tensor,
    n_positions: tl.tensor,
    K: tl.constexpr,
    HEADS: tl.constexpr,
    KV: tl.constexpr,
    D: tl.constexpr,
    BIASED: tl.constexpr,
    ROTARY: tl.constexpr,
    NORMED: tl.constexpr,
    GAIN_FIRST: tl.constexpr,
    EPS: tl.constexpr,
    SCORE_SCALE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """One head of the linear of rows a (M, K) as attention takes it; keys, values to the cache.

    Queries and keys are normed, by gains (HEADS + KV, D), and rotated, if the model does that.

    Program (head, block): of HEADS queries, KV keys, KV values. q: int8 (KV, M, G, D), q_scale:
    float32 (KV, M, G), times SCORE_SCALE. keys, values and their scales: one layer of a CudaCache.
    A row without a lane (-1) fills up a batch: it stores nothing in the cache.
    """
    head = tl.program_id(0)
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    inner = tl.arange(0, BLOCK_D)
    real, column = inner < D, head * D + inner
    is_row = row < n_rows
    s = tl.load(s_in + row, mask=is_row, other=0.0)
    position = tl.load(at + row, mask=is_row, other=0)
    is_scored = head < HEADS + KV
    if ROTARY:
        HALF: tl.constexpr = D // 2
        partner = head * D + (inner + HALF) % D
        own, others = products_with_two(a, weight, row, n_rows, column, partner, real, K, BLOCK_K)
        x = finished(own.to(tl.float32), scale, bias, s, column, real, BIASED)
        other = finished(others.to(tl.float32), scale, bias, s, partner, real, BIASED)
        value = x
        if NORMED:
            factor = norm_factor(x, D, EPS)[:, None]
            x, other = x * factor, other * factor
        if NORMED and GAIN_FIRST:
            x = x * tl.load(gains + column, mask=real & is_scored, other=0.0)[None, :]
            other = other * tl.load(gains + partner, mask=real & is_scored, other=0.0)[None, :]
        angle = position[:, None] * HALF + (inner % HALF)[None, :]
        known = is_row[:, None] & real[None, :]
        c = tl.load(cos + angle, mask=known, other=0.0)
        turn = tl.load(sin + angle, mask=known, other=0.0)
        turned = tl.where((inner < HALF)[None, :], x * c - other * turn, x * c + other * turn)
        if NORMED and not GAIN_FIRST:
            turned = turned * tl.load(gains + column, mask=real & is_scored, other=0.0)[None, :]
        x = tl.where(is_scored, turned, value)
    else:
        own = one_product(a, weight, row, n_rows, column, real, K, BLOCK_K)
        x = finished(own.to(tl.float32), scale, bias, s, column, real, BIASED)
        if NORMED:
            gain = tl.load(gains + column, mask=real & is_scored, other=0.0)[None, :]
            x = tl.where(is_scored, x * norm_factor(x, D, EPS)[:, None] * gain, x)
    top = largest(x, 1)
    numbers = round_small(x * tl.div_rn(I8_LIMIT, top)[:, None]).to(tl.int8)
    unit = top * I8_UNIT

    if head < HEADS:
        G: tl.constexpr = HEADS // KV
        spot = ((head // G).to(tl.int64) * n_rows + row) * G + head % G
        mask = is_row[:, None] & real[None, :]
        tl.store(q + spot[:, None] * D + inner[None, :], numbers, mask=mask)
        tl.store(q_scale + spot, unit * SCORE_SCALE, mask=is_row)
    else:
        lane = tl.load(lanes + row, mask=is_row, other=-1)
        begin = (lane * KV + (head - HEADS) % KV) * n_positions
        spot, is_lane = begin + position, lane >= 0
        mask = is_lane[:, None] & real[None, :]
        if is_scored:
            tl.store(keys + spot[:, None] * D + inner[None, :], numbers, mask=mask)
            tl.store(key_scales + spot, unit, mask=is_lane)
        else:
            place = begin[:, None] * D + value_place(position[:, None], inner[None, :], D)
            tl.store(values + place, numbers, mask=mask)
            tl.store(value_scales + spot, unit, mask=is_lane)
