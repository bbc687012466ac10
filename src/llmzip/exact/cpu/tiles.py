"""Integer products in AMX tiles: 16 rows by 16 outputs by 64 terms in one instruction.

A tile register holds 16 rows of 64 bytes. The second operand of a product lies in memory as
`pack_rows` leaves it: 16 outputs and 64 terms are one tile, whose row k holds terms 4 k …
4 k + 3 of each output. Sums of integers have no order, so the results are those of any other
loop. Tiles may be used where `AVAILABLE` says so, between `configure` and `release`.

Addresses are int64, strides are in bytes. Both need no alignment, but rows of tiles that are not
lines of memory are read and written at half the speed: see `aligned` and `lines`.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined, kernel
from llmzip.compiled.compiler import cgutils, ir
from llmzip.exact.cpu.avx512_vnni import Avx512Vnni
from llmzip.exact.cpu.instruction_set import (
    ask_for,
    at,
    broadcast,
    call,
    emitted,
    i8,
    i32,
    i64,
    lacking,
    load,
    shuffled,
    store,
)
from llmzip.exact.cpu.scalars import wide_vectors
from llmzip.exact.distribution import StepCosts

ROWS = 16
"""Rows of a tile, and the outputs that a tile of weights has."""
TERMS = 64
"""Terms of a tile."""
TILES = 8
"""Tile registers of a thread."""
OUTPUTS = 64
"""Packed weights have outputs for a multiple of this."""

TOGETHER = 4
"""Terms of an output that lie together."""
ASKED = 32
"""Lines of memory that are asked for ahead in the course of a tile's terms."""

PACK_ASKED = 4
"""Lines that are asked for ahead while ROWS keys are packed."""

_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA = 158, 0x1023, 18
_FEATURES = "amx-int8", "amx-tile"

_WHOLE_LINES = ir.Constant(i64, TERMS)
"""Bytes from one row to the next of tiles that lie alone."""


def _has_tiles() -> bool:
    """Does the processor that numba compiles for have tiles for int8?"""
    return Avx512Vnni.is_there() and not lacking(_FEATURES)


