"""Passes of prefill over blocks of sums: 64 outputs of some rows, in hand-made vectors.

What a row needs of all its outputs, its largest magnitude, is kept in a vector for each row and
folded for 16 rows together. See `rows` for the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from llmzip.compiled import inlined
from llmzip.compiled.compiler import cgutils, ir
from llmzip.exact.cpu.instruction_set import FLOATS, INTS, call, emitted, sign_bits_of
from llmzip.exact.cpu.rows import (
    I8_LIMIT,
    I8_UNIT,
    I8_UNIT_64,
    I16_LIMIT,
    I16_UNIT,
    STATISTIC_LIMIT,
    STATISTIC_UNIT,
)
from llmzip.exact.cpu.scalars import TINY, address_of
from llmzip.exact.cpu.vectors import BLOCK, DOUBLES, LANES, LINE, Emitter, doubles, floats

ROWS = 16
"""Rows whose vectors are folded together."""
ROW_BYTES = 4 * BLOCK
Vectors = list[ir.Value]
_f32, _i64 = ir.FloatType(), ir.IntType(64)


def scaled(
    code: Emitter, sums: Sequence[ir.Value], scale: ir.Value, bias: ir.Value | None, s: ir.Value
) -> Vectors:
    """De-quantised sums; scale, bias: addresses for the first of the vectors."""
    return dequantised(code, code.converted(sums), scale, bias, s)


def dequantised(
    code: Emitter, totals: Vectors, scale: ir.Value, bias: ir.Value | None, s: ir.Value
) -> Vectors:
    """The same of sums that are floats by now."""
    builder = code.builder
    own = code.loads(scale, n=len(totals))
    xs = [builder.fmul(x, s) for x in code.products(totals, own)]
    if bias is None:
        return xs
    return [builder.fadd(x, code.load(bias, LANES * i)) for i, x in enumerate(xs)]


def each_row(
    code: Emitter, n_rows: ir.Value, bias: ir.Value
) -> Iterator[tuple[ir.Value, ir.Value | None]]:
    """Code for each row with a bias, at its address; and without one where that is 0."""
    for is_there in code.either(bias):
        with code.loop(n_rows) as row:
            yield row, bias if is_there else None


def note_largest(code: Emitter, xs: Vectors, largest: ir.Value, row: ir.Value) -> None:
    """Keep the largest magnitudes of a row's vectors, place by place."""
    place = code.moved(largest, row, LINE)
    most = code.highest([code.magnitude(x) for x in xs])
    code.store(code.higher(most, code.load(place)), place)


def _tops(code: Emitter, largest: ir.Value) -> ir.Value:
    return code.higher(code.folded(code.loads(largest, n=ROWS), code.higher), floats(TINY))


def _fold(builder, limit, unit, largest, inverses, scales):  # type: ignore[no-untyped-def]
    """What 16 rows are multiplied by to be integers within ± limit, 1 / unit; and their scales."""
    code = Emitter(builder)
    top = _tops(code, largest)
    code.store(builder.fdiv(floats(limit), top), inverses)
    code.store(builder.fmul(top, floats(unit)), scales)


fold_wide = emitted(_fold, I16_LIMIT, I16_UNIT)
"""For integers of 16 bits."""
fold_narrow = emitted(_fold, I8_LIMIT, I8_UNIT)
"""For integers of 8 bits."""


def _halve(builder, signed, isa, block, inverses, n_rows, high, low, stride):  # type: ignore[no-untyped-def]
    """The int8 halves of a block of floats times its rows' inverses; rows `stride` apart.

    signed: see `InstructionSet.halves`.
    """
    code = Emitter(builder)
    with code.loop(n_rows) as row:
        factor = code.spread(code.number(inverses, row))
        line = code.loads(code.moved(block, row, ROW_BYTES))
        whole = [isa.rounded(builder, builder.fmul(x, factor)) for x in line]
        halves = isa.halves(builder, whole, signed)
        shift = builder.mul(row, stride)
        for half, place in zip(halves, (high, low), strict=True):
            code.store(half, builder.add(place, shift))


halve_block = emitted(_halve, True)
"""For integers of either sign."""
_halve_unsigned = emitted(_halve, False)


@inlined
def halve_weights(
    isa: Any, block: Any, inverses: Any, n_rows: Any, high: Any, low: Any, stride: Any
) -> None:
    """As `halve_block` for integers that are not negative, as `fours.weight_products` takes them.

    Both bytes are unsigned where products want them so.
    """
    if sign_bits_of(isa):
        _halve_unsigned(isa, block, inverses, n_rows, high, low, stride)
    else:
        halve_block(isa, block, inverses, n_rows, high, low, stride)


@emitted
def head_block(builder, sums, scale, bias, s, n_rows, cos, sin, angle_line, at, largest):  # type: ignore[no-untyped-def]
    """A block's float32 values in place of its sums, rotated for positions `at` if cos is not 0.

    angle_line: bytes from a position's cosines and sines to the next's.
    """

    code = Emitter(builder)
    for is_rotary in code.either(cos):
        for row, own_bias in each_row(code, n_rows, bias):
            line = code.moved(sums, row, ROW_BYTES)
            factor = code.spread(code.number(s, row))
            xs = scaled(code, code.loads(line, INTS), scale, own_bias, factor)
            if is_rotary:
                position = code.load(code.moved(at, row, 8), 0, _i64)
                shift = builder.mul(position, angle_line)
                xs = _rotated(code, xs, *(builder.add(table, shift) for table in (cos, sin)))
            code.stores(xs, line)
            note_largest(code, xs, largest, row)


