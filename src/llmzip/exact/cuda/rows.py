"""Kernels that turn one row of numbers into one row of integers; one program a row.

A row's blocks hold zeros beyond its width, so they change no maximum and no sum. int8 rows
are stored up to their padded width, which products read. Shapes: M rows, D the stream's width.
WIDTH is the row's true width, PADDED its stride as int8, BLOCK >= both.
"""

from __future__ import annotations

import triton.language as tl

from llmzip.exact.cuda.scalars import (
    I8_LIMIT,
    I8_UNIT,
    I8_UNIT_64,
    I16_LIMIT,
    I16_UNIT,
    butterfly,
    high_half,
    kernel,
    largest,
    low_half,
    norm_factor,
    normalise,
    round_small,
    row_root,
)


@kernel
def store_taken(
    line: tl.tensor,
    gain: tl.tensor,
    q: tl.tensor,
    s: tl.tensor,
    row: tl.tensor,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    EPS: tl.constexpr,
    TURNED: tl.constexpr,
    NORMED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """A row of the stream as linears take it in, into q and s.

    Its norm; or, if there is a TURNED, it is multiplied by the gain and turned by blocks of so
    many, and the scale is that of its norm only if it is NORMED.
    """
    columns = tl.arange(0, BLOCK)
    if TURNED:
        factors = tl.load(gain + columns, mask=columns < WIDTH, other=0.0)
        turned = butterfly(line * factors, TURNED, BLOCK)
        top = largest(turned, 0)
        numbers = round_small(turned * tl.div_rn(I8_LIMIT, top))
        if NORMED:
            wide_top = top.to(tl.float64) * tl.full((), I8_UNIT_64, tl.float64)
            scale = (wide_top / row_root(line, WIDTH, EPS)).to(tl.float32)
        else:
            scale = top * I8_UNIT
    else:
        numbers, scale = normalise(line, WIDTH, EPS)
    tl.store(q + row * PADDED + columns, numbers.to(tl.int8), mask=columns < PADDED)
    tl.store(s + row, scale)


@kernel
def embed_normalise(
    ids: tl.tensor,
    at: tl.tensor,
    embedding: tl.tensor,
    scales: tl.tensor,
    positions: tl.tensor,
    gain: tl.tensor,
    x: tl.tensor,
    q: tl.tensor,
    s: tl.tensor,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    LEARNED: tl.constexpr,
    EPS: tl.constexpr,
    TURNED: tl.constexpr,
    NORMED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Start the stream x (M, D) from token ids (M,) at positions `at`, and take it in at once."""
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
    store_taken(line, gain, q, s, row, WIDTH, PADDED, EPS, TURNED, NORMED, BLOCK)


@kernel
def add_normed(
    y: tl.tensor,
    gain: tl.tensor,
    x: tl.tensor,
    WIDTH: tl.constexpr,
    EPS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """x (M, D) += the norm of y (M, D) · gain (D,)."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    line = tl.load(y + row * WIDTH + columns, mask=inside, other=0.0)
    factor = tl.max(norm_factor(line[None, :], WIDTH, EPS), 0)
    added = line * factor * tl.load(gain + columns, mask=inside, other=0.0)
    place = x + row * WIDTH + columns
    tl.store(place, tl.load(place, mask=inside, other=0.0) + added, mask=inside)


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
def normalise_rows(
    x: tl.tensor,
    gain: tl.tensor,
    q: tl.tensor,
    s_out: tl.tensor,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    EPS: tl.constexpr,
    TURNED: tl.constexpr,
    NORMED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """The stream x (M, D) as linears take it in, into q, s_out; see `store_taken`."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    line = tl.load(x + row * WIDTH + columns, mask=columns < WIDTH, other=0.0)
    store_taken(line, gain, q, s_out, row, WIDTH, PADDED, EPS, TURNED, NORMED, BLOCK)


@kernel
def split_rows(
    x: tl.tensor,
    halves: tl.tensor,
    s_out: tl.tensor,
    n_rows: tl.tensor,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Quantise float32 x (M, WIDTH) to 16 bits.

    halves: int8 (2 n_rows, PADDED): the high halves, then the low ones.
    """
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    value = tl.load(x + row * WIDTH + columns, mask=columns < WIDTH, other=0.0)
    top = largest(value, 0)
    numbers = round_small(value * tl.div_rn(I16_LIMIT, top))
    stored = columns < PADDED
    tl.store(halves + row * PADDED + columns, high_half(numbers).to(tl.int8), mask=stored)
    low = halves + (n_rows + row) * PADDED
    tl.store(low + columns, low_half(numbers).to(tl.int8), mask=stored)
    tl.store(s_out + row, top * I16_UNIT)