def _may_use_tiles() -> bool:
    """May this process use tiles? Linux wants to be asked; all threads share the answer."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or not _has_tiles():
        return False
    return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA) == 0)


AVAILABLE = _may_use_tiles()


class Amx(Avx512Vnni):
    """Tiles; of AVX-512 the passes over what they give."""

    FEATURES: ClassVar[tuple[str, ...]] = (*Avx512Vnni.FEATURES, *_FEATURES)
    # sixteen rows fill a tile; as measured, of SmolLM2-135M with some 400 positions in view
    COSTS: ClassVar = StepCosts(few=16, row=0.03, more=0.03, lane=0.037, second=0.04)
    KEYS: ClassVar = TERMS
    IS_TILED: ClassVar = True
    SIGN_BITS: ClassVar = 0

    @classmethod
    def is_there(cls) -> bool:
        """Whether Linux lets this process use it, too."""
        return AVAILABLE and super().is_there()


AMX = Amx()


def configuration() -> NDArray[np.uint8]:
    """What `configure` takes: all eight tiles of full size."""
    whole = np.zeros(64, dtype=np.uint8)
    whole[0] = 1
    whole[16:32:2] = TERMS
    whole[48:56] = ROWS
    return whole


@inlined
def lines(n: int) -> Any:
    """Memory for n lines of 16 int32, within a kernel."""
    memory = np.empty((n + 1) * ROWS, dtype=np.int32)
    first = -np.int64(memory.ctypes.data) % TERMS // TOGETHER
    return memory[first : first + n * ROWS].reshape(n, ROWS)


def _call(builder: ir.IRBuilder, name: str, *arguments: ir.Value) -> None:
    call(builder, name, ir.VoidType(), *arguments)


def _pointer(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    return builder.inttoptr(address, i8.as_pointer())


@emitted
def _load_configuration(builder, address):  # type: ignore[no-untyped-def]
    if _has_tiles():
        _call(builder, "llvm.x86.ldtilecfg", _pointer(builder, address))


@emitted
def release(builder):  # type: ignore[no-untyped-def]
    """Give the tiles back."""
    if _has_tiles():
        _call(builder, "llvm.x86.tilerelease")


@inlined
def configure(configuration: Any) -> None:
    """Make the tiles of this thread ready."""
    _load_configuration(np.int64(configuration.ctypes.data))


def _emit_products(
    builder: ir.IRBuilder,
    n_rows: int,
    n_columns: int,
    column_line: ir.Value,
    arguments: Sequence[ir.Value],
    ahead: ir.Value | None = None,
    n_asked: int = ASKED,
) -> None:
    """The code of `_products`.

    column_line: bytes from one row of a tile of columns to the next. ahead: address of n_asked
    lines for every TERMS terms.
    """
    if not _has_tiles():
        return
    rows, row_stride, columns, column_stride, n_terms, out, out_stride = arguments
    places = [(r, c) for r in range(n_rows) for c in range(n_columns)]

    def tile(index: int) -> ir.Value:
        return ir.Constant(i8, index)

    row_tiles = [tile(len(places) + r) for r in range(n_rows)]
    column_tiles = [tile(i) for i in range(len(places) + n_rows, TILES)]
    for index in range(len(places)):
        _call(builder, "llvm.x86.tilezero", tile(index))
    begin, step = ir.Constant(i64, 0), ir.Constant(i64, TERMS)
    with cgutils.for_range_slice(builder, begin, n_terms, step, i64) as (k, _):
        if ahead is not None:
            ask_for(builder, at(builder, ahead, k, n_asked), n_asked)
        row_base = builder.add(rows, k)
        fours = builder.udiv(k, ir.Constant(i64, TOGETHER))
        column_base = builder.add(columns, builder.mul(fours, column_line))
        for r, target in enumerate(row_tiles):
            place = _pointer(builder, at(builder, row_base, row_stride, ROWS * r))
            _call(builder, "llvm.x86.tileloadd64", target, place, row_stride)
        for c in range(n_columns):
            place = _pointer(builder, at(builder, column_base, column_stride, c))
            target = column_tiles[c % len(column_tiles)]
            _call(builder, "llvm.x86.tileloadd64", target, place, column_line)
            for r in range(n_rows):
                index = tile(places.index((r, c)))
                _call(builder, "llvm.x86.tdpbssd", index, row_tiles[r], target)
    for index, (r, c) in enumerate(places):
        line_at = at(builder, out, out_stride, ROWS * r)
        place = _pointer(builder, builder.add(line_at, ir.Constant(i64, 4 * ROWS * c)))
        _call(builder, "llvm.x86.tilestored64", tile(index), place, out_stride)


def _products(  # type: ignore[no-untyped-def]
    builder, n_rows, n_columns, rows, row_stride, columns, column_stride, n_terms, out, out_stride
):
    """out[r, c] = Σ_k rows[r, k] · columns[c, k] in int32, for 16 n_rows by 16 n_columns.

    They fill at most four tiles. rows: int8; columns: tiles of int8, the next 16 columns being
    column_stride further; n_terms: a multiple of TERMS.
    """
    operands = rows, row_stride, columns, column_stride, n_terms, out, out_stride
    _emit_products(builder, n_rows, n_columns, _WHOLE_LINES, operands)


products_2x2, products_1x2, products_2x1, products_1x4 = (
    emitted(_products, *shape) for shape in ((2, 2), (1, 2), (2, 1), (1, 4))
)


def _asking_products(  # type: ignore[no-untyped-def]
    builder, n, n_asked, rows, row_stride, columns, column_stride, n_terms, out, out_stride, ahead
):
    """As n by 2 tiles; n_asked lines at `ahead` are asked for with TERMS terms."""
    operands = rows, row_stride, columns, column_stride, n_terms, out, out_stride
    _emit_products(builder, n, 2, _WHOLE_LINES, operands, ahead, n_asked)


ASKED_ALL, ASKED_HALF, ASKED_QUARTER = 32, 16, 8
"""Of the lines that two tiles of weights have."""
all_2x2, half_2x2, quarter_2x2, all_1x2, half_1x2, quarter_1x2 = (
    emitted(_asking_products, n, asked)
    for n in (2, 1)
    for asked in (ASKED_ALL, ASKED_HALF, ASKED_QUARTER)
)


@emitted
def values_1x4(  # type: ignore[no-untyped-def]
    builder, rows, row_stride, columns, column_stride, n_terms, out, out_stride, line, ahead
):
    """As 1 by 4 tiles, for columns `line` bytes apart, as a cache holds values: (terms / TOGETHER,
    outputs, TOGETHER). ASKED lines at `ahead` are asked for with TERMS terms.
    """
    operands = rows, row_stride, columns, column_stride, n_terms, out, out_stride
    _emit_products(builder, 1, 4, line, operands, ahead)


@inlined
def product_block(rows: Any, n_rows: int, n_terms: Any, columns: Any, out: Any, width: int) -> None:
    """The sums of up to 32 rows with `width` outputs into out (32, width); addresses all.

    There must be memory for 16 or 32 rows; width: a multiple of 32.
    """
    tile_stride, line = n_terms * ROWS, np.int64(4 * width)
    for c in range(0, width, 2 * ROWS):
        b_at, c_at = columns + c * n_terms, out + 4 * c
        if n_rows > ROWS:
            products_2x2(rows, n_terms, b_at, tile_stride, n_terms, c_at, line)
        else:
            products_1x2(rows, n_terms, b_at, tile_stride, n_terms, c_at, line)


@kernel
def pack_rows(rows: Any, out: Any) -> None:
    """Rows (N, K) of int8 into tiles, `out`, whose outputs beyond N are zeros.

    Both are given as int32: (N, K / 4), the four terms that stay together, and flat.
    """
    wide_vectors()
    n_rows, n_inner = rows.shape
    tiles = out.reshape(out.size // (ROWS * n_inner), n_inner, ROWS)
    for block in range(tiles.shape[0]):
        for r in range(ROWS):
            row = block * ROWS + r
            if row < n_rows:
                for k in range(n_inner):
                    tiles[block, k, r] = rows[row, k]
            else:
                for k in range(n_inner):
                    tiles[block, k, r] = 0


_FOURS = ir.VectorType(i32, 4)


def _emit_columns(
    builder: ir.IRBuilder,
    rows: ir.Value,
    stride: ir.Value,
    out: ir.Value,
    out_stride: ir.Value,
    flip: ir.Value | None = None,
) -> None:
    """The code of `four_columns` for rows that are `stride` bytes apart; see `_turn` for `flip`."""
    flips = None if flip is None else broadcast(builder, flip, ROWS)
    quads = []  # quads[i]: rows i, 4 + i, 8 + i, 12 + i
    for i in range(4):
        parts = [load(builder, at(builder, rows, stride, 4 * q + i), _FOURS) for q in range(4)]
        halves = [shuffled(builder, parts[q], parts[q + 1], range(8)) for q in (0, 2)]
        quads.append(shuffled(builder, halves[0], halves[1], range(ROWS)))
    for high in (0, 2):
        order = [
            q + i for q in range(0, ROWS, 4) for i in (high, ROWS + high, high + 1, ROWS + high + 1)
        ]
        a = shuffled(builder, quads[0], quads[1], order)
        b = shuffled(builder, quads[2], quads[3], order)
        for odd in (0, 1):
            order = [
                q + i
                for q in range(0, ROWS, 4)
                for i in (2 * odd, 2 * odd + 1, ROWS + 2 * odd, ROWS + 2 * odd + 1)
            ]
            column = shuffled(builder, a, b, order)
            column = column if flips is None else builder.xor(column, flips)
            store(builder, column, at(builder, out, out_stride, high + odd))


@emitted
def four_columns(builder, sums, out, out_stride):  # type: ignore[no-untyped-def]
    """Four columns of a tile of sums as rows of 16 int32, out_stride apart."""
    _emit_columns(builder, sums, _WHOLE_LINES, out, out_stride)


@called
def pack_keys(keys: Any, n_keys: Any, d: Any, flip: Any, packed: Any, ahead: Any) -> None:
    """As `pack_rows`, for a multiple of ROWS keys of d numbers that follow each other.

    keys, packed: addresses. flip: int32, what four numbers are changed by, bit by bit. PACK_ASKED
    lines at address `ahead` are asked for with ROWS keys.
    """
    wide_vectors()
    for place in range(0, n_keys * d, ROWS * d):
        ask_for_lines(ahead + place // d * (PACK_ASKED * TERMS // ROWS))
        for part in range(0, d, 4 * TOGETHER):
            _turn(keys + place + part, d, flip, packed + place + part * ROWS)


@emitted(flip="int32")
def _turn(builder, rows, stride, flip, out):  # type: ignore[no-untyped-def]
    """Four int32 of 16 rows, `stride` bytes apart, as four lines, changed by `flip`."""
    _emit_columns(builder, rows, stride, out, _WHOLE_LINES, flip)


@emitted
def ask_for_lines(builder, address):  # type: ignore[no-untyped-def]
    """Ask memory for 4 lines of 64 bytes, into the second cache; they may lie anywhere."""
    ask_for(builder, address, 4)
