"""What becomes of blocks of sums in prefill, whatever has computed the products.

A block is the sums of up to PAIR rows with WIDTH outputs. x, the stream, is (M, D) float32; what a
linear takes is int8 (M, K) with float32 scales (M,).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import inlined
from llmzip.exact.cpu import prefill_passes as passes
from llmzip.exact.cpu.attention import place_head, put_value
from llmzip.exact.cpu.head_blocks import HALF
from llmzip.exact.cpu.scalars import address_of, f32, largest, wide_vectors
from llmzip.exact.cpu.simd import copy_bytes
from llmzip.exact.cpu.tiles import lines
from llmzip.exact.cpu.vectors import BLOCK, LINE

ROWS = passes.ROWS
PAIR = 2 * ROWS
"""Rows of a block of sums, or outputs."""
WIDTH = BLOCK
"""Outputs of a block of sums."""
SUMS_BYTES = 4 * PAIR * WIDTH
"""Bytes of a block of sums."""
ANGLE_BYTES = 4 * HALF
"""Bytes of the cosines, or of the sines, of a block of a head."""


@inlined
def normalise_rows(isa: Any, stream: Any, eps: float, found: Any, first: int, n_rows: int) -> None:
    """The norms of n_rows rows x from `first` on, into q and s.

    stream: x, q, s. found: their largest magnitudes, which are cleared, and memory for squares and
    scales.
    """
    (x, q, s), (largest, squares, scales) = stream, found
    width = np.int64(x.shape[1])
    for r in range(0, n_rows, ROWS):
        block, at = min(ROWS, n_rows - r), (first + r) * width
        rows = address_of(x) + 4 * at, np.int64(block), width, eps
        own = address_of(squares), address_of(q) + at, address_of(scales)
        passes.normalise_rows(isa, *rows, address_of(largest) + r * LINE, *own)
        for i in range(block):
            s[first + r + i] = scales[i]
    largest[:] = 0


@inlined
def halve_rows(
    isa: Any, floats: Any, n_rows: int, n_active: Any, inverses: Any, scales: Any, halves: Any
) -> None:
    """16-bit integers of rows whose largest magnitudes are known, as halves; addresses all.

    floats: blocks of WIDTH floats of all rows, how many bytes a block has, and the largest
    magnitudes. halves: of ROWS rows each, high ones (ROWS, n_active) and below them low ones.
    """
    active, line, largest = floats
    for r in range(0, n_rows, ROWS):
        passes.fold_wide(largest + r * LINE, inverses + 4 * r, scales + 4 * r)
        high = halves + 2 * r * n_active
        own = inverses + 4 * r, np.int64(min(ROWS, n_rows - r))
        for c in range(n_active // WIDTH):
            block, place = active + c * line + r * (4 * WIDTH), high + c * WIDTH
            passes.halve_block(isa, block, *own, place, place + ROWS * n_active, n_active)


@inlined
def copy_block(block: Any, n_rows: int, sums: Any) -> None:
    """A block's sums to where those of all outputs lie together."""
    wide_vectors()
    for row in range(n_rows):
        own, target = block[row], sums[row]
        for i in range(target.size):
            target[i] = own[i]


class HeadScratch(NamedTuple):
    """What `put_heads` works in."""

    sums: NDArray[np.int32]  # (blocks, PAIR, WIDTH): sums by blocks, and what becomes of them
    taken: NDArray[np.int8]  # (PAIR, d)
    largest: NDArray[np.float32]  # (PAIR, 16)
    inverses: NDArray[np.float32]  # (PAIR,)
    scales: NDArray[np.float32]  # (PAIR,)


