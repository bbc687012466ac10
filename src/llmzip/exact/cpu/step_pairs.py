"""Attention of a decoding step by pairs of int16: a KV head for all queries of its group.

As in `step_tiles`: memory takes longer to bring a head than computing it takes, so with each part
of the work goes the asking for a part of what comes next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined
from llmzip.exact.aligned import LINE_BYTES
from llmzip.exact.cpu.pairs import LINE, OUTPUTS, TOGETHER, block_products, widen
from llmzip.exact.cpu.scalars import address_of, borrowed, f32
from llmzip.exact.cpu.step_softmax import ask_ahead, round_weights, weigh_scores

BLOCK_ASKED = 16
"""Lines that are asked for with 64 numbers of a block of keys."""
NEAR_KEYS = 128
"""Positions whose values stay in the first cache while all columns of them are read."""
NEAR_ASKED = 8
"""Lines that are asked for with such values and a block of columns."""


class PairScratch(NamedTuple):
    """What `attend_paired` works in."""

    queries: NDArray[np.int16]  # (G, d)
    scores: NDArray[np.int32]  # (G, positions)
    weights: NDArray[np.float32]  # (positions,)
    rounded: NDArray[np.int16]  # (G, positions)
    factors: NDArray[np.float32]  # (G,)
    total: NDArray[np.int64]  # (1,): the weights' sum
    part: NDArray[np.int32]  # (G, d)
    mixed: NDArray[np.int64]  # (G, d)


@inlined
def make_scratch(n_keys: int, n_group: int, d: int) -> Any:
    """Scratch for up to n_keys keys, a multiple of OUTPUTS."""
    return PairScratch(
        np.empty((n_group, d), dtype=np.int16),
        np.empty((n_group, n_keys), dtype=np.int32),
        np.empty(n_keys, dtype=np.float32),
        np.empty((n_group, n_keys), dtype=np.int16),
        np.empty(n_group, dtype=np.float32),
        np.empty(1, dtype=np.int64),
        np.empty((n_group, d), dtype=np.int32),
        np.empty((n_group, d), dtype=np.int64),
    )


@called
def attend_paired(
    queries: Any, query_scales: Any, seen: Any, next_at: Any, scratch: Any, mixed: Any
) -> None:
    """Attention of a group's queries (G, d) into mixed (G, d).

    seen: addresses of keys and values, and the scales of both, as many as there are keys up to the
    last in view; how many of them come before the first in view; the cap of scores. next_at:
    addresses of the keys, the values and the scales of both that memory is asked for meanwhile.
    """
    queries, query_scales, seen = borrowed(queries), borrowed(query_scales), borrowed(seen)
    scratch, mixed = borrowed(scratch), borrowed(mixed)
    keys_at, (n_group, d) = seen[0], queries.shape
    n_keys = np.int64(seen[2].size)
    padded = (n_keys + OUTPUTS - 1) // OUTPUTS * OUTPUTS
    n_lines = padded * d // LINE_BYTES
    widen(queries, scratch.queries)
    asked = np.int64(0)
    for j in range(0, padded, OUTPUTS):
        for _ in range(0, d, LINE_BYTES):
            asked = ask_ahead(next_at, n_lines, asked, BLOCK_ASKED)
        block_products(
            n_group,
            address_of(scratch.queries),
            np.int64(2 * d),
            keys_at + j * d,
            np.int64(LINE),
            np.int64(d // TOGETHER),
            address_of(scratch.scores) + 4 * j,
            np.int64(4 * scratch.scores.shape[1]),
        )
    own, work_at = (*seen[2:5], n_keys, seen[5]), address_of(scratch.weights)
    for member in range(n_group):
        ahead, rounded = (next_at, n_lines, asked, padded), scratch.rounded[member]
        inverse, after, asked = weigh_scores(member, own, query_scales[member], ahead, scratch)
        round_weights(work_at, n_keys, inverse, address_of(rounded), after)
        rounded[n_keys:padded] = 0
    _mix(seen[1], padded, (next_at, n_lines, asked), scratch)
    for member in range(n_group):
        sums, target, factor = scratch.mixed[member], mixed[member], scratch.factors[member]
        for i in range(d):
            target[i] = f32(sums[i]) * factor


@inlined
def _mix(values_at: Any, padded: Any, ahead: Any, scratch: Any) -> None:
    """mixed[m] = Σ_j rounded[m, j] · values[j]; what has not been asked for is."""
    (next_at, n_lines, asked), (n_group, d) = ahead, scratch.mixed.shape
    scratch.mixed[:] = 0
    for first in range(0, padded, NEAR_KEYS):
        n_pairs = min(NEAR_KEYS, padded - first) // TOGETHER
        for i in range(0, d, OUTPUTS):
            if asked < 2 * n_lines:
                asked = ask_ahead(next_at, n_lines, asked, NEAR_ASKED)
            block_products(
                n_group,
                address_of(scratch.rounded) + 2 * first,
                np.int64(2 * scratch.rounded.shape[1]),
                values_at + first * d + TOGETHER * i,
                np.int64(TOGETHER * d),
                np.int64(n_pairs),
                address_of(scratch.part) + 4 * i,
                np.int64(4 * d),
            )
        for member in range(n_group):
            total, part = scratch.mixed[member], scratch.part[member]
            for i in range(d):
                total[i] += np.int64(part[i])
