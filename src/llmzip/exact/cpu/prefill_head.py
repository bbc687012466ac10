"""Intervals of known tokens in tiles, from what the head takes to integers.

The products are computed twice, once for the largest logit and once for the frequencies: that is
faster than to keep them. See `head` for the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from llmzip.exact.cpu import tiles
from llmzip.exact.cpu.head import FREQ_UNIT, frequency_sum
from llmzip.exact.cpu.prefill_passes import ROW_BYTES, ROWS, bias_at, either_bias, scaled
from llmzip.exact.cpu.product import address_of
from llmzip.exact.cpu.scalars import borrowed, f32, inlined, kernel, maximum, wide_vectors
from llmzip.exact.cpu.vectors import BLOCK, INTS, LANES, LINE, WIDE, Emitter
from llmzip.exact.reference import FREQ_BITS

PAIR = 2 * ROWS
"""Rows of a block of sums."""


@intrinsic
def _highest_block(typing, sums, scale, bias, s, n_rows, highest):  # type: ignore[no-untyped-def]
    """The highest logits of a block's rows, in each place of a vector.

    Without a bias they are still to be multiplied by `s`: that keeps their order.
    """
    signature = types.void(*[types.int64] * 6)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        sums, scale, bias, s, n_rows, highest = arguments

        def body(code: Emitter, row: ir.Value, biased: bool) -> None:
            line = code.loads(code.moved(sums, row, ROW_BYTES), INTS)
            if biased:
                logits = scaled(code, line, scale, bias, code.spread(code.number(s, row)))
            else:
                logits = code.products(code.converted(line), code.loads(scale))
            place = code.moved(highest, row, LINE)
            code.store(code.higher(code.highest(logits), code.load(place)), place)

        either_bias(builder, bias, n_rows, body)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _count_block(  # type: ignore[no-untyped-def]
    typing, sums, scale, bias, s, n_rows, tops, counts
):
    """Add the frequencies of a block's logits, less 1 each, to 16 int64 for each row."""
    signature = types.void(*[types.int64] * 7)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        sums, scale, bias, s, n_rows, tops, counts = arguments

        def body(code: Emitter, row: ir.Value, biased: bool) -> None:
            factor, top = (code.spread(code.number(at, row)) for at in (s, tops))
            line = code.loads(code.moved(sums, row, ROW_BYTES), INTS)
            logits = scaled(code, line, scale, bias if biased else None, factor)
            powers = code.exp2([builder.fsub(x, top) for x in logits], FREQ_BITS)
            a, b, c, d = (code.rounded(x) for x in powers)
            total = builder.add(builder.add(a, b), builder.add(c, d))  # at most 2^30
            place = code.moved(counts, row, 2 * LINE)
            before = code.load(place, 0, WIDE)
            code.store(builder.add(before, builder.sext(total, WIDE)), place)

        either_bias(builder, bias, n_rows, body)
        return context.get_dummy_value()

    return signature, generate


@inlined
def _logits(sums: Any, scale: Any, bias: Any, s: Any, line: Any) -> None:
    """A row's logits of a block into `line`."""
    wide_vectors()
    for i in range(line.size):
        line[i] = f32(sums[i]) * scale[i] * s
    if bias.size:
        for i in range(line.size):
            line[i] = line[i] + bias[i]


@inlined
def _counted(counts: Any) -> Any:
    """The sum of a row's counts."""
    total = np.int64(0)
    for i in range(counts.size):
        total += counts[i]
    return total


@kernel
def _find_tops(q: Any, weight: Any, scale: Any, bias: Any, s: Any, tops: Any) -> None:
    """The highest logit of each row."""
    wide_vectors()
    weight, scale, bias, q = borrowed((weight, scale, bias, q))
    n_rows, n_terms, n_out = q.shape[0], np.int64(q.shape[1]), scale.size
    sums, line = tiles.lines(PAIR * BLOCK // ROWS).reshape(PAIR, BLOCK), np.empty(BLOCK, np.float32)
    highest = np.full((n_rows, LANES), f32(-np.inf))
    tops[:] = f32(-np.inf)
    for c in range(0, n_out, BLOCK):
        width, w_at = min(BLOCK, n_out - c), address_of(weight) + c * n_terms
        own_scale, own_bias = scale[c : c + width], bias[c : c + width] if bias.size else bias
        for r in range(0, n_rows, PAIR):
            block, q_at = min(PAIR, n_rows - r), address_of(q) + r * n_terms
            tiles.product_block(q_at, block, n_terms, w_at, address_of(sums), BLOCK)
            if width == BLOCK:
                _highest_block(
                    address_of(sums),
                    address_of(own_scale),
                    bias_at(bias, c),
                    address_of(s) + 4 * r,
                    np.int64(block),
                    address_of(highest) + r * LINE,
                )
                continue
            for i in range(block):
                _logits(sums[i], own_scale, own_bias, s[r + i], line[:width])
                tops[r + i] = maximum(line[:width])
    for row in range(n_rows):
        top = maximum(highest[row])
        tops[row] = max(tops[row], top if bias.size else top * s[row])


@kernel
def token_intervals(
    configuration: Any,
    q: Any,
    weight: Any,
    scale: Any,
    bias: Any,
    s: Any,
    tokens: Any,
    low: Any,
    freq: Any,
    total: Any,
    bits: Any,
) -> None:
    """As `head.token_intervals`, from the head's input q (M, D).

    weight: packed. q has memory for PAIR rows more behind.
    """
    wide_vectors()
    weight, scale, bias, q = borrowed((weight, scale, bias, q))
    n_rows, n_terms, n_out = q.shape[0], np.int64(q.shape[1]), scale.size
    sums, line = tiles.lines(PAIR * BLOCK // ROWS).reshape(PAIR, BLOCK), np.empty(BLOCK, np.float32)
    tops, own = np.empty(n_rows, dtype=np.float32), np.empty(n_rows, dtype=np.float32)
    counts, rest = np.zeros((n_rows, LANES), dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    tiles.configure(configuration)
    _find_tops(q, weight, scale, bias, s, tops)
    for c in range(0, n_out, BLOCK):
        width, w_at = min(BLOCK, n_out - c), address_of(weight) + c * n_terms
        own_scale, own_bias = scale[c : c + width], bias[c : c + width] if bias.size else bias
        for r in range(0, n_rows, PAIR):
            block, q_at = min(PAIR, n_rows - r), address_of(q) + r * n_terms
            tiles.product_block(q_at, block, n_terms, w_at, address_of(sums), BLOCK)
            for row in range(r, r + block):
                at = tokens[row] - c
                here = 0 <= at < width
                if here or width < BLOCK:
                    _logits(sums[row - r], own_scale, own_bias, s[row], line[:width])
                if here:
                    below = frequency_sum(line[:at], tops[row])
                    low[row] = _counted(counts[row]) + c + below
                    freq[row], own[row] = frequency_sum(line[at : at + 1], tops[row]), line[at]
                if width < BLOCK:
                    rest[row] = frequency_sum(line[:width], tops[row]) - width
            if width == BLOCK:
                _count_block(
                    address_of(sums),
                    address_of(own_scale),
                    bias_at(bias, c),
                    address_of(s) + 4 * r,
                    np.int64(block),
                    address_of(tops) + 4 * r,
                    address_of(counts) + r * 2 * LINE,
                )
    tiles.release()
    for row in range(n_rows):
        counted = _counted(counts[row]) + rest[row]
        total[row] = counted + n_out
        bits[row] = np.log2(np.float64(counted) * FREQ_UNIT) - np.float64(own[row] - tops[row])
