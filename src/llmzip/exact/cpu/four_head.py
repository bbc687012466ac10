"""The head of prefill by products of `fours`: from its input to intervals and to distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import called, kernel
from llmzip.exact.cpu.fours import corrections, product_block
from llmzip.exact.cpu.prefill_head_passes import (
    PAIR,
    end_rows,
    note_own,
    put_logits,
    top_logit,
    use_rest,
    use_rows,
    weigh_rows,
)
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, keep, maximum, wide_vectors
from llmzip.exact.cpu.tiles import lines
from llmzip.exact.cpu.vectors import BLOCK, LANES

KEPT_ROWS = 64
"""Rows whose sums, or logits, are kept from the first pass over the outputs to the second."""
WIDTH = 8 * BLOCK
"""Outputs whose logits are computed at once: a row's lie far from the next one's."""


@kernel
def token_intervals(isa: Any, sums: Any, weight: Any, linear: Any, rows: Any, found: Any) -> None:
    """As `head.token_intervals`, of rows whose q (M, D) takes the place of sums; weight: packed.

    Scratch: sums, int32, for KEPT_ROWS rows of as many outputs as are packed.
    """
    wide_vectors()
    sums, weight, linear = borrowed(sums), borrowed(weight), borrowed(linear)
    (q, s, tokens), (low, freq, total, bits) = borrowed(rows), found
    n_blocks = (linear[0].size + BLOCK - 1) // BLOCK
    kept = sums[: n_blocks * KEPT_ROWS * BLOCK].reshape(n_blocks, KEPT_ROWS // PAIR, PAIR, BLOCK)
    for first in range(0, q.shape[0], KEPT_ROWS):
        last = min(first + KEPT_ROWS, q.shape[0])
        some = low[first:last], freq[first:last], total[first:last], bits[first:last]
        own = q[first:last], s[first:last], tokens[first:last]
        _intervals(isa, kept, own, weight, linear, some)


@called
def _intervals(isa: Any, sums: Any, rows: Any, weight: Any, linear: Any, found: Any) -> None:
    """Of rows whose sums are kept, from the tops of their logits on to the frequencies."""
    (q, s, tokens), (low, freq, total, bits) = rows, found
    n_rows, n_terms, n_out = q.shape[0], np.int64(q.shape[1]), linear[0].size
    undo, line = corrections(isa, address_of(q), n_rows, n_terms), np.empty(BLOCK, dtype=np.float32)
    tops, own = np.full(n_rows, f32(-np.inf)), np.empty(n_rows, dtype=np.float32)
    highest = np.full((n_rows, LANES), f32(-np.inf))
    counts, rest = np.zeros((n_rows, LANES), dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    noted, q_at, undo_at = (low, freq, own, counts), address_of(q), address_of(undo)
    for again in range(2):
        for c in range(0, n_out, BLOCK):
            width = min(BLOCK, n_out - c)
            for r in range(0, n_rows, PAIR):
                block, last = sums[c // BLOCK, r // PAIR], min(r + PAIR, n_rows)
                sums_at = address_of(block)
                if again:
                    note_own(block, linear, s, tokens, tops, c, r, line[:width], noted)
                else:
                    w_at = address_of(weight) + c * n_terms
                    place = w_at, undo_at, sums_at, BLOCK
                    product_block(isa, q_at, n_rows, r, last, n_terms, place)
                if width == BLOCK:
                    own_rows = c, r, last - r
                    use_rows(isa, again, sums_at, linear, s, tops, highest, counts, *own_rows)
                else:
                    use_rest(again, block, linear, s, tops, rest, c, r, last - r, line[:width])
        if not again:
            for row in range(n_rows):
                top = maximum(highest[row])
                tops[row] = max(tops[row], top_logit(linear, s[row], top))
    end_rows(counts, rest, own, tops, n_out, total, bits)
    keep(undo)


@kernel
def distributions(isa: Any, weight: Any, linear: Any, rows: Any, weights: Any, blocks: Any) -> None:
    """As `head.block_sums`, of rows whose q (M, D) takes the place of sums; weight: packed."""
    wide_vectors()
    weight, linear, weights = borrowed(weight), borrowed(linear), borrowed(weights)
    q, s, bias_of = borrowed(rows)
    for first in range(0, q.shape[0], KEPT_ROWS):
        last = min(first + KEPT_ROWS, q.shape[0])
        own = q[first:last], s[first:last], bias_of[first:last]
        _distributions(isa, own, weight, linear, weights[first:last], blocks[first:last])


@called
def _distributions(
    isa: Any, rows: Any, weight: Any, linear: Any, weights: Any, blocks: Any
) -> None:
    """Of rows whose logits stay in the last cache until their weights replace them."""
    (q, s, bias_of), n_out = rows, weights.shape[1]
    n_rows, n_terms = q.shape[0], np.int64(q.shape[1])
    memory = lines(PAIR * WIDTH // LANES)
    undo, tops = corrections(isa, address_of(q), n_rows, n_terms), np.full(n_rows, f32(-np.inf))
    q_at, undo_at, sums_at = address_of(q), address_of(undo), address_of(memory)
    for c in range(0, n_out, WIDTH):
        w_at, width = address_of(weight) + c * n_terms, min(WIDTH, weight.shape[0] - c)
        sums = memory.reshape(memory.size)[: PAIR * width].reshape(PAIR, width)
        for r in range(0, n_rows, PAIR):
            last = min(r + PAIR, n_rows)
            place = w_at, undo_at, sums_at, width
            product_block(isa, q_at, n_rows, r, last, n_terms, place)
            put_logits(sums, r, last - r, c, linear, bias_of, s, weights, tops)
    weigh_rows(weights, tops, blocks)
    keep((memory, undo))
