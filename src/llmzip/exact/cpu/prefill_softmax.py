"""The softmax of prefill for 16 rows at once, a block of 64 keys after the other.

Scores of a block lie together, 16 rows of 64 int32, and become in place: floats times the keys'
scales; weights times the values' scales; and the weights' halves, 64 high bytes and 64 low ones
at the beginning of each row. What a row needs meanwhile is kept in vectors, and these are folded
for all rows together: row by row, each would wait for its own results longer than it computes.
See `attention.softmax_row` for the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import inlined
from llmzip.compiled.compiler import ir
from llmzip.exact.cpu.attention import SUM_UNIT
from llmzip.exact.cpu.caps import cap_at
from llmzip.exact.cpu.instruction_set import INTS, ask_for, emitted
from llmzip.exact.cpu.rows import I16_LIMIT, I16_UNIT
from llmzip.exact.cpu.scalars import TINY, WHOLE, address_of, f32
from llmzip.exact.cpu.vectors import BLOCK, LANES, LINE, Emitter, floats, ints

ROWS = 16
"""Rows of a block."""
ROW_BYTES = 4 * BLOCK
BLOCK_BYTES = ROWS * ROW_BYTES

_COUNTING = f32(WHOLE * SUM_UNIT)
"""A weight added to this is rounded to SUM_BITS of fraction, ties to even."""
_COUNTING_BITS = int(_COUNTING.view(np.int32))
_VECTORS = range(0, BLOCK, LANES)
CALM = f32(2.0**60)
"""Rows whose scales are below may be weighed with `small_as_zero`.

A score that far below the others changes no bit of its weight; a weight times a scale that is
subnormal, below the least top(x) by 2^26, is rounded to 0 in 16 bits.
"""
_i32, _i64, _f32 = ir.IntType(32), ir.IntType(64), ir.FloatType()


class RowState(NamedTuple):
    """What 16 rows keep from block to block."""

    seen: NDArray[np.int32]  # (16,): how many keys there are up to the last in view
    hidden: NDArray[np.int32]  # (16,): how many of these come before the first in view
    q_scales: NDArray[np.float32]  # (16,)
    highest: NDArray[np.float32]  # (16, 16): of the scores, for each place of a vector
    tops: NDArray[np.float32]  # (16,): of the scores
    largest: NDArray[np.float32]  # (16, 16): of the weights
    counts: NDArray[np.int32]  # (16, 16): the weights' sums
    inverses: NDArray[np.float32]  # (16,)
    factors: NDArray[np.float32]  # (16,)


Inside = Callable[[int], ir.Value]
"""Which keys of the vector at some number of a block a row sees."""


def _each_row(
    code: Emitter, n_rows: ir.Value, first: ir.Value, seen: ir.Value, hidden: ir.Value
) -> Iterator[tuple[ir.Value, Inside | None]]:
    """Code for each row of a block whose keys begin with number `first`.

    With each goes which keys of the block it sees: None where all rows see all.
    """
    builder = code.builder
    least = builder.sext(code.load(seen, 0, _i32), _i64)  # the first row's are the fewest,
    most = builder.sext(code.load(hidden, ROWS - 1, _i32), _i64)  # and the last's the most
    end = builder.add(first, ir.Constant(_i64, BLOCK))
    all_seen = builder.and_(
        builder.icmp_signed("<=", end, least), builder.icmp_signed(">=", first, most)
    )
    with builder.if_else(all_seen) as (whole, cut):
        with whole, code.loop(n_rows) as row:
            yield row, None
        with cut, code.loop(n_rows) as row:
            begin, count = (
                builder.sub(code.number(own, row, _i32), builder.trunc(first, _i32))
                for own in (hidden, seen)
            )
            yield row, partial(code.inside, begin=begin, end=count)


@emitted
def _scale_block(  # type: ignore[no-untyped-def]
    builder, block, scales, n_rows, first, seen, hidden, highest, ahead, q_scales, cap
):
    """A block's scores times scales, and the highest of those in view.

    cap: the address of one, or 0: where there is one, scores are multiplied by the queries' scales
    and capped. 64 lines at `ahead` are asked for.
    """
    code = Emitter(builder)
    for is_capped in code.either(cap):
        depth = code.load(cap, 1, _f32) if is_capped else None
        for row, inside in _each_row(code, n_rows, first, seen, hidden):
            ask_for(builder, code.moved(ahead, row, 4 * LINE), 4, near=True)
            line = code.moved(block, row, ROW_BYTES)
            next_line = builder.add(line, ir.Constant(_i64, BLOCK_BYTES))
            ask_for(builder, next_line, 4, near=True, to_write=True)
            scores = code.products(code.converted(code.loads(line, INTS)), code.loads(scales))
            if is_capped:
                factor = code.spread(code.number(q_scales, row))
                scores = code.capped([builder.fmul(score, factor) for score in scores], depth)
            code.stores(scores, line)
            if inside is not None:
                scores = [
                    builder.select(inside(i), score, floats(-np.inf))
                    for i, score in zip(_VECTORS, scores, strict=True)
                ]
            place = code.moved(highest, row, LINE)
            code.store(code.higher(code.highest(scores), code.load(place)), place)


@emitted
def _weigh_block(  # type: ignore[no-untyped-def]
    builder, block, scales, n_rows, first, seen, hidden, tops, q_scales, counts, largest
):
    """A block's scaled scores to weights times `scales`, zero where a key is not in view.

    Each weight adds _COUNTING_BITS more than its units to `counts`.
    """

    code = Emitter(builder)
    for row, inside in _each_row(code, n_rows, first, seen, hidden):
        line = code.moved(block, row, ROW_BYTES)
        top, factor = (code.spread(code.number(at, row)) for at in (tops, q_scales))
        scores = [builder.fsub(score, top) for score in code.loads(line)]
        weights = code.exp2([builder.fmul(score, factor) for score in scores])
        units = [
            builder.bitcast(builder.fadd(weight, floats(_COUNTING)), INTS) for weight in weights
        ]
        weights = code.products(weights, code.loads(scales))
        if inside is not None:
            visible = [inside(i) for i in _VECTORS]
            units = [
                builder.select(i, x, ints(_COUNTING_BITS))
                for i, x in zip(visible, units, strict=True)
            ]
            weights = [
                builder.select(i, x, floats(0.0)) for i, x in zip(visible, weights, strict=True)
            ]
        code.stores(weights, line)
        place = code.moved(largest, row, LINE)
        code.store(code.higher(code.highest(weights), code.load(place)), place)
        place = code.moved(counts, row, LINE)
        a, b, c, d = units
        sums = builder.add(builder.add(a, b), builder.add(c, d))
        code.store(builder.add(code.load(place, 0, INTS), sums), place)


@emitted(on="boolean")
def small_as_zero(builder, isa, on):  # type: ignore[no-untyped-def]
    """Where they take long, let this thread's operations give 0 for subnormal results."""
    isa.flush_subnormals(builder, on)


