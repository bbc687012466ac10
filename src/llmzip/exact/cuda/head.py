"""Kernels from the head's sums to intervals: the encoder's look-up, the decoder's search.

One program a row. A row's distribution is never stored: frequencies are computed from the sums
where they are needed. V is the vocabulary's size, SUMS >= V the distance between rows of sums;
of biases (n, V) each row has the one that bias_of (M,) says.
"""

from __future__ import annotations

import triton.language as tl

from llmzip.exact.cuda.scalars import FREQ_SCALE, capped, dequantise, exp2, kernel, round_frequency

SEARCH_BLOCK = 512
"""Tokens whose frequencies the search sums at once."""
GRADIENT_ROWS = 64
"""Rows of a group that a program takes off its gradient."""


@kernel
def load_logits(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    row_scale: tl.tensor,
    at: tl.tensor,
    mask: tl.tensor,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
) -> tl.tensor:
    """Logits, de-quantised outputs, at columns `at`; CAP_DEPTH: see `scalars.cap_constants`."""
    total = tl.load(sums + at, mask=mask, other=0).to(tl.float32)
    value = dequantise(total, tl.load(scale + at, mask=mask, other=0.0), row_scale)
    if CAP_DEPTH != 0.0:
        value = capped(value * CAP_UNIT, CAP_DEPTH)
    if BIASED:
        value = value + tl.load(bias + at, mask=mask, other=0.0)
    return value


