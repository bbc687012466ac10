"""Intervals of known tokens in tiles, from what the head takes to integers.

The products are computed twice, once for the largest logit and once for the frequencies: that is
faster than to keep them. See `head` for the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import kernel
from llmzip.exact.cpu import tile_steps, tiles
from llmzip.exact.cpu.prefill_head_passes import (
    PAIR,
    end_rows,
    note_own,
    top_logit,
    use_rest,
    use_rows,
)
from llmzip.exact.cpu.prefill_passes import ROW_BYTES, ROWS
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, maximum, wide_vectors
from llmzip.exact.cpu.vectors import BLOCK, LANES


@kernel
def token_intervals(configuration: Any, weight: Any, linear: Any, rows: Any, found: Any) -> None:
    """As `head.token_intervals`, of rows whose q (M, D) takes the place of sums; weight: packed.

    q has memory for PAIR rows more behind.
    """
    wide_vectors()
    weight, linear, (q, s, tokens) = borrowed(weight), borrowed(linear), borrowed(rows)
    (low, freq, total, bits), isa = found, tiles.AMX
    n_rows, n_terms, n_out = q.shape[0], np.int64(q.shape[1]), linear[0].size
    sums = tiles.lines(2 * PAIR * BLOCK // ROWS).reshape(2, PAIR, BLOCK)
    line = np.empty(BLOCK, dtype=np.float32)
    tops, own = np.empty(n_rows, dtype=np.float32), np.empty(n_rows, dtype=np.float32)
    highest = np.full((n_rows, LANES), f32(-np.inf))
    counts, rest = np.zeros((n_rows, LANES), dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    noted = low, freq, own, counts
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
                note_own(old, linear, s, tokens, tops, old_c, old_r, line, noted)
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
                            own_rows = old_c, row, n
                            use_rows(
                                isa, again, from_at, linear, s, tops, highest, counts, *own_rows
                            )
                            done += n
                    tile_steps.end_2x2(address_of(sums[todo % 2]) + 4 * half, np.int64(ROW_BYTES))
            if n_left > done:
                row, from_at, n = old_r + done, old_at + done * ROW_BYTES, n_left - done
                own_rows = old_c, row, n
                use_rows(isa, again, from_at, linear, s, tops, highest, counts, *own_rows)
        if not again:
            for row in range(n_rows):
                top = maximum(highest[row])
                tops[row] = top_logit(linear, s[row], top)
        if width:
            w_at = address_of(weight) + whole * n_terms
            for r in range(0, n_rows, PAIR):
                block, q_at = min(PAIR, n_rows - r), address_of(q) + r * n_terms
                tiles.product_block(q_at, block, n_terms, w_at, address_of(sums), BLOCK)
                if again:
                    note_own(sums[0], linear, s, tokens, tops, whole, r, line[:width], noted)
                use_rest(again, sums[0], linear, s, tops, rest, whole, r, block, line[:width])
    tiles.release()
    end_rows(counts, rest, own, tops, n_out, total, bits)
