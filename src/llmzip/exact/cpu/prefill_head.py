"""Intervals of known tokens in tiles, from what the head takes to integers.

The products are computed twice, once for the largest logit and once for the frequencies: that is
faster than to keep them. See `head` for the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined, kernel
from llmzip.compiled.compiler import intrinsic, ir, types
from llmzip.exact.constants import FREQ_BITS
from llmzip.exact.cpu import tile_steps, tiles
from llmzip.exact.cpu.head import FREQ_UNIT, fill_logits, frequency_sum
from llmzip.exact.cpu.prefill_passes import ROW_BYTES, ROWS, bias_at, either_bias, scaled
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, maximum, wide_vectors
from llmzip.exact.cpu.vectors import BLOCK, INTS, LANES, LINE, WIDE, Emitter

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
def _counted(counts: Any) -> Any:
    """The sum of a row's counts."""
    total = np.int64(0)
    for i in range(counts.size):
        total += counts[i]
    return total


@inlined
def _note_own(
    sums: Any, linear: Any, s: Any, tokens: Any, tops: Any, c: int, r: int, line: Any, found: Any
) -> None:
    """Of a block's rows whose token is among its outputs: low, freq and logit."""
    scale, bias = linear
    low, freq, own, counts = found
    for row in range(r, min(r + PAIR, tokens.size)):
        at = tokens[row] - c
        if 0 <= at < line.size:
            last = c + line.size
            fill_logits(
                sums[row - r], scale[c:last], bias[c:last] if bias.size else bias, s[row], line
            )
            own[row], freq[row] = line[at], frequency_sum(line[at : at + 1], tops[row])
            low[row] = _counted(counts[row]) + c + frequency_sum(line[:at], tops[row])


@inlined
def _use_rows(
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
    scale, bias = linear
    scale_at, own_bias, s_at = address_of(scale) + 4 * c, bias_at(bias, c), address_of(s) + 4 * row
    if again:
        tops_at, counts_at = address_of(tops) + 4 * row, address_of(counts) + row * 2 * LINE
        _count_block(sums, scale_at, own_bias, s_at, np.int64(n), tops_at, counts_at)
    else:
        highest_at = address_of(highest) + row * LINE
        _highest_block(sums, scale_at, own_bias, s_at, np.int64(n), highest_at)


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
    linear = (scale, bias)
    n_rows, n_terms, n_out = q.shape[0], np.int64(q.shape[1]), scale.size
    sums = tiles.lines(2 * PAIR * BLOCK // ROWS).reshape(2, PAIR, BLOCK)
    line = np.empty(BLOCK, dtype=np.float32)
    tops, own = np.empty(n_rows, dtype=np.float32), np.empty(n_rows, dtype=np.float32)
    highest = np.full((n_rows, LANES), f32(-np.inf))
    counts, rest = np.zeros((n_rows, LANES), dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    n_groups, width = (n_rows + PAIR - 1) // PAIR, n_out % BLOCK
    n_todo, whole = n_out // BLOCK * n_groups, n_out - width
    at_once = (PAIR * tiles.TERMS - 1) // (2 * n_terms) + 1
    tile_line, apart = np.int64(tiles.TERMS), ROWS * n_terms
    tiles.configure(configuration)
    for again in range(2):
        for todo in range(n_todo + 1):
            # the products of a block go on while the sums of the one before are used
            c, r = todo // n_groups * BLOCK, todo % n_groups * PAIR
            old_c, old_r = (todo - 1) // n_groups * BLOCK, (todo - 1) % n_groups * PAIR
            old, old_at = sums[(todo + 1) % 2], address_of(sums[(todo + 1) % 2])
            n_left = min(PAIR, n_rows - old_r) if todo else 0
            done: Any = 0
            if again and todo:
                found = (low, freq, own, counts)
                _note_own(old, linear, s, tokens, tops, old_c, old_r, line, found)
            # meanwhile memory is asked for a share of the next outputs' weights
            next_at = address_of(weight) + (c + BLOCK) * n_terms + todo % n_groups * 4 * n_terms
            if todo < n_todo:
                for half in range(0, BLOCK, PAIR):
                    w_at = address_of(weight) + (c + half) * n_terms
                    tile_steps.begin_2x2()
                    for k in range(0, n_terms, tiles.TERMS):
                        at = address_of(q) + r * n_terms + k
                        tile_steps.add_2x2(at, n_terms, apart, w_at + k * ROWS, tile_line, apart)
                        if half == 0:
                            tiles.ask_for_lines(next_at + k * 4)
                        n = min(at_once, n_left - done)
                        if n > 0:
                            row, from_at = old_r + done, old_at + done * ROW_BYTES
                            _use_rows(
                                again, from_at, linear, s, tops, highest, counts, old_c, row, n
                            )
                            done += n
                    tile_steps.end_2x2(address_of(sums[todo % 2]) + 4 * half, np.int64(ROW_BYTES))
            if n_left > done:
                row, from_at, n = old_r + done, old_at + done * ROW_BYTES, n_left - done
                _use_rows(again, from_at, linear, s, tops, highest, counts, old_c, row, n)
        if not again:
            for row in range(n_rows):
                top = maximum(highest[row])
                tops[row] = top if bias.size else top * s[row]
        if width:
            w_at, found = address_of(weight) + whole * n_terms, (low, freq, own, counts)
            own_scale, own_bias = scale[whole:], bias[whole:] if bias.size else bias
            for r in range(0, n_rows, PAIR):
                block, q_at = min(PAIR, n_rows - r), address_of(q) + r * n_terms
                tiles.product_block(q_at, block, n_terms, w_at, address_of(sums), BLOCK)
                if again:
                    _note_own(sums[0], linear, s, tokens, tops, whole, r, line[:width], found)
                for row in range(r, r + block):
                    fill_logits(sums[0, row - r], own_scale, own_bias, s[row], line[:width])
                    if again:
                        rest[row] = frequency_sum(line[:width], tops[row]) - width
                    else:
                        tops[row] = max(tops[row], maximum(line[:width]))
    tiles.release()
    for row in range(n_rows):
        counted = _counted(counts[row]) + rest[row]
        total[row] = counted + n_out
        bits[row] = np.log2(np.float64(counted) * FREQ_UNIT) - np.float64(own[row] - tops[row])
