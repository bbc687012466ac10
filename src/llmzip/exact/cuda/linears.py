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
    STATISTIC_LIMIT,
    TINY,
    dequantise,
    factor_of,
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
    ADDED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """x (M, WIDTH) += the linear of int8 rows a (M, K). WIDE: of halves (2 M, K).

    ADDED: whether it is added to what stands there, or replaces it.
    """
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
    if ADDED:
        value = tl.load(place, mask=mask, other=0.0) + value
    tl.store(place, value, mask=mask)


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
def head_rows(
    a: tl.tensor,
    weight: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s: tl.tensor,
    row: tl.tensor,
    n_rows: tl.tensor,
    head: tl.tensor,
    K: tl.constexpr,
    D: tl.constexpr,
    BIASED: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> tl.tensor:
    """A head's numbers (rows, BLOCK_D), zero beyond D."""
    inner = tl.arange(0, BLOCK_D)
    real, column = inner < D, head * D + inner
    sums = one_product(a, weight, row, n_rows, column, real, K, BLOCK_K)
    return finished(sums.to(tl.float32), scale, bias, s, column, real, BIASED)


@kernel
def whole_factors(
    a: tl.tensor,
    weight: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s_in: tl.tensor,
    factors: tl.tensor,
    n_rows: tl.tensor,
    K: tl.constexpr,
    HEADS: tl.constexpr,
    KV: tl.constexpr,
    D: tl.constexpr,
    BIASED: tl.constexpr,
    EPS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """What norms all queries of a row together, and all its keys: (2, M).

    Program (0 for queries, 1 for keys; block).
    """
    side = tl.program_id(0)
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    s = tl.load(s_in + row, mask=row < n_rows, other=0.0)
    begin, end = side * HEADS, HEADS + side * KV
    top = tl.full((BLOCK_M,), TINY, tl.float32)
    for head in range(begin, end):
        x = head_rows(a, weight, scale, bias, s, row, n_rows, head, K, D, BIASED, BLOCK_D, BLOCK_K)
        top = tl.maximum(top, largest(x, 1))
    inverse = tl.div_rn(STATISTIC_LIMIT, top)[:, None]
    squares = tl.zeros((BLOCK_M,), tl.int64)
    for head in range(begin, end):
        x = head_rows(a, weight, scale, bias, s, row, n_rows, head, K, D, BIASED, BLOCK_D, BLOCK_K)
        grid = round_small(x * inverse)
        squares += tl.sum((grid * grid).to(tl.int64), 1)
    queries = tl.full((), 1.0 / (HEADS * D), tl.float64)
    share = tl.where(side == 0, queries, tl.full((), 1.0 / (KV * D), tl.float64))
    found = factor_of(top, squares, share, EPS)
    tl.store(factors + side * n_rows + row, found, mask=row < n_rows)


@kernel
def head_factor(
    x: tl.tensor,
    factors: tl.tensor,
    head: tl.tensor,
    row: tl.tensor,
    n_rows: tl.tensor,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    EPS: tl.constexpr,
    WHOLE: tl.constexpr,
) -> tl.tensor:
    """What norms rows of a query or key, (rows, 1); WHOLE: as `whole_factors` has found it."""
    if WHOLE:
        side = tl.where(head < HEADS, 0, n_rows)
        return tl.load(factors + side + row, mask=row < n_rows, other=0.0)[:, None]
    return norm_factor(x, D, EPS)[:, None]


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
    factors: tl.tensor,
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
    WHOLE: tl.constexpr,
    GAIN_FIRST: tl.constexpr,
    EPS: tl.constexpr,
    SCORE_SCALE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """One head of the linear of rows a (M, K) as attention takes it; keys, values to the cache.

    Queries and keys are normed, by gains (HEADS + KV, D), and rotated, if the model does that.
    WHOLE: by `whole_factors`.

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
            factor = head_factor(x, factors, head, row, n_rows, HEADS, D, EPS, WHOLE)
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
            factor = head_factor(x, factors, head, row, n_rows, HEADS, D, EPS, WHOLE)
            x = tl.where(is_scored, x * factor * gain, x)
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
