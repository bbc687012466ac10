"""The head's passes over blocks of sums, in hand-made vectors; see `head` for the arithmetic.

A block is the sums of up to PAIR rows with 64 outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from llmzip.compiled import inlined
from llmzip.compiled.compiler import ir
from llmzip.exact.constants import FREQ_BITS
from llmzip.exact.cpu.caps import cap_at
from llmzip.exact.cpu.head import BLOCK, FREQ_UNIT, fill_logits, frequency_sum, weigh
from llmzip.exact.cpu.instruction_set import INTS, emitted
from llmzip.exact.cpu.prefill_passes import (
    ROW_BYTES,
    ROWS,
    Vectors,
    bias_at,
    each_row,
    scaled,
)
from llmzip.exact.cpu.scalars import address_of, maximum
from llmzip.exact.cpu.vectors import LINE, WIDE, Emitter

PAIR = 2 * ROWS
"""Rows of a block of sums."""
_f32 = ir.FloatType()


Cap = tuple[ir.Value, ir.Value]
"""What `caps.cap_of` has, of a cap that is there."""


def _caps(code: Emitter, cap: ir.Value) -> Iterator[Cap | None]:
    """Code for where there is no cap, whose address is 0 then; and for where there is one."""
    for is_there in code.either(cap):
        yield (code.load(cap, 0, _f32), code.load(cap, 1, _f32)) if is_there else None


def _logits(
    code: Emitter,
    sums: Vectors,
    scale: ir.Value,
    bias: ir.Value | None,
    s: ir.Value,
    cap: Cap | None,
) -> Vectors:
    """Logits of a line of sums; scale, bias: addresses."""
    if cap is None:
        return scaled(code, sums, scale, bias, s)
    builder, (unit, depth) = code.builder, cap
    factor = code.spread(unit)
    logits = scaled(code, sums, scale, None, s)
    logits = code.capped([builder.fmul(x, factor) for x in logits], depth)
    if bias is None:
        return logits
    return [builder.fadd(x, own) for x, own in zip(logits, code.loads(bias), strict=True)]


@emitted
def _highest_block(builder, sums, scale, bias, s, n_rows, highest, cap):  # type: ignore[no-untyped-def]
    """The highest logits of a block's rows, in each place of a vector.

    With neither a bias nor a cap they are still to be multiplied by `s`: that keeps their order.
    """
    code = Emitter(builder)
    for own_cap in _caps(code, cap):
        for row, own_bias in each_row(code, n_rows, bias):
            line = code.loads(code.moved(sums, row, ROW_BYTES), INTS)
            if own_bias is None and own_cap is None:
                logits = code.products(code.converted(line), code.loads(scale))
            else:
                factor = code.spread(code.number(s, row))
                logits = _logits(code, line, scale, own_bias, factor, own_cap)
            place = code.moved(highest, row, LINE)
            code.store(code.higher(code.highest(logits), code.load(place)), place)


@emitted
def _count_block(builder, isa, sums, scale, bias, s, n_rows, tops, counts, cap):  # type: ignore[no-untyped-def]
    """Add the frequencies of a block's logits, less 1 each, to 16 int64 for each row."""
    code = Emitter(builder)
    for own_cap in _caps(code, cap):
        for row, own_bias in each_row(code, n_rows, bias):
            factor, top = (code.spread(code.number(at, row)) for at in (s, tops))
            line = code.loads(code.moved(sums, row, ROW_BYTES), INTS)
            logits = _logits(code, line, scale, own_bias, factor, own_cap)
            powers = code.exp2([builder.fsub(x, top) for x in logits], FREQ_BITS)
            a, b, c, d = (isa.rounded(builder, x) for x in powers)
            total = builder.add(builder.add(a, b), builder.add(c, d))  # at most 2^30
            place = code.moved(counts, row, 2 * LINE)
            before = code.load(place, 0, WIDE)
            code.store(builder.add(before, builder.sext(total, WIDE)), place)


@inlined
def _count_of(counts: Any) -> Any:
    """The sum of a row's counts."""
    total = np.int64(0)
    for i in range(counts.size):
        total += counts[i]
    return total


