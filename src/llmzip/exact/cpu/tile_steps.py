"""Products in tiles, TERMS terms at a time, so that other work can go on in between.

Sums of 32 rows with 32 columns are begun, added to, and stored; see `tiles` for what lies where.
"""

from __future__ import annotations

from llmzip.compiled.compiler import intrinsic, ir, types
from llmzip.exact.cpu.instruction_set import at, i8, i64
from llmzip.exact.cpu.tiles import ROWS, TERMS, _call, _has_tiles, _pointer


@intrinsic
def begin_2x2(typing):  # type: ignore[no-untyped-def]
    """Begin the sums of 32 rows with 32 columns, that `add_2x2` adds to and `end_2x2` stores."""
    signature = types.void()

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if _has_tiles():
            for index in range(4):
                _call(builder, "llvm.x86.tilezero", ir.Constant(i8, index))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def add_2x2(  # type: ignore[no-untyped-def]
    typing, rows, row_stride, rows_apart, columns, column_line, columns_apart
):
    """Add the products of TERMS terms. Between two of these other work can go on meanwhile.

    rows_apart: bytes from the first 16 rows to the others; columns_apart likewise.
    column_line: bytes from one row of a tile of columns to the next.
    """
    signature = types.void(*[types.int64] * 6)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if not _has_tiles():
            return context.get_dummy_value()
        rows, row_stride, rows_apart, columns, line, columns_apart = arguments
        below, beside = builder.add(rows, rows_apart), builder.add(columns, columns_apart)
        places = [(rows, row_stride), (below, row_stride), (columns, line), (beside, line)]
        for index, (place, stride) in enumerate(places):
            target = ir.Constant(i8, 4 + index)
            _call(builder, "llvm.x86.tileloadd64", target, _pointer(builder, place), stride)
        for index in range(4):
            pair = (ir.Constant(i8, n) for n in (4 + index // 2, 6 + index % 2))
            _call(builder, "llvm.x86.tdpbssd", ir.Constant(i8, index), *pair)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def end_2x2(typing, out, out_stride):  # type: ignore[no-untyped-def]
    """Put the sums to memory."""
    signature = types.void(*[types.int64] * 2)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if _has_tiles():
            out, stride = arguments
            for index in range(4):
                below = at(builder, out, stride, ROWS * (index // 2))
                place = builder.add(below, ir.Constant(i64, TERMS * (index % 2)))
                pointer = _pointer(builder, place)
                _call(builder, "llvm.x86.tilestored64", ir.Constant(i8, index), pointer, stride)
        return context.get_dummy_value()

    return signature, generate
