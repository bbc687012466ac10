"""The softmax of a step, a vector of 16 keys at a time, with memory asked for in between.

Each function goes over a row once, as LLVM's own vectors would, but can ask for lines of memory
with every vector. See `attention.softmax_row` for the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from llmzip.compiled import inlined
from llmzip.compiled.compiler import cgutils, ir
from llmzip.exact import constants
from llmzip.exact.aligned import LINE_BYTES
from llmzip.exact.cpu.attention import SUM_SCALE
from llmzip.exact.cpu.instruction_set import ask_for_line, emitted
from llmzip.exact.cpu.scalars import WHOLE, WHOLE_BITS, f32
from llmzip.exact.cpu.tiles import ask_for_lines

KEYS = 16
"""Keys of a vector; rows have memory for whole ones."""
WEIGH_ASKED = 3
HALVE_ASKED = 1
"""Lines that are asked for with a vector."""

_i32, _i64, _f32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_FLOATS, _INTS = ir.VectorType(_f32, KEYS), ir.VectorType(_i32, KEYS)
_BYTES, _WORDS = ir.VectorType(ir.IntType(8), KEYS), ir.VectorType(ir.IntType(16), KEYS)
_WIDE = ir.VectorType(_i64, KEYS)


def _floats(x: Any) -> ir.Value:
    return ir.Constant(_FLOATS, [ir.Constant(_f32, float(x))] * KEYS)


def _ints(n: Any) -> ir.Value:
    return ir.Constant(_INTS, [ir.Constant(_i32, int(n))] * KEYS)


def _spread(builder: ir.IRBuilder, scalar: ir.Value) -> ir.Value:
    kind = ir.VectorType(scalar.type, KEYS)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(_i32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(_INTS, [0] * KEYS))


def _place(
    builder: ir.IRBuilder, base: ir.Value, index: ir.Value, kind: ir.Type, size: int
) -> ir.Value:
    address = builder.add(base, builder.mul(index, ir.Constant(_i64, size)))
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: ir.IRBuilder, base: ir.Value, index: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.load(_place(builder, base, index, kind, 4), align=1)


def _store(
    builder: ir.IRBuilder, value: ir.Value, base: ir.Value, index: ir.Value, size: int = 4
) -> None:
    builder.store(value, _place(builder, base, index, value.type, size), align=1)


def _fold(
    builder: ir.IRBuilder,
    vector: ir.Value,
    join: Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value],
) -> ir.Value:
    """All elements joined into one."""
    for shift in (8, 4, 2, 1):
        order = ir.Constant(_INTS, [(i + shift) % KEYS for i in range(KEYS)])
        vector = join(builder, vector, builder.shuffle_vector(vector, vector, order))
    return builder.extract_element(vector, ir.Constant(_i32, 0))


def _higher(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _lower(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def _larger(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.icmp_signed(">", a, b), a, b)


def _visible(builder: ir.IRBuilder, index: ir.Value, skip: ir.Value, n_keys: ir.Value) -> ir.Value:
    """Which keys of the vector at `index` are among the first n_keys, but not the first `skip`."""
    places = ir.Constant(_INTS, list(range(KEYS)))
    begin, end = (
        _spread(builder, builder.trunc(builder.sub(n, index), _i32)) for n in (skip, n_keys)
    )
    seen = builder.icmp_signed("<", places, end)
    return builder.and_(seen, builder.icmp_signed(">=", places, begin))


def _exp2(builder: ir.IRBuilder, t: ir.Value) -> ir.Value:
    """See `scalars.exp2_below`."""
    t = _higher(builder, t, _floats(-constants.EXP2_LIMIT))
    shifted = builder.fadd(t, _floats(WHOLE))
    f = builder.fsub(t, builder.fsub(shifted, _floats(WHOLE)))
    first, *rest = constants.EXP2_COEFFICIENTS
    p = _floats(np.float32(first))
    for c in rest:
        p = builder.fadd(builder.fmul(p, f), _floats(np.float32(c)))
    power = builder.shl(builder.bitcast(shifted, _INTS), _ints(23))
    return builder.bitcast(builder.add(builder.bitcast(p, _INTS), power), _FLOATS)


@contextmanager
def _vectors(builder: ir.IRBuilder, n_keys: ir.Value) -> Iterator[ir.Value]:
    """A loop over the vectors of a row."""
    begin, step = ir.Constant(_i64, 0), ir.Constant(_i64, KEYS)
    with cgutils.for_range_slice(builder, begin, n_keys, step, _i64) as (index, _):
        yield index


def _ask(builder: ir.IRBuilder, ahead: ir.Value, index: ir.Value, n_lines: int) -> None:
    """Ask for the lines at `ahead` that go with the vector at `index`."""
    at = builder.add(ahead, builder.mul(index, ir.Constant(_i64, n_lines * 64 // KEYS)))
    for line in range(n_lines):
        ask_for_line(builder, at, line)


@inlined
def line_ahead(next_at: Any, n_lines: Any, line: Any) -> Any:
    """The address of a line of what comes next: first n_lines of values, then as many of keys.

    next_at: addresses of the keys and of the values. Memory brings them faster one after another
    than in pieces of both in turn.
    """
    if line < n_lines:
        return next_at[1] + line * LINE_BYTES
    return next_at[0] + (line - n_lines) * LINE_BYTES


@inlined
def ask_ahead(next_at: Any, n_lines: Any, line: Any, count: Any) -> Any:
    """Ask for `count` lines, a multiple of 4, from a line on; return the one behind."""
    for four in range(0, count, 4):
        ask_for_lines(line_ahead(next_at, n_lines, line + four))
    return line + count


@emitted(result="float32")
def scale_scores(builder, scores, scales, skip, n_keys, out, ahead):  # type: ignore[no-untyped-def]
    """Scores times scales into `out`; return the highest of those in view: see `_visible`.

    As many scales are asked for at `ahead`.
    """
    top = cgutils.alloca_once_value(builder, _floats(-np.inf))
    with _vectors(builder, n_keys) as index:
        _ask(builder, ahead, index, 1)
        score = builder.sitofp(_load(builder, scores, index, _INTS), _FLOATS)
        score = builder.fmul(score, _load(builder, scales, index, _FLOATS))
        _store(builder, score, out, index)
        visible = _visible(builder, index, skip, n_keys)
        seen = builder.select(visible, score, _floats(-np.inf))
        builder.store(_higher(builder, seen, builder.load(top)), top)
    return _fold(builder, builder.load(top), _higher)


@emitted(result="float32", q_scale="float32", depth="float32")
def _cap_scores(builder, work, skip, n_keys, q_scale, depth):  # type: ignore[no-untyped-def]
    """Scaled scores times q_scale below their cap, in place; return the highest of those in view.

    See `arith.capped`.
    """
    q_scales, depths = _spread(builder, q_scale), _spread(builder, depth)
    top = cgutils.alloca_once_value(builder, _floats(-np.inf))
    with _vectors(builder, n_keys) as index:
        z = builder.fmul(_load(builder, work, index, _FLOATS), q_scales)
        z = _lower(builder, z, _floats(constants.EXP2_LIMIT))
        score = builder.fdiv(depths, builder.fadd(_exp2(builder, z), _floats(1.0)))
        _store(builder, score, work, index)
        visible = _visible(builder, index, skip, n_keys)
        seen = builder.select(visible, score, _floats(-np.inf))
        builder.store(_higher(builder, seen, builder.load(top)), top)
    return _fold(builder, builder.load(top), _higher)


@inlined
def cap_scores(cap: Any, work: Any, skip: Any, n_keys: Any, top: Any, q_scale: Any) -> Any:
    """Cap scaled scores, if there is a cap: the highest, and what all are still multiplied by.

    top: the highest of those without a cap. See `caps.cap_of`.
    """
    if cap.size:
        return _cap_scores(work, skip, n_keys, q_scale, cap[1]), f32(1)
    return top, q_scale


@emitted(result="int32", top="float32", q_scale="float32")
def weigh(builder, work, scales, skip, n_keys, top, q_scale, sum_at, ahead):  # type: ignore[no-untyped-def]
    """Scaled scores to weights times `scales`, in place, 0 for keys that are not in view.

    Returns the bits of the largest.

    The weights' sum, an int64, goes to sum_at. Memory at `ahead` is asked for.
    """
    most = cgutils.alloca_once_value(builder, _ints(0))
    total = cgutils.alloca_once_value(builder, _ints(0))
    tops, q_scales = _spread(builder, top), _spread(builder, q_scale)
    with _vectors(builder, n_keys) as index:
        _ask(builder, ahead, index, WEIGH_ASKED)
        seen = _visible(builder, index, skip, n_keys)
        score = builder.fsub(_load(builder, work, index, _FLOATS), tops)
        weight = _exp2(builder, builder.fmul(score, q_scales))
        units = builder.fadd(builder.fmul(weight, _floats(SUM_SCALE)), _floats(WHOLE))
        count = builder.sub(builder.bitcast(units, _INTS), _ints(WHOLE_BITS))
        count = builder.select(seen, count, _ints(0))
        builder.store(builder.add(builder.load(total), count), total)
        weight = builder.fmul(weight, _load(builder, scales, index, _FLOATS))
        weight = builder.select(seen, weight, _floats(0))
        _store(builder, weight, work, index)
        bits = builder.bitcast(weight, _INTS)  # neither weights nor scales are negative
        builder.store(_larger(builder, bits, builder.load(most)), most)
    counts = builder.sext(builder.load(total), _WIDE)
    whole = _fold(builder, counts, lambda builder, a, b: builder.add(a, b))
    builder.store(whole, builder.inttoptr(sum_at, _i64.as_pointer()))
    return _fold(builder, builder.load(most), _larger)


@emitted(inverse="float32")
def halve(builder, work, n_keys, inverse, high, low, ahead):  # type: ignore[no-untyped-def]
    """The int8 halves of rint(work · inverse); memory at `ahead` is asked for."""
    factor = _spread(builder, inverse)
    with _vectors(builder, n_keys) as index:
        _ask(builder, ahead, index, HALVE_ASKED)
        scaled = builder.fmul(_load(builder, work, index, _FLOATS), factor)
        bits = builder.bitcast(builder.fadd(scaled, _floats(WHOLE)), _INTS)
        upper = builder.ashr(builder.add(bits, _ints(128)), _ints(8))
        _store(builder, builder.trunc(upper, _BYTES), high, index, 1)
        _store(builder, builder.trunc(bits, _BYTES), low, index, 1)


@emitted(inverse="float32")
def round_weights(builder, work, n_keys, inverse, out, ahead):  # type: ignore[no-untyped-def]
    """rint(work · inverse) as int16; memory at `ahead` is asked for as by `halve`."""
    factor = _spread(builder, inverse)
    with _vectors(builder, n_keys) as index:
        _ask(builder, ahead, index, HALVE_ASKED)
        scaled = builder.fmul(_load(builder, work, index, _FLOATS), factor)
        bits = builder.bitcast(builder.fadd(scaled, _floats(WHOLE)), _INTS)
        _store(builder, builder.trunc(bits, _WORDS), out, index, 2)
