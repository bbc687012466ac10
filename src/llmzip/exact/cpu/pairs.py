"""Integer products by AVX2: pairs of 16-bit terms, where bytes would saturate.

Without VNNI a processor has no exact sum of products of bytes, but one of int16: an instruction
multiplies 16 of them by 16 others and adds neighbours to 8 int32. So rows are taken as int16, and
columns, int8 in memory, are widened on their way: `products_1` … `products_6` hold the sums of
up to 6 rows with 16 outputs in registers. Sums of integers have no order, so the results are those
of any other loop. The functions need a processor that has them.

Columns lie in blocks of OUTPUTS outputs, the two terms of a pair side by side: int8 (outputs / 16,
terms / 2, 16, 2). Addresses are int64 and need no alignment; strides are in bytes.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from llmzip.compiled import inlined, kernel
from llmzip.compiled.compiler import cgutils, ir
from llmzip.exact.cpu.instruction_set import (
    InstructionSet,
    ask_for,
    at,
    broadcast,
    call,
    emitted,
    i8,
    i16,
    i32,
    i64,
    load,
    store,
)
from llmzip.exact.cpu.scalars import address_of, keep
from llmzip.exact.cpu.scalars import i32 as as_i32
from llmzip.exact.cpu.x86 import MACHINES
from llmzip.exact.distribution import StepCosts

OUTPUTS = 16
"""Outputs of a block."""
TOGETHER = 2
"""Terms of an output that lie together."""
ROWS = 6
"""Rows whose sums with a block of outputs fit the registers."""
LINE = OUTPUTS * TOGETHER
"""Bytes of a block's pair of terms."""
WIDE_TERMS = 512
"""16-bit terms, by 8-bit ones, that int32 sums without overflow: 32639 · 128 · 512 < 2^31."""
NEAR_BYTES = 224 << 10
"""Rows that go through all weights together: they stay in the second cache."""


class Avx2(InstructionSet):
    """Six rows go through the weights at once, eight sums to a register."""

    FEATURES: ClassVar[tuple[str, ...]] = ("avx2",)
    MACHINES: ClassVar[tuple[str, ...]] = MACHINES
    # as measured, of SmolLM2-135M with some 400 positions in view
    COSTS: ClassVar = StepCosts(few=6, row=0.15, more=0.21, lane=0.02, second=0.0)


_LANES = 8
_BYTES, _WORDS, _SUMS = ir.VectorType(i8, 16), ir.VectorType(i16, 16), ir.VectorType(i32, _LANES)


def _terms(builder: ir.IRBuilder, address: ir.Value, offset: int) -> ir.Value:
    """16 bytes as int16."""
    place = builder.add(address, ir.Constant(i64, offset))
    return builder.sext(load(builder, place, _BYTES), _WORDS)


def _products(  # type: ignore[no-untyped-def]
    builder, n_rows, asks, rows, row_stride, columns, line, n_pairs, out, out_stride
):
    """out[r, c] = Σ_k rows[r, k] · columns[c, k] in int32, for n_rows rows and OUTPUTS columns.

    rows: int16; columns: int8, the next pair of terms being `line` bytes further. The caller sees
    to it that no sum leaves int32. asks: whether memory is asked for the next block meanwhile. Few
    rows would wait for it.
    """
    zero = ir.Constant(_SUMS, [0] * _LANES)
    sums = [[cgutils.alloca_once_value(builder, zero) for _ in (0, 1)] for _ in range(n_rows)]
    with cgutils.for_range(builder, n_pairs, intp=i64) as loop:
        place = builder.add(columns, builder.mul(loop.index, line))
        terms = [_terms(builder, place, i) for i in (0, 16)]
        if asks:
            ask_for(builder, builder.add(place, builder.mul(n_pairs, line)))
        row = builder.add(rows, builder.shl(loop.index, ir.Constant(i64, 2)))
        for r in range(n_rows):
            pair = broadcast(builder, load(builder, at(builder, row, row_stride, r), i32), _LANES)
            pairs = builder.bitcast(pair, _WORDS)
            for term, total in zip(terms, sums[r], strict=True):
                both = call(builder, "llvm.x86.avx2.pmadd.wd", _SUMS, pairs, term)
                builder.store(builder.add(builder.load(total), both), total)
    for r in range(n_rows):
        target = at(builder, out, out_stride, r)
        for half, total in enumerate(sums[r]):
            place = builder.add(target, ir.Constant(i64, 4 * _LANES * half))
            store(builder, builder.load(total), place)


products_1, products_2, products_3, products_4, first_5, first_6 = (
    emitted(_products, n, True) for n in range(1, ROWS + 1)
)
products_5, products_6 = emitted(_products, 5, False), emitted(_products, 6, False)


