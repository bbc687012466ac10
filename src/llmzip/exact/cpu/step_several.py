"""Attention of a decoding step for several rows of a lane, which are a short block of prefill.

A few, whose queries fit a tile, go as a row alone does: see `step_attention.fit_together`.

Drafts are such rows (`predict.drafts`). A KV head is read once for all queries of its rows, each of
which sees the keys up to its own position, and products have as many rows as there are queries.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined
from llmzip.exact.cpu import block_attention, four_attention, prefill, tiles
from llmzip.exact.cpu.scalars import borrowed, wide_vectors
from llmzip.exact.cpu.step_attention import place_queries

MOST_ROWS = 32
"""Rows that go through together."""
SPARE = 2 * tiles.ROWS
"""Queries that products may read beyond the last."""


class SeveralScratch(NamedTuple):
    """What `attend_several` works in, for one KV head."""

    queries: NDArray[np.int8]  # (MOST_ROWS + SPARE, G, d)
    scales: NDArray[np.float32]  # (MOST_ROWS + SPARE, G)
    head: prefill.HeadScratch | four_attention.HeadScratch


@inlined
def make_scratch(configuration: Any, n_keys: int, n_group: int, d: int) -> Any:
    """Scratch for up to n_keys keys and heads of d numbers, both multiples of tiles.TERMS."""
    n_rows = MOST_ROWS + SPARE
    queries = tiles.lines(n_rows * n_group * d // tiles.TERMS).view(np.int8)
    return SeveralScratch(
        queries.reshape(n_rows, n_group, d),
        np.empty((n_rows, n_group), dtype=np.float32),
        block_attention.make_scratch(configuration, n_keys, d),
    )


@inlined
def rows_together(keys: Any, work: Any, lanes: Any, item: int, last: int, n_kv: int) -> Any:
    """How many items from `item` on, of those before `last`, are of one KV head and of one lane.

    keys: the cache's. One alone for pairs, whose products are no faster for more rows.
    """
    first, count = work.items[item], 1
    if keys.ndim == 7:  # blocks for pairs; numba compiles what arrays' types say, and no more
        return count
    while item + count < last and count < MOST_ROWS:
        after = work.items[item + count]
        if after != first + count * n_kv or lanes[after // n_kv] != lanes[first // n_kv]:
            break
        count += 1
    return count


@called
def attend_several(run: Any, place: Any, count: int, next_at: Any, scratch: Any) -> None:
    """As `attend_group` for `count` rows, at most MOST_ROWS; scratch: the last is for this."""
    wide_vectors()
    run, (own, _, several) = borrowed(run), borrowed(scratch)
    (model, cache, work, _), (layer, row, g, lane, at) = run, place
    n_group = several.queries.shape[1]
    for index in range(count):
        targets = several.queries[index], several.scales[index]
        place_queries(run, (layer, row + index, g, lane, at + index), own, targets)
    keys, values = cache.keys[layer, lane, g], cache.values[layer, lane, g]
    scales = cache.key_scales[layer, lane, g], cache.value_scales[layer, lane, g]
    head = several.queries, several.scales, keys, scales[0], values, scales[1], model.score_cap
    rows = np.int64(0), count, at, model.windows[layer]
    target = work.mixed[row : row + count], g * n_group
    _attend(work.configuration, model.isa, head, rows, next_at, several.head, target)


@inlined
def _attend(
    configuration: Any, isa: Any, head: Any, rows: Any, next_at: Any, scratch: Any, target: Any
) -> None:
    """Attention over a KV head of a lane, by the way's prefill; pairs, whose rows go alone: none.

    head, rows: see `prefill.attend_head`. target: mixed (rows, H, d), and the first head.
    """
    if configuration.ndim == 1:
        prefill.attend_head(head, rows, True, next_at, scratch, *target)
    elif configuration.ndim == 2:
        four_attention.attend_head(isa, head, rows, True, next_at, scratch, *target)
