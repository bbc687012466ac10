"""The softmax of a step, a vector of 16 keys at a time, with memory asked for in between.

Each function goes over a row once, as LLVM's own vectors would, but can ask for lines of memory
with every vector. See `attention.softmax_row` for the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llmzip.compiled import inlined
from llmzip.compiled.compiler import cgutils, ir
from llmzip.exact.aligned import LINE_BYTES
from llmzip.exact.cpu.attention import SUM_SCALE, SUM_UNIT
from llmzip.exact.cpu.instruction_set import FLOATS, INTS, ask_for, emitted, i8, i16, i32, i64
from llmzip.exact.cpu.rows import I16_LIMIT, I16_UNIT
from llmzip.exact.cpu.scalars import TINY, WHOLE, WHOLE_BITS, address_of, f32
from llmzip.exact.cpu.tiles import ask_for_lines
from llmzip.exact.cpu.vectors import LANES, LINE, WIDE, Emitter, Join, floats, ints

KEYS = LANES
"""Keys of a vector; rows have memory for whole ones."""
WEIGH_ASKED = 3
HALVE_ASKED = 1
"""Lines that are asked for with a vector."""
ASKING = 3
"""Queries that ask: with their numbers of lines, all that comes next is asked for."""

_BYTES, _WORDS = ir.VectorType(i8, KEYS), ir.VectorType(i16, KEYS)


def _fold(builder: ir.IRBuilder, vector: ir.Value, join: Join) -> ir.Value:
    """All elements joined into one."""
    for shift in (8, 4, 2, 1):
        order = ir.Constant(INTS, [(i + shift) % KEYS for i in range(KEYS)])
        vector = join(vector, builder.shuffle_vector(vector, vector, order))
    return builder.extract_element(vector, ir.Constant(i32, 0))


def _visible(code: Emitter, index: ir.Value, skip: ir.Value, n_keys: ir.Value) -> ir.Value:
    """Which keys of the vector at `index` are among the first n_keys, but not the first `skip`."""
    builder = code.builder
    return code.inside(0, *(builder.trunc(builder.sub(n, index), i32) for n in (skip, n_keys)))


def _ask(code: Emitter, ahead: ir.Value, index: ir.Value, n_lines: int) -> None:
    """Ask for the lines at `ahead` that go with the vector at `index`."""
    ask_for(code.builder, code.moved(ahead, index, n_lines * LINE // KEYS), n_lines)


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


def _put_scores(
    code: Emitter,
    score: Callable[[ir.Value], ir.Value],
    skip: ir.Value,
    n_keys: ir.Value,
    out: ir.Value,
) -> ir.Value:
    """Put what `score` has for each vector to `out`; the highest of those in view: `_visible`."""
    builder, lowest = code.builder, floats(-np.inf)
    top = cgutils.alloca_once_value(builder, lowest)
    with code.blocks(n_keys, KEYS) as index:
        scores = score(index)
        code.store(scores, code.moved(out, index))
        seen = builder.select(_visible(code, index, skip, n_keys), scores, lowest)
        builder.store(code.higher(seen, builder.load(top)), top)
    return _fold(builder, builder.load(top), code.higher)


@emitted(result="float32")
def scale_scores(builder, scores, scales, skip, n_keys, out, ahead):  # type: ignore[no-untyped-def]
    """Scores times scales into `out`; return the highest of those in view: see `_visible`.

    As many scales are asked for at `ahead`.
    """
    code = Emitter(builder)

    def score(index: ir.Value) -> ir.Value:
        _ask(code, ahead, index, 1)
        own = code.converted([code.number(scores, index, INTS)])
        return builder.fmul(*own, code.number(scales, index, FLOATS))

    return _put_scores(code, score, skip, n_keys, out)


@emitted(result="float32", q_scale="float32", depth="float32")
def _cap_scores(builder, work, skip, n_keys, q_scale, depth):  # type: ignore[no-untyped-def]
    """Scaled scores times q_scale below their cap, in place; return the highest of those in view.

    See `arith.capped`.
    """
    code = Emitter(builder)
    q_scales = code.spread(q_scale)

    def score(index: ir.Value) -> ir.Value:
        scaled = builder.fmul(code.number(work, index, FLOATS), q_scales)
        return code.capped([scaled], depth)[0]

    return _put_scores(code, score, skip, n_keys, work)


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
    code = Emitter(builder)
    most, total = (cgutils.alloca_once_value(builder, ints(0)) for _ in range(2))
    tops, q_scales = code.spread(top), code.spread(q_scale)

    def larger(a: ir.Value, b: ir.Value) -> ir.Value:
        return builder.select(builder.icmp_signed(">", a, b), a, b)

    with code.blocks(n_keys, KEYS) as index:
        _ask(code, ahead, index, WEIGH_ASKED)
        seen = _visible(code, index, skip, n_keys)
        score = builder.fsub(code.number(work, index, FLOATS), tops)
        (weight,) = code.exp2([builder.fmul(score, q_scales)])
        units = builder.fadd(builder.fmul(weight, floats(SUM_SCALE)), floats(WHOLE))
        count = builder.sub(builder.bitcast(units, INTS), ints(WHOLE_BITS))
        count = builder.select(seen, count, ints(0))
        builder.store(builder.add(builder.load(total), count), total)
        weight = builder.fmul(weight, code.number(scales, index, FLOATS))
        weight = builder.select(seen, weight, floats(0))
        code.store(weight, code.moved(work, index))
        bits = builder.bitcast(weight, INTS)  # neither weights nor scales are negative
        builder.store(larger(bits, builder.load(most)), most)
    counts = builder.sext(builder.load(total), WIDE)
    whole = _fold(builder, counts, builder.add)
    builder.store(whole, builder.inttoptr(sum_at, i64.as_pointer()))
    return _fold(builder, builder.load(most), larger)


def _rounded(
    code: Emitter, work: ir.Value, n_keys: ir.Value, inverse: ir.Value, ahead: ir.Value
) -> Iterator[tuple[ir.Value, ir.Value]]:
    """A loop over vectors: their indices, and integers whose low 16 bits are rint(work · inverse).

    Memory at `ahead` is asked for.
    """
    builder, factor = code.builder, code.spread(inverse)
    with code.blocks(n_keys, KEYS) as index:
        _ask(code, ahead, index, HALVE_ASKED)
        scaled = builder.fmul(code.number(work, index, FLOATS), factor)
        yield index, builder.bitcast(builder.fadd(scaled, floats(WHOLE)), INTS)


@emitted(inverse="float32")
def halve(builder, work, n_keys, inverse, high, low, ahead):  # type: ignore[no-untyped-def]
    """The int8 halves of rint(work · inverse); memory at `ahead` is asked for."""
    code = Emitter(builder)
    for index, bits in _rounded(code, work, n_keys, inverse, ahead):
        upper = builder.ashr(builder.add(bits, ints(128)), ints(8))
        code.store(builder.trunc(upper, _BYTES), code.moved(high, index, 1))
        code.store(builder.trunc(bits, _BYTES), code.moved(low, index, 1))


@emitted(inverse="float32")
def round_weights(builder, work, n_keys, inverse, out, ahead):  # type: ignore[no-untyped-def]
    """rint(work · inverse) as int16; memory at `ahead` is asked for as by `halve`."""
    code = Emitter(builder)
    for index, bits in _rounded(code, work, n_keys, inverse, ahead):
        code.store(builder.trunc(bits, _WORDS), code.moved(out, index, 2))


@inlined
def weigh_scores(member: int, own: Any, q_scale: Any, ahead: Any, scratch: Any) -> Any:
    """A query's scores to its weights, and their factor.

    own: the scales of keys and of values; how many keys come before the first in view, and up to
    the last; the cap. ahead: as `line_ahead` has it, the next line to be asked for, and how many
    keys there is memory for. Memory is asked for scales, too.

    Returns what the weights are to be multiplied by, what is to be asked for then, and the line
    behind that.
    """
    (key_scales, value_scales, skip, n_keys, cap), (next_at, n_lines, line, padded) = own, ahead
    work_at, scores_at = address_of(scratch.weights), address_of(scratch.scores[member])
    scales_at, scales_after = address_of(key_scales), next_at[2 + member % 2]
    top = scale_scores(scores_at, scales_at, skip, n_keys, work_at, scales_after)
    top, q_scale = cap_scores(cap, work_at, skip, n_keys, top, q_scale)
    first, after = work_at, work_at
    if member < ASKING:  # the others ask for what is there
        first = line_ahead(next_at, n_lines, line)
        line += padded // KEYS * WEIGH_ASKED
        after = line_ahead(next_at, n_lines, line)
        line += padded // KEYS * HALVE_ASKED
    values_at, total_at = address_of(value_scales), address_of(scratch.total)
    bits = weigh(work_at, values_at, skip, n_keys, top, q_scale, total_at, first)
    most = max(np.int32(bits).view(np.float32), TINY)
    scratch.factors[member] = (most * I16_UNIT) / (f32(scratch.total[0]) * SUM_UNIT)
    return I16_LIMIT / most, after, line
