"""Attention of a decoding step in tiles: a KV head for up to MEMBERS queries of a lane at once.

Memory takes longer to bring a head than computing it takes. So with each part of the work goes
the asking for a part of what comes next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined
from llmzip.exact.aligned import LINE_BYTES
from llmzip.exact.cpu import tiles
from llmzip.exact.cpu.scalars import address_of, borrowed, f32, wide_vectors
from llmzip.exact.cpu.step_softmax import halve, line_ahead, weigh_scores

MEMBERS = tiles.ROWS // 2
"""Queries whose two halves fit a tile's rows."""
BLOCK = 2 * tiles.ROWS
"""Keys of one product with the queries; a divisor of TERMS."""
BLOCK_ASKED = 24
"""Lines that are asked for with 64 numbers of such a product."""


class TileScratch(NamedTuple):
    """What `attend_tiled` works in."""

    queries: NDArray[np.int32]  # (d / 4, 16): tiles of queries as columns
    sums: NDArray[np.int32]  # (BLOCK, 16): products of keys with queries
    scores: NDArray[np.int32]  # (MEMBERS, positions)
    weights: NDArray[np.float32]  # (positions,)
    halves: NDArray[np.int8]  # (16, positions): of the weights, high and MEMBERS further low
    factors: NDArray[np.float32]  # (MEMBERS,)
    total: NDArray[np.int64]  # (1,): the weights' sum
    mixed: NDArray[np.int32]  # (16, d)


@inlined
def make_scratch(n_keys: int, d: int) -> Any:
    """Scratch for up to n_keys keys, a multiple of tiles.TERMS."""
    queries = tiles.lines(d // tiles.TOGETHER)
    queries[:] = 0
    return TileScratch(
        queries,
        tiles.lines(BLOCK),
        tiles.lines(MEMBERS * n_keys // tiles.ROWS).reshape(MEMBERS, n_keys),
        tiles.lines(n_keys // tiles.ROWS).view(np.float32).reshape(n_keys),
        tiles.lines(tiles.ROWS * n_keys // tiles.TERMS).view(np.int8).reshape(tiles.ROWS, n_keys),
        np.empty(MEMBERS, dtype=np.float32),
        np.empty(1, dtype=np.int64),
        tiles.lines(d).reshape(tiles.ROWS, d),
    )


@called
def attend_tiled(
    queries: Any, query_scales: Any, seen: Any, rows: Any, next_at: Any, scratch: Any, place: Any
) -> None:
    """Attention of queries (n, d), those of rows that follow each other in a lane.

    seen: addresses of keys and values, and the scales of both, as many as the last row sees; the
    cap of scores. rows: how many queries each has, and the first one's keys: how many up to the
    last in view, and how many of them come before the first, or less than none. next_at: addresses
    of the keys, the values and the scales of both that memory is asked for meanwhile. place:
    mixed (rows, H, d), and which row and head of it the first query's is.
    """
    wide_vectors()
    queries, query_scales = borrowed(queries), borrowed(query_scales)
    seen, scratch, place = borrowed(seen), borrowed(scratch), borrowed(place)
    keys_at, values_at, key_scales, value_scales, cap = seen
    n_queries, n_keys, d = queries.shape[0], key_scales.size, np.int64(queries.shape[1])
    (n_group, n_seen, n_hidden), (mixed, row, head) = rows, place
    padded = (n_keys + tiles.TERMS - 1) // tiles.TERMS * tiles.TERMS
    for member in range(n_queries):
        fours = queries[member].view(np.int32)
        for k in range(fours.size):
            scratch.queries[k, member] = fours[k]
    n_lines, n_blocks = padded * d // LINE_BYTES, d // tiles.OUTPUTS
    _fill_scores(n_queries, keys_at, (next_at, n_lines), d, padded, scratch)
    asked = padded // BLOCK * BLOCK_ASKED * n_blocks
    for member in range(n_queries):
        below = np.int64(member // n_group)
        view = max(np.int64(0), n_hidden + below), n_seen + below
        own, ahead = (key_scales, value_scales, *view, cap), (next_at, n_lines, asked, padded)
        asked = _weigh(member, own, query_scales[member], ahead, scratch)
    for block in range(n_blocks):
        tiles.values_1x4(
            address_of(scratch.halves),
            np.int64(scratch.halves.shape[1]),
            values_at + block * (tiles.OUTPUTS * tiles.TOGETHER),
            np.int64(tiles.ROWS * tiles.TOGETHER),
            np.int64(padded),
            address_of(scratch.mixed) + block * (4 * tiles.OUTPUTS),
            4 * d,
            tiles.TOGETHER * d,
            line_ahead(next_at, n_lines, asked + block * (padded // tiles.TERMS * tiles.ASKED)),
        )
    for member in range(n_queries):
        high_sums, low_sums = scratch.mixed[member], scratch.mixed[MEMBERS + member]
        target = mixed[row + member // n_group, head + member % n_group]
        factor = scratch.factors[member]
        for i in range(d):
            target[i] = f32(np.int64(high_sums[i]) * 256 + np.int64(low_sums[i])) * factor


@inlined
def _fill_scores(
    n_queries: int, keys_at: Any, ahead: Any, d: Any, n_keys: int, scratch: Any
) -> None:
    """scores[m, j] = query m · key j; the first lines of what comes next are asked for."""
    zero, line, (next_at, n_lines) = np.int64(0), np.int64(4 * tiles.ROWS), ahead
    asked = np.int64(0)
    queries_at, sums_at = address_of(scratch.queries), address_of(scratch.sums)
    scores_at, score_line = address_of(scratch.scores), np.int64(4 * scratch.scores.shape[1])
    for j in range(0, n_keys, BLOCK):
        for _ in range(0, d, tiles.TERMS):
            first = line_ahead(next_at, n_lines, asked)
            for four in range(0, BLOCK_ASKED, 4):
                tiles.ask_for_lines(first + four * LINE_BYTES)
            asked += BLOCK_ASKED
        tiles.products_2x1(keys_at + j * d, d, queries_at, zero, d, sums_at, line)
        for member in range(0, n_queries, 4):
            for half in range(0, BLOCK, tiles.ROWS):
                from_at = sums_at + half * line + member * 4
                to_at = scores_at + member * score_line + (j + half) * 4
                tiles.four_columns(from_at, to_at, score_line)


@inlined
def _weigh(member: int, own: Any, q_scale: Any, ahead: Any, scratch: Any) -> Any:
    """A query's scores to the halves of its weights, with zeros around: see `weigh_scores`."""
    wide_vectors()
    inverse, after, asked = weigh_scores(member, own, q_scale, ahead, scratch)
    work_at, n_keys, padded = address_of(scratch.weights), own[3], ahead[3]
    high, low = scratch.halves[member], scratch.halves[MEMBERS + member]
    halve(work_at, n_keys, inverse, address_of(high), address_of(low), after)
    high[n_keys:padded] = 0
    low[n_keys:padded] = 0
    return asked