@emitted
def _halve_block(builder, isa, block, n_rows, inverses, ahead):  # type: ignore[no-untyped-def]
    """A block's weights to the int8 halves of rint(weight · inverse). 64 lines at `ahead` are
    asked for.
    """
    code = Emitter(builder)
    with code.loop(n_rows) as row:
        ask_for(builder, code.moved(ahead, row, 4 * LINE), 4, near=True)
        line, factor = code.moved(block, row, ROW_BYTES), code.spread(code.number(inverses, row))
        scaled = [builder.fmul(weight, factor) for weight in code.loads(line)]
        code.stores(isa.halves(builder, [isa.rounded(builder, x) for x in scaled]), line)


@emitted
def _fold_highest(builder, highest, tops):  # type: ignore[no-untyped-def]
    """The highest score of each row."""
    code = Emitter(builder)
    code.store(code.folded(code.loads(highest, n=ROWS), code.higher), tops)


@emitted
def _fold_weights(builder, counts, largest, n_vectors, inverses, factors):  # type: ignore[no-untyped-def]
    """What each row's weights are multiplied by to be integers, and what undoes it.

    n_vectors: how many vectors of weights were added to `counts`, less than 2^14.
    """
    code = Emitter(builder)
    most = code.folded(code.loads(largest, n=ROWS), code.higher)
    most = code.higher(most, floats(TINY))
    code.store(builder.fdiv(floats(I16_LIMIT), most), inverses)
    surplus = builder.mul(builder.trunc(n_vectors, _i32), ir.Constant(_i32, _COUNTING_BITS))
    surpluses = code.spread(surplus)  # modulo 2^32, as the counts are
    sums = [builder.sub(code.load(counts, LANES * row, INTS), surpluses) for row in range(ROWS)]
    high = code.folded([builder.lshr(x, ints(16)) for x in sums], builder.add)
    low = code.folded([builder.and_(x, ints(0xFFFF)) for x in sums], builder.add)
    total = builder.fmul(code.joined(high, low, 1 << 16), floats(SUM_UNIT))
    code.store(builder.fdiv(builder.fmul(most, floats(I16_UNIT)), total), factors)


