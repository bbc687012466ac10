"""The head by pairs of int16, from its input to distributions; for intervals, see `head`."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import kernel
from llmzip.exact.cpu.head import BLOCK
from llmzip.exact.cpu.pairs import product
from llmzip.exact.cpu.prefill_head_passes import put_logits, weigh_rows
from llmzip.exact.cpu.scalars import borrowed, f32, keep


@kernel
def distributions(weight: Any, linear: Any, rows: Any, weights: Any, blocks: Any) -> None:
    """As `head.block_sums`, of rows whose q, int16 (M, D), takes the place of sums."""
    weight, linear, (q, s, bias_of) = borrowed(weight), borrowed(linear), borrowed(rows)
    weights, blocks = borrowed((weights, blocks))
    n_rows, n_out = q.shape[0], linear[0].size
    own = np.empty((n_rows, BLOCK), dtype=np.int32), np.full(n_rows, f32(-np.inf))
    sums, tops = borrowed(own)
    for c in range(0, n_out, BLOCK):
        product(q, weight, c, min(c + BLOCK, n_out), c, sums)
        put_logits(sums, 0, n_rows, c, linear, bias_of, s, weights, tops)
    weigh_rows(weights, tops, blocks)
    keep(own)