@kernel
def top_logit(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s: tl.tensor,
    V: tl.constexpr,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tl.tensor:
    """The largest base-2 logit of a row."""
    tops = tl.full((BLOCK,), float("-inf"), tl.float32)
    for first in range(0, V, BLOCK):
        token = first + tl.arange(0, BLOCK)
        logits = load_logits(sums, scale, bias, s, token, token < V, BIASED, CAP_UNIT, CAP_DEPTH)
        tops = tl.maximum(tops, tl.where(token < V, logits, float("-inf")))
    return tl.max(tops, 0)


@kernel
def frequencies(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    s: tl.tensor,
    top: tl.tensor,
    token: tl.tensor,
    V: tl.constexpr,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
) -> tl.tensor:
    """Frequencies of tokens, int64: 2^(logit - top) in FREQ_BITS fraction bits, + 1; 0 past V."""
    logits = load_logits(sums, scale, bias, s, token, token < V, BIASED, CAP_UNIT, CAP_DEPTH)
    below_top = tl.where(token < V, logits - top, 0.0)
    freq = round_frequency(exp2(below_top) * FREQ_SCALE) + 1
    return tl.where(token < V, freq, 0).to(tl.int64)


@kernel
def token_intervals(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    bias_of: tl.tensor,
    s_in: tl.tensor,
    tokens: tl.tensor,
    found: tl.tensor,
    n_rows: tl.tensor,
    V: tl.constexpr,
    SUMS: tl.constexpr,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Intervals of given tokens (M,) in the rows' distributions, from sums (M, SUMS).

    found: int64 (4, n_rows): low, freq, total, and the bits of float32 logit - top.
    """
    row = tl.program_id(0).to(tl.int64)
    s, wanted = tl.load(s_in + row), tl.load(tokens + row)
    line, bias = sums + row * SUMS, bias + tl.load(bias_of + row) * V
    top = top_logit(line, scale, bias, s, V, BIASED, CAP_UNIT, CAP_DEPTH, BLOCK)
    total, low = tl.zeros((BLOCK,), tl.int64), tl.zeros((BLOCK,), tl.int64)
    for first in range(0, V, BLOCK):
        token = first + tl.arange(0, BLOCK)
        freq = frequencies(line, scale, bias, s, top, token, V, BIASED, CAP_UNIT, CAP_DEPTH)
        total += freq
        low += tl.where(token < wanted, freq, 0)
    own = load_logits(line, scale, bias, s, wanted, wanted < V, BIASED, CAP_UNIT, CAP_DEPTH) - top
    freq = (round_frequency(exp2(own) * FREQ_SCALE) + 1).to(tl.int64)
    tl.store(found + row, tl.sum(low, 0))
    tl.store(found + n_rows + row, freq)
    tl.store(found + 2 * n_rows + row, tl.sum(total, 0))
    tl.store(found + 3 * n_rows + row, own.to(tl.int32, bitcast=True).to(tl.int64))


@kernel
def block_sums(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    bias_of: tl.tensor,
    s_in: tl.tensor,
    tops: tl.tensor,
    blocks: tl.tensor,
    totals: tl.tensor,
    V: tl.constexpr,
    SUMS: tl.constexpr,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
    N_BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Largest logits (M,), frequencies' sums by blocks (M, N_BLOCKS) and in all (M,), from sums."""
    row = tl.program_id(0).to(tl.int64)
    s, line, bias = tl.load(s_in + row), sums + row * SUMS, bias + tl.load(bias_of + row) * V
    top = top_logit(line, scale, bias, s, V, BIASED, CAP_UNIT, CAP_DEPTH, BLOCK)
    total = tl.full((), 0, tl.int64)
    for block in range(N_BLOCKS):
        token = block * BLOCK + tl.arange(0, BLOCK)
        part = tl.sum(
            frequencies(line, scale, bias, s, top, token, V, BIASED, CAP_UNIT, CAP_DEPTH), 0
        )
        tl.store(blocks + row * N_BLOCKS + block, part)
        total += part
    tl.store(tops + row, top)
    tl.store(totals + row, total)


@kernel
def find_tokens(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    bias_of: tl.tensor,
    s_in: tl.tensor,
    tops: tl.tensor,
    blocks: tl.tensor,
    targets: tl.tensor,
    found: tl.tensor,
    n_rows: tl.tensor,
    V: tl.constexpr,
    SUMS: tl.constexpr,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
    N_BLOCKS: tl.constexpr,
    BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """The token whose interval holds each target (M,), below its row's total.

    found: int64 (3, n_rows): token, low, freq. BLOCKS: N_BLOCKS rounded up to a power of two.
    """
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(targets + row)
    block = tl.arange(0, BLOCKS)
    known = block < N_BLOCKS
    ends = tl.cumsum(tl.load(blocks + row * N_BLOCKS + block, mask=known, other=0), 0)
    before = known & (ends <= target)
    below = tl.max(tl.where(before, ends, 0), 0)
    token = tl.sum(before.to(tl.int32), 0) * BLOCK + tl.arange(0, BLOCK)

    s, line, top = tl.load(s_in + row), sums + row * SUMS, tl.load(tops + row)
    bias += tl.load(bias_of + row) * V
    freq = frequencies(line, scale, bias, s, top, token, V, BIASED, CAP_UNIT, CAP_DEPTH)
    ends = below + tl.cumsum(freq, 0)
    before = (token < V) & (ends <= target)
    low = tl.maximum(tl.max(tl.where(before, ends, 0), 0), below)
    here = tl.min(token, 0) + tl.sum(before.to(tl.int32), 0)
    tl.store(found + row, here.to(tl.int64))
    tl.store(found + n_rows + row, low)
    tl.store(found + 2 * n_rows + row, tl.sum(tl.where(token == here, freq, 0), 0))


@kernel
def look_up(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    bias_of: tl.tensor,
    s_in: tl.tensor,
    tops: tl.tensor,
    blocks: tl.tensor,
    ids: tl.tensor,
    found: tl.tensor,
    n_found: tl.tensor,
    n_columns: tl.tensor,
    V: tl.constexpr,
    SUMS: tl.constexpr,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
    N_BLOCKS: tl.constexpr,
    BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Where given tokens (M, n_columns) lie, a program each. found: int64 (2, n_found): low, freq.

    BLOCKS: N_BLOCKS rounded up to a power of two.
    """
    place = tl.program_id(0).to(tl.int64)
    row, wanted = place // n_columns, tl.load(ids + place)
    block = tl.arange(0, BLOCKS)
    before = block < wanted // BLOCK
    sums_before = tl.load(blocks + row * N_BLOCKS + block, mask=before, other=0)
    s, line, top = tl.load(s_in + row), sums + row * SUMS, tl.load(tops + row)
    bias += tl.load(bias_of + row) * V
    token = wanted // BLOCK * BLOCK + tl.arange(0, BLOCK)
    freq = frequencies(line, scale, bias, s, top, token, V, BIASED, CAP_UNIT, CAP_DEPTH)
    low = tl.sum(sums_before, 0) + tl.sum(tl.where(token < wanted, freq, 0), 0)
    tl.store(found + place, low)
    tl.store(found + n_found + place, tl.sum(tl.where(token == wanted, freq, 0), 0))


@kernel
def store_frequencies(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    bias_of: tl.tensor,
    s_in: tl.tensor,
    tops: tl.tensor,
    found: tl.tensor,
    V: tl.constexpr,
    SUMS: tl.constexpr,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """The frequencies of all tokens, int64 (M, V): a program for each row and block of tokens."""
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    s, line, top = tl.load(s_in + row), sums + row * SUMS, tl.load(tops + row)
    bias += tl.load(bias_of + row) * V
    token = block * BLOCK + tl.arange(0, BLOCK)
    freq = frequencies(line, scale, bias, s, top, token, V, BIASED, CAP_UNIT, CAP_DEPTH)
    tl.store(found + row * V + token, freq, mask=token < V)


@kernel
def subtract_probabilities(
    sums: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    bias_of: tl.tensor,
    s_in: tl.tensor,
    tops: tl.tensor,
    units: tl.tensor,
    ends: tl.tensor,
    places: tl.tensor,
    gradients: tl.tensor,
    V: tl.constexpr,
    SUMS: tl.constexpr,
    BIASED: tl.constexpr,
    CAP_UNIT: tl.constexpr,
    CAP_DEPTH: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
) -> None:
    """Take the tokens' probabilities in all rows of a group off its gradient, int64 (V,).

    A program a block of tokens, a group and ROWS of its rows: these are ends[g] to ends[g + 1] - 1,
    and of `gradients` row places[g] is its own. units: float32 (M,), what a weight of 1 is in
    GRADIENT_BITS fraction bits. Sums of integers are the same in whatever order they are added up.
    """
    token = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    group = tl.program_id(1)
    first = tl.load(ends + group) + tl.program_id(2) * ROWS
    stop = tl.minimum(first + ROWS, tl.load(ends + group + 1))
    total = tl.zeros((BLOCK,), tl.int64)
    for row in range(first, stop):
        s, line, own = tl.load(s_in + row), sums + row * SUMS, bias + tl.load(bias_of + row) * V
        logits = load_logits(line, scale, own, s, token, token < V, BIASED, CAP_UNIT, CAP_DEPTH)
        weight = exp2(tl.where(token < V, logits - tl.load(tops + row), 0.0))
        total += round_frequency(weight * tl.load(units + row)).to(tl.int64)
    place = gradients + tl.load(places + group) * V + token
    tl.atomic_add(place, -total, mask=token < V)