@inlined
def head_scratch(d: int) -> Any:
    """Make a `HeadScratch` for heads of d numbers, in whole lines of memory."""
    n_blocks = d // WIDTH
    return HeadScratch(
        lines(n_blocks * PAIR * WIDTH // ROWS).reshape(n_blocks, PAIR, WIDTH),
        lines(n_blocks * PAIR).view(np.int8).reshape(PAIR, d),
        lines(PAIR).view(np.float32),
        np.empty(PAIR, dtype=np.float32),
        np.empty(PAIR, dtype=np.float32),
    )


@inlined
def _norm_heads(
    gains: Any, head: int, norms: Any, angles: Any, at: Any, r: int, block: int, own: Any
) -> None:
    """Norm and rotate a head's values of rows from r on, floats in place of sums."""
    wide_vectors()
    if gains.shape[0]:
        cos, sin, _ = angles
        rotary, lines, d = cos.shape[0] > 0, own.sums.view(np.float32), own.taken.shape[1]
        x, spare = np.empty(d, dtype=np.float32), np.empty(d, dtype=np.float32)
        own.largest[:] = 0
        for i in range(block):
            p = at[r + i] if rotary else 0
            for b in range(lines.shape[0]):
                x[b * WIDTH : (b + 1) * WIDTH] = lines[b, i]
            own_angles = rotary, cos[p:], sin[p:]
            x, spare = place_head(gains, head, norms, f32(1), own_angles, x, spare)
            for b in range(lines.shape[0]):
                lines[b, i] = x[b * WIDTH : (b + 1) * WIDTH]
            own.largest[i, 0] = largest(x)


@inlined
def put_heads(
    isa: Any, head: int, r: int, block: int, linear: Any, s: Any, placing: Any, own: Any
) -> None:
    """What `attention.split_heads` does with one head of a block of rows from r on.

    linear: its scale and bias. s: the rows' scales. placing: see there. own: a `HeadScratch` with
    the sums.
    """
    (scale, bias), ((lanes, at), angles, gains, norms, targets) = linear, placing
    cos, sin, score_scale = angles
    queries, query_scales, keys, key_scales, values, value_scales = targets
    n_kv, n_rows, n_group, d = queries.shape
    n_heads, none, n_blocks = n_kv * n_group, np.int64(0), own.sums.shape[0]
    is_scored = head < n_heads + n_kv
    rotary = cos.shape[0] > 0 and is_scored and not gains.shape[0]  # else `_norm_heads` does it
    own.largest[:] = 0
    for b in range(n_blocks):
        c, angle = head * d + b * WIDTH, b * ANGLE_BYTES
        passes.head_block(
            address_of(own.sums) + b * SUMS_BYTES,
            address_of(scale) + 4 * c,
            passes.bias_at(bias, c),
            address_of(s) + 4 * r,
            np.int64(block),
            address_of(cos) + angle if rotary else none,
            address_of(sin) + angle if rotary else none,
            np.int64(n_blocks * ANGLE_BYTES),
            address_of(at) + 8 * r,
            address_of(own.largest),
        )
    if is_scored:
        _norm_heads(gains, head, norms, angles, at, r, block, own)
    for half in range(0, PAIR, ROWS):
        passes.fold_narrow(
            address_of(own.largest) + half * LINE,
            address_of(own.inverses) + 4 * half,
            address_of(own.scales) + 4 * half,
        )
    g, member = head // n_group, head % n_group
    out_at, stride = address_of(own.taken), np.int64(d)
    if head < n_heads:
        stride = np.int64(n_group * d)
        out_at = address_of(queries) + (g * n_rows + r) * stride + member * d
    for b in range(n_blocks):
        sums_at, inverses_at = address_of(own.sums) + b * SUMS_BYTES, address_of(own.inverses)
        passes.round_block(isa, sums_at, inverses_at, np.int64(block), out_at + b * WIDTH, stride)
    if head < n_heads:
        for i in range(block):
            query_scales[g, r + i, member] = own.scales[i] * score_scale
    elif head < n_heads + n_kv:
        g = head - n_heads
        for i in range(block):
            lane, position = lanes[r + i], at[r + i]
            key_scales[lane, g, position] = own.scales[i]
            target = address_of(keys[lane, g, position])
            copy_bytes(target, address_of(own.taken[i]), np.int64(d))
    else:
        g = head - n_heads - n_kv
        for i in range(block):
            lane, position = lanes[r + i], at[r + i]
            value_scales[lane, g, position] = own.scales[i]
            if values.shape[4] == 1:  # positions do not lie together
                target = address_of(values[lane, g, position])
                copy_bytes(target, address_of(own.taken[i]), np.int64(d))
            else:
                put_value(own.taken[i], values[lane, g], position)