@inlined
def whole(n: int, step: int) -> int:
    """The next multiple of a step."""
    return (n + step - 1) // step * step


@inlined
def first_block(position: int, window: int) -> int:
    """Where the first block begins in which a position sees keys."""
    return max(0, position + 1 - window) // BLOCK * BLOCK


@inlined
def row_state() -> Any:
    """Make a `RowState`."""
    return RowState(
        np.zeros(ROWS, dtype=np.int32),
        np.zeros(ROWS, dtype=np.int32),
        np.zeros(ROWS, dtype=np.float32),
        np.empty((ROWS, LANES), dtype=np.float32),
        np.empty(ROWS, dtype=np.float32),
        np.empty((ROWS, LANES), dtype=np.float32),
        np.empty((ROWS, LANES), dtype=np.int32),
        np.empty(ROWS, dtype=np.float32),
        np.empty(ROWS, dtype=np.float32),
    )


@inlined
def begin_rows(
    state: Any, query_scales: Any, first: int, r0: int, n_rows: int, n_group: int, at: Any
) -> None:
    """Begin rows of queries (…, G), flat: n_rows from r0 on of those from `first` on.

    at: the position of `first`, and how many keys are in view of one.
    """
    start, window = at
    for r in range(n_rows):
        row, member = (r0 + r) // n_group, (r0 + r) % n_group
        state.seen[r] = start + row + 1
        state.hidden[r] = max(0, start + row + 1 - window)
        state.q_scales[r] = query_scales[first + row, member]
    state.hidden[ROWS - 1] = state.hidden[n_rows - 1]
    state.highest[:] = f32(-np.inf)
    state.largest[:] = 0
    state.counts[:] = 0


@inlined
def scale_block(
    block: Any, key_scales: Any, cap: Any, n_rows: int, first: int, state: Any, ahead: Any
) -> None:
    """The first pass over the keys from `first` on; memory at `ahead` is asked for.

    block: an address. key_scales: of all keys. cap: see `caps.cap_of`. The scores of rows beyond
    n_rows stay as they are.
    """
    scales, rows = address_of(key_scales) + 4 * first, (np.int64(n_rows), np.int64(first))
    seen, hidden = address_of(state.seen), address_of(state.hidden)
    kept = seen, hidden, address_of(state.highest), ahead, address_of(state.q_scales)
    _scale_block(block, scales, *rows, *kept, cap_at(cap))


@inlined
def is_calm(n_rows: int, state: Any) -> bool:
    """May the rows be weighed with `small_as_zero`?"""
    most = f32(0)
    for r in range(n_rows):
        most = max(most, state.q_scales[r])
    return bool(most < CALM)


@inlined
def weigh_blocks(
    isa: Any,
    scores: Any,
    value_scales: Any,
    cap: Any,
    n_rows: int,
    first_key: int,
    n_keys: int,
    state: Any,
) -> None:
    """The second pass over the blocks of keys first_key … n_keys - 1; `inverses`, `factors`."""
    if cap.size:  # the first pass has multiplied by them
        state.q_scales[:] = f32(1)
    rows, calm = np.int64(n_rows), is_calm(n_rows, state)
    _fold_highest(address_of(state.highest), address_of(state.tops))
    small_as_zero(isa, calm)
    for first in range(first_key, n_keys, BLOCK):
        _weigh_block(
            scores + first * (BLOCK_BYTES // BLOCK),
            address_of(value_scales) + 4 * first,
            rows,
            np.int64(first),
            address_of(state.seen),
            address_of(state.hidden),
            address_of(state.tops),
            address_of(state.q_scales),
            address_of(state.counts),
            address_of(state.largest),
        )
    small_as_zero(isa, False)
    _fold_weights(
        address_of(state.counts),
        address_of(state.largest),
        np.int64((n_keys - first_key) // LANES),
        address_of(state.inverses),
        address_of(state.factors),
    )


@inlined
def halve_block(isa: Any, block: Any, n_rows: int, state: Any, ahead: Any) -> None:
    """The last pass over a block, given by its address; memory at `ahead` is asked for."""
    small_as_zero(isa, True)  # integers come of it, whatever the scales
    _halve_block(isa, block, np.int64(n_rows), address_of(state.inverses), ahead)
    small_as_zero(isa, False)
