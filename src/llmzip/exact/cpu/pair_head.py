"""The head by pairs of int16: from its input to intervals and to distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import kernel
from llmzip.exact.cpu.head import BLOCK, fill_logits, weigh
from llmzip.exact.cpu.pairs import product
from llmzip.exact.cpu.scalars import borrowed, f32, keep, maximum


@kernel
def distributions(
    rows: Any,
    weight: Any,
    scale: Any,
    bias: Any,
    bias_of: Any,
    cap: Any,
    s: Any,
    weights: Any,
    blocks: Any,
) -> None:
    """As `head.block_sums`, from the head's int16 input rows (M, D)."""
    rows, weight, scale, bias, cap = borrowed((rows, weight, scale, bias, cap))
    weights, blocks = borrowed((weights, blocks))
    n_rows, n_out = rows.shape[0], scale.size
    own = np.empty((n_rows, BLOCK), dtype=np.int32), np.full(n_rows, f32(-np.inf))
    sums, tops = borrowed(own)
    for c in range(0, n_out, BLOCK):
        last = min(c + BLOCK, n_out)
        product(rows, weight, c, last, c, sums)
        for row in range(n_rows):
            line, line_bias = weights[row, c:last], bias[bias_of[row], c:last]
            fill_logits(sums[row], scale[c:last], line_bias, cap, s[row], line)
            tops[row] = max(tops[row], maximum(line))
    for row in range(n_rows):
        for index in range(blocks.shape[1]):
            part = weights[row, index * BLOCK : (index + 1) * BLOCK]
            blocks[row, index] = weigh(part, tops[row])
    keep(own)
