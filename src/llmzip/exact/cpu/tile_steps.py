"""Products in tiles, TERMS terms at a time, so that other work can go on in between.

Sums of 32 rows with 32 columns are begun, added to, and stored; see `tiles` for what lies where.
"""

from __future__ import annotations

from llmzip.compiled.compiler import ir
from llmzip.exact.cpu.instruction_set import at, emitted, i8, i64
from llmzip.exact.cpu.tiles import ROWS, TERMS, _call, _has_tiles, _pointer


@emitted
def begin_2x2(builder):  # type: ignore[no-untyped-def]
    """Begin the sums of 32 rows with 32 columns, that `add_2x2` adds to and `end_2x2` stores."""
    if _has_tiles():
        for index in range(4):
            _call(builder, "llvm.x86.tilezero", ir.Constant(i8, index))


@emitted
def add_2x2(builder, rows, row_stride, rows_apart, columns, column_line, columns_apart):  # type: ignore[no-untyped-def]
    """Add the products of TERMS terms. Between two of these other work can go on meanwhile.

    rows_apart: bytes from the first 16 rows to the others; columns_apart likewise.
    column_line: bytes from one row of a tile of columns to the next.
    """
    if not _has_tiles():
        return
    below, beside = builder.add(rows, rows_apart), builder.add(columns, columns_apart)
    strides = row_stride, row_stride, column_line, column_line
    places = zip((rows, below, columns, beside), strides, strict=True)
    for index, (place, stride) in enumerate(places):
        target = ir.Constant(i8, 4 + index)
        _call(builder, "llvm.x86.tileloadd64", target, _pointer(builder, place), stride)
    for index in range(4):
        pair = (ir.Constant(i8, n) for n in (4 + index // 2, 6 + index % 2))
        _call(builder, "llvm.x86.tdpbssd", ir.Constant(i8, index), *pair)


@emitted
def end_2x2(builder, out, out_stride):  # type: ignore[no-untyped-def]
    """Put the sums to memory."""
    if _has_tiles():
        for index in range(4):
            below = at(builder, out, out_stride, ROWS * (index // 2))
            place = builder.add(below, ir.Constant(i64, TERMS * (index % 2)))
            pointer = _pointer(builder, place)
            _call(builder, "llvm.x86.tilestored64", ir.Constant(i8, index), pointer, out_stride)
