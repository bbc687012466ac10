"""Kernels that turn one row of sums into one row of activations; one program a row.

A row's blocks hold zeros beyond its width, so they change no maximum and no sum. int8 rows
are stored up to their padded width, which the GEMM reads. Shapes: M rows, D the stream's width,
F the feed-forward's. WIDTH is the row's true width, PADDED its stride as int8, BLOCK >= both.
"""

from __future__ import annotations

import triton.language as tl

from llmzip.exact.cuda.scalars import (
    I8_LIMIT,
    I8_UNIT,
    I16_LIMIT,
    I16_UNIT,
    dequantise,
    gelu_new,
    high_half,
    join_halves,
    kernel,
    largest,
    low_half,
    normalise,
    round_small,
    silu_gate,
)


@kernel
def embed_normalise(
    ids: tl.tensor,
    at: tl.tensor,
    embedding: tl.tensor,
    scales: tl.tensor,
    positions: tl.tensor,
    x: tl.tensor,
    q: tl.tensor,
    s: tl.tensor,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    LEARNED: tl.constexpr,
    EPS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Start the stream x (M, D) from token ids (M,) at positions `at`, and its first norm."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    token = tl.load(ids + row)
    line = tl.load(embedding + token * WIDTH + columns, mask=inside, other=0).to(tl.float32)
    line = line * tl.load(scales + token)
    if LEARNED:
        position = tl.load(at + row)
        line = line + tl.load(positions + position * WIDTH + columns, mask=inside, other=0.0)
    tl.store(x + row * WIDTH + columns, line, mask=inside)
    numbers, scale = normalise(line, WIDTH, EPS)
    tl.store(q + row * PADDED + columns, numbers.to(tl.int8), mask=columns < PADDED)
    tl.store(s + row, scale)


@kernel
def quantise_rows(
    x: tl.tensor,
    q: tl.tensor,
    s: tl.tensor,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Quantise float32 x (M, WIDTH) to int8 q (M, PADDED) with scales s (M,)."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    line = tl.load(x + row * WIDTH + columns, mask=columns < WIDTH, other=0.0)
    top = largest(line, 0)
    numbers = round_small(line * tl.div_rn(I8_LIMIT, top))
    tl.store(q + row * PADDED + columns, numbers.to(tl.int8), mask=columns < PADDED)
    tl.store(s + row, top * I8_UNIT)


@kernel
def add_normalise(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s_in: tl.tensor,
    x: tl.tensor,
    q: tl.tensor,
    s_out: tl.tensor,
    n_rows: tl.tensor,
    WIDTH: tl.constexpr,
    SUMS: tl.constexpr,
    PADDED: tl.constexpr,
    BIASED: tl.constexpr,
    WIDE: tl.constexpr,
    EPS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """x += de-quantised sums (M, D) int32, SUMS apart; then the next norm into q, s_out.

    WIDE: sums (2 n_rows, D) of high halves (first n_rows) and low halves.
    """
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    total = tl.load(sums + row * SUMS + columns, mask=inside, other=0)
    if WIDE:
        low = tl.load(sums + (n_rows + row) * SUMS + columns, mask=inside, other=0)
        value = join_halves(total, low)
    else:
        value = total.to(tl.float32)
    value = dequantise(value, tl.load(scale + columns, mask=inside, other=0.0), tl.load(s_in + row))
    if BIASED:
        value = value + tl.load(bias + columns, mask=inside, other=0.0)
    line = tl.load(x + row * WIDTH + columns, mask=inside, other=0.0) + value
    tl.store(x + row * WIDTH + columns, line, mask=inside)
    numbers, norm = normalise(line, WIDTH, EPS)
    tl.store(q + row * PADDED + columns, numbers.to(tl.int8), mask=columns < PADDED)
    tl.store(s_out + row, norm)


@kernel
def load_linear(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    row_scale: tl.tensor,
    at: tl.tensor,
    mask: tl.tensor,
    BIASED: tl.constexpr,
) -> tl.tensor:
    """De-quantised outputs of a linear at columns `at`; zero where masked."""
    total = tl.load(sums + at, mask=mask, other=0).to(tl.float32)
    value = dequantise(total, tl.load(scale + at, mask=mask, other=0.0), row_scale)
    if BIASED:
        value = value + tl.load(bias + at, mask=mask, other=0.0)
    return value


@kernel
def activate(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s_in: tl.tensor,
    halves: tl.tensor,
    s_out: tl.tensor,
    n_rows: tl.tensor,
    WIDTH: tl.constexpr,
    SUMS: tl.constexpr,
    PADDED: tl.constexpr,
    BIASED: tl.constexpr,
    GATED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """silu(gate) · up of sums (M, 2F), or gelu_new of sums (M, F), quantised to 16 bits.

    halves: int8 (2 n_rows, PADDED): the high halves, then the low ones.
    """
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    s = tl.load(s_in + row)
    value = load_linear(sums + row * SUMS, scale, bias, s, columns, inside, BIASED)
    if GATED:
        up = load_linear(sums + row * SUMS, scale, bias, s, WIDTH + columns, inside, BIASED)
        value = silu_gate(value, up)
    else:
        value = gelu_new(value)
    top = largest(value, 0)
    numbers = round_small(value * tl.div_rn(I16_LIMIT, top))
    stored = columns < PADDED
    tl.store(halves + row * PADDED + columns, high_half(numbers).to(tl.int8), mask=stored)
    low = halves + (n_rows + row) * PADDED
    tl.store(low + columns, low_half(numbers).to(tl.int8), mask=stored)
    tl.store(s_out + row, top * I16_UNIT)
