"""Integer products of bytes by bytes, four neighbours added to an int32, by a `Dot`.

Where the instruction takes one operand unsigned, of rows and columns that are both signed the
columns are the one: they lie in memory with its SIGN_BITS added, and each row's sum is corrected by
SIGN_BITS times that of the row. The sums of up to ROWS rows with OUTPUTS outputs are held in
registers. Sums of integers have no order, so the results are those of any other loop. The functions
need a processor that has the instruction set, their first argument.

Columns lie in blocks of 16 outputs, four terms side by side: int8 (outputs / 16, terms / 4, 16, 4).
Addresses are int64 and need no alignment; strides are in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from llmzip.compiled import called, inlined
from llmzip.compiled.compiler import cgutils, ir
from llmzip.exact.cpu import tiles
from llmzip.exact.cpu.instruction_set import (
    ask_for,
    at,
    broadcast,
    call,
    emitted,
    i8,
    i32,
    i64,
    is_tiled,
    load,
    outputs_of,
    rows_of,
    sign_bits_of,
    store,
)
from llmzip.exact.cpu.scalars import i32 as as_i32
from llmzip.exact.cpu.simd import BYTES, LANES

TOGETHER = 4
"""Terms of an output that lie together."""
GRANULE = 16
"""Sums are of terms for a multiple of this."""
STRIP = 16
"""Rows of attention that are taken together."""
FEW = STRIP // 2
"""Rows of attention that are taken together where there are no more."""


def _emit_products(
    isa: Any,
    builder: ir.IRBuilder,
    arguments: Sequence[Any],
    begin: Sequence[ir.Value],
    is_signed: bool,
    ahead: Sequence[ir.Value] = (),
    at_once: int = 1,
    asks_for_next: bool = False,
) -> None:
    """The code for sums that begin with a vector for each row.

    ahead: an address that memory is asked for with the first terms, and how many bytes further it
    is with the next. at_once: fours of terms that are written out, a divisor of n_fours.
    asks_for_next: whether memory is asked for the OUTPUTS columns behind these.
    """
    rows, row_stride, columns, apart, n_fours, out, out_stride = arguments
    kind, n_vectors = ir.VectorType(i32, isa.LANES), isa.OUTPUTS // isa.LANES
    columns_first = is_signed or not isa.SIGN_BITS  # else the rows are what is unsigned
    sums = [[cgutils.alloca_once_value(builder, x) for _ in range(n_vectors)] for x in begin]
    for index in _steps(builder, n_fours, isa.FOURS, at_once):

        def terms(four: int, index: ir.Value = index) -> list[ir.Value]:
            own = builder.add(index, ir.Constant(i64, four)) if four else index
            if ahead:
                ask_for(builder, builder.add(ahead[0], builder.mul(own, ahead[1])))
            place = builder.add(columns, builder.mul(own, ir.Constant(i64, BYTES)))
            places = [_vector_at(builder, isa, place, apart, v) for v in range(n_vectors)]
            if asks_for_next:
                far = builder.mul(apart, ir.Constant(i64, isa.OUTPUTS // LANES))
                for one in places:
                    ask_for(builder, builder.add(one, far))
            return [load(builder, one, kind) for one in places]

        row = builder.add(rows, builder.mul(index, ir.Constant(i64, TOGETHER)))
        places = [at(builder, row, row_stride, r) for r in range(len(begin))]
        isa.add_products(builder, sums, places, terms, columns_first)
    for r, totals in enumerate(isa.totals(builder, sums)):
        target = at(builder, out, out_stride, r)
        for v, total in enumerate(totals):
            store(builder, total, builder.add(target, ir.Constant(i64, 4 * isa.LANES * v)))


def _steps(builder: ir.IRBuilder, n: ir.Value, step: int, at_once: int) -> Iterator[ir.Value]:
    """A loop over n fours of terms, `step` of them at a time, `at_once` without a loop."""
    if at_once <= step == 1:
        with cgutils.for_range(builder, n, intp=i64) as loop:
            yield loop.index
        return
    begin, by = ir.Constant(i64, 0), ir.Constant(i64, max(step, at_once))
    with cgutils.for_range_slice(builder, begin, n, by, i64) as (index, _):
        for i in range(0, max(step, at_once), step):
            yield builder.add(index, ir.Constant(i64, i)) if i else index


def _vector_at(builder: ir.IRBuilder, isa: Any, place: ir.Value, apart: Any, v: int) -> ir.Value:
    """Where a vector of a four of terms lies: in the blocks of 16 outputs, one after the other."""
    block, offset = divmod(v * isa.LANES, LANES)
    if block:
        place = builder.add(place, apart)
    return builder.add(place, ir.Constant(i64, offset * TOGETHER)) if offset else place


def _corrections(isa: Any, builder: ir.IRBuilder, correction: ir.Value, n: int) -> list[ir.Value]:
    """What the sums of n rows begin with."""
    kind, step = ir.VectorType(i32, isa.LANES), ir.Constant(i64, 4)
    if not isa.SIGN_BITS:
        return [ir.Constant(kind, [0] * isa.LANES)] * n
    undo = [load(builder, at(builder, correction, step, r), i32) for r in range(n)]
    return [broadcast(builder, builder.neg(x), isa.LANES) for x in undo]


def _products(  # type: ignore[no-untyped-def]
    builder, n, asks, isa, rows, row_stride, columns, apart, n_fours, correction, out, out_stride
):
    """out[r, c] = Σ_k rows[r, k] · columns[c, k] - correction[r] in int32, OUTPUTS columns.

    rows: int8, n or ROWS of them. columns: blocks of outputs, int8 with SIGN_BITS added,
    `apart` from each other. correction: int32, SIGN_BITS times the sum of each row.

    asks: whether memory is asked for as many outputs behind them meanwhile. Few rows would wait
    for it: of one stream of blocks as of two, the processor asks too late by itself.
    """
    operands = rows, row_stride, columns, apart, n_fours, out, out_stride
    begin = _corrections(isa, builder, correction, n or isa.ROWS)
    _emit_products(isa, builder, operands, begin, True, (), 1, asks)


products_1, products_2, products_3, products_4, products_first = (
    emitted(_products, n, True) for n in (1, 2, 3, 4, None)
)
products_all = emitted(_products, None, False)


@emitted
def asking_products(  # type: ignore[no-untyped-def]
    builder, isa, rows, row_stride, columns, apart, n_fours, undo, out, out_stride, ahead, step
):
    """As `products_all`; meanwhile lines are asked for from `ahead` on, `step` bytes apart."""
    operands = rows, row_stride, columns, apart, n_fours, out, out_stride
    begin = _corrections(isa, builder, undo, isa.ROWS)
    _emit_products(isa, builder, operands, begin, True, (ahead, step))


def _strips(isa: Any, n_rows: int) -> Iterator[tuple[int, int]]:
    """Where strips of n_rows rows begin, and how many rows they have."""
    for first in range(0, n_rows, isa.ROWS):
        yield first, min(isa.ROWS, n_rows - first)


def _head_products(builder, n_rows, isa, rows, n_terms, columns, correction, out, out_stride):  # type: ignore[no-untyped-def]
    """As `products_all` for n_rows of n_terms, a multiple of BYTES, one after the other.

    So are the blocks of outputs.
    """
    apart, four = builder.mul(n_terms, ir.Constant(i64, LANES)), ir.Constant(i64, 4)
    n_fours, at_once = builder.udiv(n_terms, four), BYTES // TOGETHER
    for first, n in _strips(isa, n_rows):
        begin = _corrections(isa, builder, at(builder, correction, four, first), n)
        operands = at(builder, rows, n_terms, first), n_terms, columns, apart, n_fours
        target = at(builder, out, out_stride, first), out_stride
        _emit_products(isa, builder, [*operands, *target], begin, True, (), at_once)


head_products, few_head_products = (emitted(_head_products, n) for n in (STRIP, FEW))


def _weight_products(  # type: ignore[no-untyped-def]
    builder, n_rows, isa, rows, row_stride, columns, apart, n_fours, out, out_stride
):
    """out[r, c] = Σ_k rows[r, k] · columns[c, k] in int32, for n_rows rows.

    rows: uint8 where there are SIGN_BITS, else int8. columns: blocks of outputs, int8 as they are,
    `apart` from each other.
    """
    zero = ir.Constant(ir.VectorType(i32, isa.LANES), [0] * isa.LANES)
    for first, n in _strips(isa, n_rows):
        operands = at(builder, rows, row_stride, first), row_stride, columns, apart, n_fours
        target = at(builder, out, out_stride, first), out_stride
        _emit_products(isa, builder, [*operands, *target], [zero] * n, False)


weight_products, few_weight_products = (emitted(_weight_products, n) for n in (STRIP, FEW))


@inlined
def _few(isa: Any, n_rows: int, place: Any) -> None:
    """`products` for less than 8 rows; place: what they take after the instruction set."""
    rows, row_stride, columns, apart, n_fours, undo, out, out_stride = place
    x, c, y = rows, undo, out
    if n_rows >= 4:
        products_4(isa, x, row_stride, columns, apart, n_fours, c, y, out_stride)
        x, c, y = rows + 4 * row_stride, undo + 16, out + 4 * out_stride
    if n_rows % 4 == 3:
        products_3(isa, x, row_stride, columns, apart, n_fours, c, y, out_stride)
    elif n_rows % 4 == 2:
        products_2(isa, x, row_stride, columns, apart, n_fours, c, y, out_stride)
    elif n_rows % 4 == 1:
        products_1(isa, x, row_stride, columns, apart, n_fours, c, y, out_stride)


@inlined
def strips(isa: Any, n_rows: int, place: Any) -> None:
    """`products` for any number of rows; place: see `_few`."""
    rows, row_stride, columns, apart, n_fours, undo, out, out_stride = place
    row, x, c, y = 0, rows, undo, out
    while n_rows - row >= rows_of(isa):
        if row == 0:
            products_first(isa, x, row_stride, columns, apart, n_fours, c, y, out_stride)
        else:
            products_all(isa, x, row_stride, columns, apart, n_fours, c, y, out_stride)
        row += rows_of(isa)
        x, c, y = rows + row * row_stride, undo + row * 4, out + row * out_stride
    _few(isa, n_rows - row, (x, row_stride, columns, apart, n_fours, c, y, out_stride))


@inlined
def begin_products(isa: Any, configuration: Any) -> None:
    """Make this thread ready for what follows, where it takes a configuration of tiles."""
    if is_tiled(isa):
        tiles.configure(configuration)


@inlined
def end_products(isa: Any) -> None:
    """Give back what `begin_products` has taken."""
    if is_tiled(isa):
        tiles.release()


@called
def product_block(
    isa: Any, rows: Any, n_all: int, first: int, last: int, n_terms: Any, place: Any
) -> None:
    """The sums of rows first … last - 1 of n_all with `width` outputs into out (…, width).

    rows: the address of all, one after the other. place: the addresses of columns, of all rows'
    corrections and of out, and width: a multiple of 32, of which OUTPUTS stay in the first cache
    while rows go through them. Meanwhile memory is asked for these rows' share of as many columns
    behind. For tiles, see `tiles.product_block`: up to 32 rows, whose corrections do not matter.
    """
    columns, undo, out, width = place
    if is_tiled(isa):
        row_at = rows + first * n_terms
        tiles.product_block(row_at, last - first, n_terms, columns, out, width)
        return
    fours, apart, line = n_terms // np.int64(TOGETHER), n_terms * LANES, np.int64(4 * width)
    outputs, at_once = outputs_of(isa), rows_of(isa)
    part = width * n_terms * (last - first) // n_all // max(1, (last - first) // at_once)
    step = part // (width // outputs) // fours
    for c in range(0, width, outputs):
        w_at, row = columns + c * n_terms, first
        ahead = columns + width * n_terms * (n_all + first) // n_all + c * step * fours // outputs
        while last - row >= at_once:
            x, y = rows + row * n_terms, out + 4 * c + (row - first) * line
            own = undo + 4 * row
            asking_products(isa, x, n_terms, w_at, apart, fours, own, y, line, ahead, step)
            ahead, row = ahead + part, row + at_once
        x, y = rows + row * n_terms, out + 4 * c + (row - first) * line
        _few(isa, last - row, (x, n_terms, w_at, apart, fours, undo + 4 * row, y, line))


@emitted(result="int32")
def byte_sum(builder, isa, row, n_terms):  # type: ignore[no-untyped-def]
    """The sum of int8 at an address, as int32; n_terms: a multiple of BYTES."""
    kind, n = ir.VectorType(i32, isa.LANES), TOGETHER * isa.LANES
    ones = builder.bitcast(ir.Constant(ir.VectorType(i8, n), [1] * n), kind)
    total = cgutils.alloca_once_value(builder, ir.Constant(kind, [0] * isa.LANES))
    begin, step = ir.Constant(i64, 0), ir.Constant(i64, n)
    with cgutils.for_range_slice(builder, begin, n_terms, step, i64) as (k, _):
        terms = load(builder, builder.add(row, k), kind)
        builder.store(isa.dot(builder, builder.load(total), ones, terms), total)
    name = f"llvm.vector.reduce.add.v{isa.LANES}i32"
    return call(builder, name, i32, builder.load(total))


@inlined
def fill_corrections(isa: Any, rows: Any, n_rows: int, n_terms: Any, undo: Any) -> None:
    """What products of rows (an address) with columns are too large by, into undo (n_rows,)."""
    if sign_bits_of(isa):
        for row in range(n_rows):
            undo[row] = byte_sum(isa, rows + row * n_terms, n_terms) * as_i32(sign_bits_of(isa))


@inlined
def corrections(isa: Any, rows: Any, n_rows: int, n_terms: Any) -> Any:
    """As `fill_corrections`, in memory of its own."""
    undo = np.empty(max(n_rows, 1), dtype=np.int32)
    fill_corrections(isa, rows, n_rows, n_terms, undo)
    return undo