@inlined
def note_own(
    sums: Any, linear: Any, s: Any, tokens: Any, tops: Any, c: int, r: int, line: Any, found: Any
) -> None:
    """Of a block's rows whose token is among its outputs: low, freq and logit."""
    scale, bias, cap = linear
    low, freq, own, counts = found
    for row in range(r, min(r + PAIR, tokens.size)):
        at = tokens[row] - c
        if 0 <= at < line.size:
            last = c + line.size
            own_bias = bias[c:last] if bias.size else bias
            fill_logits(sums[row - r], scale[c:last], own_bias, cap, s[row], line)
            own[row], freq[row] = line[at], frequency_sum(line[at : at + 1], tops[row])
            low[row] = _count_of(counts[row]) + c + frequency_sum(line[:at], tops[row])


@inlined
def use_rows(
    isa: Any,
    again: int,
    sums: Any,
    linear: Any,
    s: Any,
    tops: Any,
    highest: Any,
    counts: Any,
    c: int,
    row: int,
    n: int,
) -> None:
    """The first or second pass over n rows of a block's sums, from an address on."""
    scale, bias, cap = linear
    s_at, own_cap = address_of(s) + 4 * row, cap_at(cap)
    rows = address_of(scale) + 4 * c, bias_at(bias, c), s_at, np.int64(n)
    # numba counts users of arrays that one branch alone uses, and this is called between tiles
    tops_at, counts_at = address_of(tops) + 4 * row, address_of(counts) + row * 2 * LINE
    highest_at = address_of(highest) + row * LINE
    if again:
        _count_block(isa, sums, *rows, tops_at, counts_at, own_cap)
    else:
        _highest_block(sums, *rows, highest_at, own_cap)


@inlined
def top_logit(linear: Any, s: Any, top: Any) -> Any:
    """A row's largest logit from what the first pass has found to be the highest."""
    _, bias, cap = linear
    if cap.size:
        return top
    return top if bias.size else top * s


@inlined
def use_rest(
    again: int,
    sums: Any,
    linear: Any,
    s: Any,
    tops: Any,
    rest: Any,
    c: int,
    r: int,
    n: int,
    line: Any,
) -> None:
    """As `use_rows` for the last outputs, as many as `line` (outputs,) has, of a whole block.

    rest (M,): their frequencies' sums, less 1 each.
    """
    scale, bias, cap = linear
    own_scale, own_bias = scale[c:], bias[c:] if bias.size else bias
    for row in range(r, r + n):
        fill_logits(sums[row - r], own_scale, own_bias, cap, s[row], line)
        if again:
            rest[row] = frequency_sum(line, tops[row]) - line.size
        else:
            tops[row] = max(tops[row], maximum(line))


@inlined
def end_rows(
    counts: Any, rest: Any, own: Any, tops: Any, n_out: int, total: Any, bits: Any
) -> None:
    """The totals of all rows and their tokens' cross-entropies, from what has been counted."""
    for row in range(total.size):
        counted = _count_of(counts[row]) + rest[row]
        total[row] = counted + n_out
        bits[row] = np.log2(np.float64(counted) * FREQ_UNIT) - np.float64(own[row] - tops[row])


@inlined
def put_logits(
    sums: Any,
    first: int,
    n_rows: int,
    c: int,
    linear: Any,
    bias_of: Any,
    s: Any,
    weights: Any,
    tops: Any,
) -> None:
    """Logits of a block's rows, from row `first` on, to where their weights will be; and the tops.

    linear: the head's scale (V,), biases (n, V) and cap.
    """
    scale, bias, cap = linear
    last = min(c + sums.shape[1], scale.size)
    for row in range(first, first + n_rows):
        line, line_bias = weights[row, c:last], bias[bias_of[row], c:last]
        fill_logits(sums[row - first], scale[c:last], line_bias, cap, s[row], line)
        tops[row] = max(tops[row], maximum(line))


@inlined
def weigh_rows(weights: Any, tops: Any, blocks: Any) -> None:
    """Logits (M, V) to weights, in place, and their frequencies' sums by blocks."""
    for row in range(blocks.shape[0]):
        for index in range(blocks.shape[1]):
            part = weights[row, index * BLOCK : (index + 1) * BLOCK]
            blocks[row, index] = weigh(part, tops[row])
