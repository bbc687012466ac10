"""Attention of prefill by pairs of int16; see `pairs`, and `step_pairs` for that of a step.

Keys lie in blocks of 16 positions, as weights do: int8 (positions / 16, d / 2, 16, 2), so that a
product gives the scores of 16 positions. Values: int8 (positions / 2, d, 2), two positions being
a pair of terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined, kernel
from llmzip.exact.cpu.attention import weigh_row
from llmzip.exact.cpu.pairs import LINE, OUTPUTS, TOGETHER, WIDE_TERMS, block_products, widen
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, keep

BLOCK = 24
"""Rows of prefill whose scores are held at once: strips of `pairs.ROWS`."""


@inlined
def fill_scores(queries: Any, keys: Any, first: int, n_keys: int, scores: Any) -> None:
    """scores[m, j] = query m · key j, for int16 queries (M, d), in whole blocks first … n_keys."""
    n_rows, d = queries.shape
    for j in range(first, n_keys, OUTPUTS):
        columns = address_of(keys) + j * d, np.int64(LINE), np.int64(d // TOGETHER)
        place = address_of(scores) + 4 * j, np.int64(4 * scores.shape[1])
        block_products(n_rows, address_of(queries), np.int64(2 * d), *columns, *place)


@inlined
def mix(p: Any, values: Any, first_key: int, n_keys: int, part: Any, total: Any) -> None:
    """total[m] = Σ_j p[m, j] · values[j], an int64, for first_key ≤ j < n_keys, both even."""
    n_rows, d = total.shape
    total[:] = 0
    for first in range(first_key, n_keys, WIDE_TERMS):
        n_pairs = (min(WIDE_TERMS, n_keys - first) + 1) // TOGETHER
        for i in range(0, d, OUTPUTS):
            columns = address_of(values) + first * d + TOGETHER * i, np.int64(TOGETHER * d)
            own = address_of(p) + 2 * first, np.int64(2 * p.shape[1]), *columns, np.int64(n_pairs)
            block_products(n_rows, *own, address_of(part) + 4 * i, np.int64(4 * d))
        for row in range(n_rows):
            for i in range(d):
                total[row, i] += np.int64(part[row, i])


@kernel
def attend(own: Any, rows: Any, mixed: Any) -> None:
    """Attention of rows of a lane into theirs of mixed, float32 (M, H, d).

    own: queries, int8 (KV, M, G, d), their scales (KV, M, G), keys and values of the lane (KV, …),
    each with their scales, and the cap of scores. rows: the first, how many, its position, and how
    many keys one sees, its own among them.
    """
    queries, query_scales, keys, key_scales, values, value_scales, cap = borrowed(own)
    mixed, (first, count, start, window) = borrowed(mixed), rows
    n_kv, n_all, n_group, d = queries.shape
    n_keys = (start + count + OUTPUTS - 1) // OUTPUTS * OUTPUTS
    memory = (
        np.empty((BLOCK, d), dtype=np.int16),
        np.empty((BLOCK, n_keys), dtype=np.int32),
        np.empty((BLOCK, n_keys), dtype=np.int16),
        np.empty(n_keys, dtype=np.float32),
        np.empty((BLOCK, d), dtype=np.int32),
        np.empty((BLOCK, d), dtype=np.int64),
        np.empty(BLOCK, dtype=np.float32),
    )
    wide, scores, p, work, part, total, factors = borrowed(memory)
    for g in range(n_kv):
        own_queries = queries[g].reshape(n_all * n_group, d)
        for r0 in range(0, count * n_group, BLOCK):
            n_rows = min(BLOCK, count * n_group - r0)
            r_first = first * n_group + r0
            widen(own_queries[r_first : r_first + n_rows], wide)
            last = start + (r0 + n_rows - 1) // n_group + 1
            longest = (last + OUTPUTS - 1) // OUTPUTS * OUTPUTS
            j0 = max(0, start + r0 // n_group + 1 - window) // OUTPUTS * OUTPUTS
            fill_scores(wide[:n_rows], keys[g], j0, longest, scores)
            for r in range(n_rows):
                row, member = (r0 + r) // n_group, (r0 + r) % n_group
                seen = start + row + 1
                hidden = max(0, seen - window)
                scales = key_scales[g, hidden:seen], value_scales[g, hidden:seen]
                places = work[hidden:seen], p[r, hidden:seen]
                q_scale = query_scales[g, first + row, member]
                factors[r] = weigh_row(scores[r, hidden:seen], scales, q_scale, cap, *places)
                p[r, j0:hidden] = 0
                p[r, seen:longest] = 0
            mix(p, values[g], j0, longest, part[:n_rows], total[:n_rows])
            for r in range(n_rows):
                row, member = first + (r0 + r) // n_group, (r0 + r) % n_group
                target, factor = mixed[row, g * n_group + member], factors[r]
                for i in range(d):
                    target[i] = f32(total[r, i]) * factor
    keep(memory)
