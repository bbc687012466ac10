"""The kernel between the qkv linear and attention: queries out, keys and values into the cache."""

from __future__ import annotations

import triton.language as tl

from llmzip.exact.cuda.rows import load_linear
from llmzip.exact.cuda.scalars import I8_LIMIT, I8_UNIT, kernel, largest, round_small


@kernel
def split_heads(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s_in: tl.tensor,
    lanes: tl.tensor,
    at: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    q: tl.tensor,
    q_scale: tl.tensor,
    keys: tl.tensor,
    key_scales: tl.tensor,
    values: tl.tensor,
    value_scales: tl.tensor,
    n_rows: tl.tensor,
    n_positions: tl.tensor,
    SUMS: tl.constexpr,
    HEADS: tl.constexpr,
    KV: tl.constexpr,
    D: tl.constexpr,
    BIASED: tl.constexpr,
    ROTARY: tl.constexpr,
    SCORE_SCALE: tl.constexpr,
    BLOCK_HEADS: tl.constexpr,
    BLOCK_D: tl.constexpr,
) -> None:
    """De-quantise sums (M, (HEADS + 2 KV) D), rotate, quantise; keys and values go to the cache.

    q: int8 (KV, M, G, D), q_scale: float32 (KV, M, G), times SCORE_SCALE. keys, values: one
    layer of the cache, (n_lanes, KV, n_positions, D); their scales alike without D. A row
    without a lane (-1) fills up a batch: it stores nothing in the cache.
    """
    row = tl.program_id(0).to(tl.int64)
    lane, position = tl.load(lanes + row), tl.load(at + row)
    heads = tl.arange(0, BLOCK_HEADS)
    inner = tl.arange(0, BLOCK_D)
    head, i = heads[:, None], inner[None, :]
    inside = (head < HEADS + 2 * KV) & (i < D)
    s = tl.load(s_in + row)
    x = load_linear(sums + row * SUMS, scale, bias, s, head * D + i, inside, BIASED)
    if ROTARY:
        HALF: tl.constexpr = D // 2
        partner = head * D + (i + HALF) % D
        other = load_linear(sums + row * SUMS, scale, bias, s, partner, inside, BIASED)
        angle = position * HALF + inner % HALF
        c = tl.load(cos + angle, mask=inner < D, other=0.0)[None, :]
        turn = tl.load(sin + angle, mask=inner < D, other=0.0)[None, :]
        turned = tl.where(i < HALF, x * c - other * turn, x * c + other * turn)
        x = tl.where(head < HEADS + KV, turned, x)
    top = largest(x, 1)
    numbers = round_small(x * tl.div_rn(I8_LIMIT, top)[:, None]).to(tl.int8)
    unit = top * I8_UNIT

    G: tl.constexpr = HEADS // KV
    spot = ((heads // G) * n_rows + row) * G + heads % G
    tl.store(q + spot[:, None] * D + i, numbers, mask=inside & (head < HEADS))
    tl.store(q_scale + spot, unit * SCORE_SCALE, mask=heads < HEADS)

    # Without a lane (-1), slots of real heads are negative.
    slot = lane * KV + heads - HEADS
    is_key = (heads >= HEADS) & (heads < HEADS + KV) & (slot >= 0)
    spot = slot * n_positions + position
    tl.store(keys + spot[:, None] * D + i, numbers, mask=inside & is_key[:, None])
    tl.store(key_scales + spot, unit, mask=is_key)
    slot = slot - KV
    is_value = (heads >= HEADS + KV) & (heads < HEADS + 2 * KV) & (slot >= 0)
    spot = slot * n_positions + position
    tl.store(values + spot[:, None] * D + i, numbers, mask=inside & is_value[:, None])
    tl.store(value_scales + spot, unit, mask=is_value)