def _rotated(code: Emitter, xs: Vectors, cos: ir.Value, sin: ir.Value) -> Vectors:
    """See `Reference._rotate`: tables for 32 pairs."""
    builder, (first, second) = code.builder, (xs[:2], xs[2:])
    cosines, sines = (code.loads(table, n=2) for table in (cos, sin))
    straight, crossed = code.products(first, cosines), code.products(second, sines)
    turned = [builder.fsub(a, b) for a, b in zip(straight, crossed, strict=True)]
    straight, crossed = code.products(second, cosines), code.products(first, sines)
    return turned + [builder.fadd(a, b) for a, b in zip(straight, crossed, strict=True)]


@emitted
def round_block(builder, isa, block, inverses, n_rows, out, stride):  # type: ignore[no-untyped-def]
    """A block of floats times its rows' inverses as int8, rows `stride` apart."""
    code = Emitter(builder)
    with code.loop(n_rows) as row:
        factor = code.spread(code.number(inverses, row))
        line = code.loads(code.moved(block, row, ROW_BYTES))
        whole = [isa.rounded(builder, builder.fmul(x, factor)) for x in line]
        code.store(isa.bytes_of(builder, whole), builder.add(out, builder.mul(row, stride)))


@inlined
def bias_at(bias: Any, first: int) -> Any:
    """The address of a linear's bias from an output on; 0 where there is none."""
    return address_of(bias) + 4 * first if bias.size else np.int64(0)


def _add(  # type: ignore[no-untyped-def]
    builder, n_vectors, n_halves, sums, scale, bias, s, n_rows, x, stride, largest
):
    """x += de-quantised sums, of an integer or of two halves; rows of x are `stride` apart."""
    line_bytes = n_vectors * LINE
    code, places = Emitter(builder), [LANES * i for i in range(n_vectors)]
    for row, own_bias in each_row(code, n_rows, bias):
        factor = code.spread(code.number(s, row))
        line = code.moved(sums, row, line_bytes)
        totals = code.loads(line, INTS, n_vectors)
        if n_halves == 2:
            low = builder.add(line, ir.Constant(_i64, ROWS * line_bytes))
            totals = [
                code.joined(high, code.load(low, i, INTS))
                for i, high in zip(places, totals, strict=True)
            ]
        else:
            totals = code.converted(totals)
        added = dequantised(code, totals, scale, own_bias, factor)
        target = builder.add(x, builder.mul(row, stride))
        before = zip(places, added, strict=True)
        new = [builder.fadd(code.load(target, i), y) for i, y in before]
        code.stores(new, target)
        note_largest(code, new, largest, row)


add_block = emitted(_add, 4, 1)
"""For 64 outputs."""
add_wide_block = emitted(_add, 2, 2)
"""For 32 outputs of 16 rows, high halves and below them low ones."""


@emitted(eps="float64")
def normalise_rows(builder, isa, x, n_rows, width, eps, largest, squares, q, scales):  # type: ignore[no-untyped-def]
    """Norms of up to 16 rows of floats, one after the other: int8 into q, 16 scales.

    squares: memory for 16 vectors of float64. `largest` is that of the rows.
    """
    code = Emitter(builder)
    top = _tops(code, largest)
    fine = builder.fdiv(floats(STATISTIC_LIMIT), top)
    coarse = builder.fdiv(floats(I8_LIMIT), top)
    places = [code.room(FLOATS, value) for value in (fine, coarse)]
    with code.loop(n_rows) as row:
        first = builder.mul(row, width)
        source, target = code.moved(x, first), builder.add(q, first)
        factors = [code.spread(code.number(place, row)) for place in places]
        total = cgutils.alloca_once_value(builder, doubles(0.0))
        with code.blocks(width) as index:
            line = code.loads(code.moved(source, index))
            fines, coarses = (
                [isa.rounded(builder, builder.fmul(x, factor)) for x in line] for factor in factors
            )
            code.store(isa.bytes_of(builder, coarses), builder.add(target, index))
            sums = [builder.sitofp(part, DOUBLES) for part in isa.squares(builder, fines)]
            both = builder.fadd(*sums)
            builder.store(builder.fadd(builder.load(total), both), total)
        code.store(builder.load(total), code.moved(squares, row, 2 * LINE))
    rows = [code.load(squares, 2 * LANES * row, DOUBLES) for row in range(ROWS)]
    square_sums = code.folded(rows, builder.fadd)  # integers below 2^53: in any order
    code.store(_scales(code, square_sums, top, width, eps), scales)


def _scales(
    code: Emitter, squares: ir.Value, top: ir.Value, width: ir.Value, eps: ir.Value
) -> ir.Value:
    builder = code.builder
    tops = builder.fpext(top, DOUBLES)
    unit = builder.fmul(tops, doubles(STATISTIC_UNIT))
    share = builder.fdiv(doubles(1.0), code.spread(builder.sitofp(width, ir.DoubleType())))
    mean = builder.fmul(builder.fmul(squares, builder.fmul(unit, unit)), share)
    root = call(builder, "llvm.sqrt.v16f64", DOUBLES, builder.fadd(mean, code.spread(eps)))
    wide = builder.fdiv(builder.fmul(tops, doubles(I8_UNIT_64)), root)
    return builder.fptrunc(wide, FLOATS)