@inlined
def block_products(
    n_rows: int,
    rows: Any,
    row_stride: Any,
    columns: Any,
    line: Any,
    n_pairs: Any,
    out: Any,
    out_stride: Any,
) -> None:
    """`products` for any number of rows, in strips as alike as can be."""
    n_strips = (n_rows + ROWS - 1) // ROWS
    for strip in range(n_strips):
        first, last = n_rows * strip // n_strips, n_rows * (strip + 1) // n_strips
        n = last - first
        a, c = rows + first * row_stride, out + first * out_stride
        if strip == 0 and n == 6:
            first_6(a, row_stride, columns, line, n_pairs, c, out_stride)
        elif strip == 0 and n == 5:
            first_5(a, row_stride, columns, line, n_pairs, c, out_stride)
        elif n == 6:
            products_6(a, row_stride, columns, line, n_pairs, c, out_stride)
        elif n == 5:
            products_5(a, row_stride, columns, line, n_pairs, c, out_stride)
        elif n == 4:
            products_4(a, row_stride, columns, line, n_pairs, c, out_stride)
        elif n == 3:
            products_3(a, row_stride, columns, line, n_pairs, c, out_stride)
        elif n == 2:
            products_2(a, row_stride, columns, line, n_pairs, c, out_stride)
        else:
            products_1(a, row_stride, columns, line, n_pairs, c, out_stride)


@kernel
def product(rows: Any, weight: Any, first: int, last: int, shift: int, out: Any) -> None:
    """Outputs first … last - 1 of a linear for int16 rows (M, K) of 8-bit numbers, as int32 sums.

    weight: blocks, int8 (N / 16, K / 2, 16, 2). Output n goes to out[:, n - shift]; out has outputs
    for whole blocks, and `first` begins one.
    """
    n_rows, n_terms = rows.shape
    near = max(ROWS, NEAR_BYTES // (2 * n_terms) // ROWS * ROWS)
    stride, out_stride = np.int64(2 * n_terms), np.int64(4 * out.shape[1])
    weight_at, out_at = address_of(weight), address_of(out) - 4 * shift
    for row in range(0, n_rows, near):
        count = min(near, n_rows - row)
        rows_at = address_of(rows) + row * stride
        for n in range(first, last, OUTPUTS):
            columns = weight_at + n * n_terms, np.int64(LINE), np.int64(n_terms // TOGETHER)
            place = out_at + row * out_stride + 4 * n
            block_products(count, rows_at, stride, *columns, place, out_stride)


@kernel
def wide_product(rows: Any, weight: Any, first: int, last: int, high: Any, low: Any) -> None:
    """As `product` for rows of 16-bit numbers: a sum is high · 256 + low, both int32 (M, N)."""
    n_rows, n_terms = rows.shape
    near = max(ROWS, NEAR_BYTES // (2 * n_terms) // ROWS * ROWS)
    stride = np.int64(2 * n_terms)
    weight_at = address_of(weight)
    part = np.empty((near, OUTPUTS), dtype=np.int32)
    total = np.empty((near, OUTPUTS), dtype=np.int64)
    part_at, part_stride = address_of(part), np.int64(4 * OUTPUTS)
    for row in range(0, n_rows, near):
        count = min(near, n_rows - row)
        rows_at = address_of(rows) + row * stride
        for n in range(first, last, OUTPUTS):
            total[:count] = 0
            for k in range(0, n_terms, WIDE_TERMS):
                n_pairs = min(WIDE_TERMS, n_terms - k) // TOGETHER
                columns = weight_at + n * n_terms + k * OUTPUTS, np.int64(LINE), np.int64(n_pairs)
                block_products(count, rows_at + 2 * k, stride, *columns, part_at, part_stride)
                for r in range(count):
                    for i in range(OUTPUTS):
                        total[r, i] += np.int64(part[r, i])
            for r in range(count):
                for i in range(OUTPUTS):
                    high[row + r, n + i] = as_i32(total[r, i] >> 8)
                    low[row + r, n + i] = as_i32(total[r, i] & 255)
    keep(part)


@kernel
def widen(q: Any, out: Any) -> None:
    """int8 rows (M, K) as int16."""
    for row in range(q.shape[0]):
        source, target = q[row], out[row]
        for k in range(source.size):
            target[k] = source[k]


@kernel
def join_halves(high: Any, low: Any, out: Any) -> None:
    """int8 halves (M, K) as the int16 that they are of; see `arith.split_halves`."""
    for row in range(high.shape[0]):
        h, low_row, target = high[row], low[row], out[row]
        for k in range(h.size):
            target[k] = np.int16(as_i32(as_i32(h[k]) * as_i32(256)) + as_i32(low_row[k]))
