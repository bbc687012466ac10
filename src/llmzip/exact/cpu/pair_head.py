"""The head by pairs of int16: from its input to intervals and to distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import kernel
from llmzip.exact.cpu.head import BLOCK
from llmzip.exact.cpu.pairs import product
from llmzip.exact.cpu.prefill_head_passes import put_logits, weigh_rows
from llmzip.exact.cpu.scalars import borrowed, f32, keep


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
        product(rows, weight, c, min(c + BLOCK, n_out), c, sums)
        put_logits(sums, 0, n_rows, c, (scale, bias, cap), bias_of, s, weights, tops)
    weigh_rows(weights, tops, blocks)
    keep(own)
