"""Rows of models whose sublayers' outputs are normed: their stream is turned when it is read.

See `arith.turned` and `arith.added`. Shapes: M rows, D the stream's width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined, kernel
from llmzip.compiled.compiler import ir
from llmzip.exact.cpu.instruction_set import FLOATS, INTS, emitted
from llmzip.exact.cpu.rows import (
    dequantise_halves,
    dequantise_row,
    embed_row,
    norm_factor,
    quantise_normed,
    quantise_row,
    root_mean_square,
)
from llmzip.exact.cpu.scalars import address_of, borrowed, largest, wide_vectors
from llmzip.exact.cpu.vectors import BLOCK, LANES, Emitter
from llmzip.exact.shape import ModelShape


@emitted
def _turn_64(builder, x):  # type: ignore[no-untyped-def]
    """Turn 64 floats at an address."""
    code = Emitter(builder)
    vectors = code.loads(x)
    for apart in (1, 2, 4, 8):
        vectors = [_met_within(code, vector, apart) for vector in vectors]
    for apart in (1, 2):
        vectors = _met(code, vectors, apart)
    code.stores(vectors, x)


def _met_within(code: Emitter, vector: ir.Value, apart: int) -> ir.Value:
    """Sums and differences of numbers of one vector; a difference is a sum with a sign turned."""
    builder, places = code.builder, range(LANES)
    signs = ir.Constant(INTS, [-(1 << 31) if i & apart else 0 for i in places])
    own = builder.bitcast(builder.xor(builder.bitcast(vector, INTS), signs), FLOATS)
    order = ir.Constant(INTS, [i ^ apart for i in places])
    return builder.fadd(builder.shuffle_vector(vector, vector, order), own)


def _met(code: Emitter, vectors: list[ir.Value], apart: int) -> list[ir.Value]:
    """The same of whole vectors."""
    return [
        code.builder.fsub(vectors[i - apart], vector)
        if i & apart
        else code.builder.fadd(vector, vectors[i + apart])
        for i, vector in enumerate(vectors)
    ]


@inlined
def _meet(x: Any, apart: int, block: int) -> None:
    """The stages from `apart` on, in place: sums and differences of what stands so far apart."""
    wide_vectors()
    while apart < block:
        for first in range(0, x.size, 2 * apart):
            for j in range(apart):
                # no index counts from an array's end: LLVM sees it of integers without a sign
                at = np.uint64(first + j)
                other = at + np.uint64(apart)
                a, b = x[at], x[other]
                x[at], x[other] = a + b, a - b
        apart *= 2


@inlined
def butterfly_row(x: Any, block: int) -> None:
    """Turn a float32 row (D,) in place."""
    wide_vectors()
    first = 1
    if block >= BLOCK:
        first, at = BLOCK, address_of(x)
        for i in range(0, x.size, BLOCK):
            _turn_64(at + 4 * i)
    _meet(x, first, block)


@inlined
def read_row(x: Any, gain: Any, block: int, normed: bool, eps: float, turned: Any, q: Any) -> Any:
    """A row of the stream as a linear takes it in, int8 into q; return its scale.

    gain: what it is multiplied by before it is turned. normed: whether it is behind a norm.
    """
    wide_vectors()
    for i in range(x.size):
        turned[i] = x[i] * gain[i]
    butterfly_row(turned, block)
    if not normed:
        return quantise_row(turned, q)
    root = root_mean_square(x, largest(x), eps, x.size)
    return quantise_normed(turned, largest(turned), root, q)


@inlined
def add_row(y: Any, gain: Any, eps: float, x: Any) -> None:
    """x += norm(y) · gain; y is replaced."""
    wide_vectors()
    factor = norm_factor(y, eps, y.size)
    for i in range(x.size):
        x[i] = x[i] + y[i] * factor * gain[i]


@kernel
def read_rows(x: Any, gain: Any, block: int, normed: bool, eps: float, q: Any, s: Any) -> None:
    """Rows of the stream x (M, D) as linears take them in: q, s. See `read_row`."""
    wide_vectors()
    turned = np.empty(x.shape[1], dtype=np.float32)
    for row in range(x.shape[0]):
        s[row] = read_row(x[row], gain, block, normed, eps, turned, q[row])


@kernel
def add_rows(y: Any, gain: Any, eps: float, x: Any) -> None:
    """x += norm(y) · gain, of rows (M, D); then y is zeros."""
    wide_vectors()
    for row in range(x.shape[0]):
        add_row(y[row], gain, eps, x[row])
        y[row] = 0


def take_in(shape: ModelShape, gains: Any, index: int, x: Any, q: Any, s: Any) -> None:
    """The stream as linears take it in: those of `qkv` and `up` in turn, and at last of the head.

    gains: (2 layers + 1, D).
    """
    normed = shape.takes_normed(index)
    read_rows(x, gains[index], shape.turned_block, normed, shape.eps, q, s)


@kernel
def embed(ids: Any, at: Any, tables: Any, x: Any) -> None:
    """Start the stream x (M, D) from token ids (M,) at positions `at`; tables: see `embed_row`."""
    wide_vectors()
    tables = borrowed(tables)
    for row in range(ids.size):
        embed_row(ids[row], at[row], tables, x[row])


@kernel
def add_normed(sums: Any, linear: Any, s_in: Any, gain: Any, eps: float, x: Any) -> None:
    """x += the norm of de-quantised sums (M, D) int32, times the gain; linear: scale and bias."""
    wide_vectors()
    (scale, bias), y = borrowed(linear), np.empty(x.shape[1], dtype=np.float32)
    for row in range(sums.shape[0]):
        dequantise_row(sums[row], scale, bias, s_in[row], y)
        add_row(y, gain, eps, x[row])


@kernel
def add_normed_wide(
    high: Any, low: Any, linear: Any, s_in: Any, gain: Any, eps: float, x: Any
) -> None:
    """As add_normed, for the sums (M, D) of high and low halves."""
    wide_vectors()
    (scale, bias), y = borrowed(linear), np.empty(x.shape[1], dtype=np.float32)
    for row in range(high.shape[0]):
        dequantise_halves(high[row], low[row], scale, bias, s_in[row], y)
        add_row(y, gain, eps, x[row])
