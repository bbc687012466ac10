"""Kernels from the head's sums to intervals: the encoder's look-up, the decoder's search.

A row's distribution is never stored as frequencies: they are computed from the sums
where they are needed, a block at a time. V is the vocabulary's size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined, kernel
from llmzip.exact.bias import GRADIENT_BITS
from llmzip.exact.constants import FREQ_BITS
from llmzip.exact.cpu.caps import cap_scores
from llmzip.exact.cpu.scalars import (
    borrowed,
    exp2_below,
    f32,
    i32,
    maximum,
    rounded_far,
    wide_vectors,
)

FREQ_SCALE = f32(1 << FREQ_BITS)
FREQ_UNIT = np.float64(2.0**-FREQ_BITS)
BLOCK = 512
"""Tokens whose frequencies the search sums at once."""
GRADIENT_UNIT = np.float64(2.0 ** (GRADIENT_BITS + FREQ_BITS))
GRADIENT_ROWS = 64
"""Rows whose probabilities int32 sums: 2^24 · 64 < 2^31."""


@inlined
def fill_logits(sums: Any, scale: Any, bias: Any, cap: Any, s: Any, logits: Any) -> None:
    """Base-2 logits of a row into `logits`, from as many of its sums; cap: see `caps.cap_of`."""
    wide_vectors()
    for v in range(logits.size):
        logits[v] = f32(sums[v]) * scale[v] * s
    if cap.size:
        cap_scores(cap, cap[0], logits)
    if bias.size:
        for v in range(logits.size):
            logits[v] = logits[v] + bias[v]


@inlined
def frequency_sum(logits: Any, top: Any) -> Any:
    """Σ (2^(logit - top) in FREQ_BITS fraction bits, rounded, + 1) over a slice."""
    wide_vectors()
    total = np.int64(0)
    for v in range(logits.size):
        total += np.int64(rounded_far(exp2_below(logits[v] - top) * FREQ_SCALE))
    return total + np.int64(logits.size)


@kernel
def token_intervals(rows: Any, linear: Any, found: Any) -> None:
    """Intervals of given tokens in the rows' distributions.

    rows: sums (M, V), scales (M,), tokens (M,). linear: scale and bias (V,), and the cap of logits.
    found, which is filled in, (M,): low, freq, total, uint64, and bits, float64, the cross-entropy
    before rounding.
    """
    wide_vectors()
    (sums, s, tokens), (scale, bias, cap) = borrowed(rows), borrowed(linear)
    (low, freq, total, bits), logits = found, np.empty(sums.shape[1], dtype=np.float32)
    for row in range(sums.shape[0]):
        token = tokens[row]
        fill_logits(sums[row], scale, bias, cap, s[row], logits)
        top = maximum(logits)
        below = frequency_sum(logits[:token], top)
        own = frequency_sum(logits[token : token + 1], top)
        above = frequency_sum(logits[token + 1 :], top)
        low[row], freq[row], total[row] = below, own, below + own + above
        mass = np.float64(below + own + above - logits.size) * FREQ_UNIT
        bits[row] = np.log2(mass) - np.float64(logits[token] - top)


@inlined
def weigh(logits: Any, top: Any) -> Any:
    """Logits to weights 2^(logit - top), in place; return their frequencies' sum."""
    wide_vectors()
    total = np.int64(0)
    for v in range(logits.size):
        weight = exp2_below(logits[v] - top)
        logits[v] = weight
        total += np.int64(rounded_far(weight * FREQ_SCALE))
    return total + np.int64(logits.size)


@inlined
def _weight_sum(weights: Any) -> Any:
    """The sum of frequencies of a slice of weights."""
    wide_vectors()
    total = np.int64(0)
    for v in range(weights.size):
        total += np.int64(rounded_far(weights[v] * FREQ_SCALE))
    return total + np.int64(weights.size)


@kernel
def block_sums(rows: Any, linear: Any, weights: Any, blocks: Any) -> None:
    """Weights (M, V), and their frequencies' sums by blocks (M, V / BLOCK).

    rows: sums (M, V), scales (M,), and which of the biases each has, (M,). linear: scale (V,),
    biases (n, V), or (n, 0) for none, and the cap of logits.
    """
    wide_vectors()
    (sums, s, bias_of), (scale, bias, cap) = borrowed(rows), borrowed(linear)
    for row in range(sums.shape[0]):
        line = weights[row]
        fill_logits(sums[row], scale, bias[bias_of[row]], cap, s[row], line)
        top = maximum(line)
        for block in range(blocks.shape[1]):
            blocks[row, block] = weigh(line[block * BLOCK : (block + 1) * BLOCK], top)


@kernel
def find_tokens(
    weights: Any, blocks: Any, rows: Any, targets: Any, tokens: Any, low: Any, freq: Any
) -> None:
    """The token whose interval holds each target (M,), with its low and freq.

    rows (M,): which of the weights and blocks each target is for; so in all that follow.
    """
    wide_vectors()
    for i in range(targets.size):
        sums, line = blocks[rows[i]], weights[rows[i]]
        target, below, block = np.int64(targets[i]), np.int64(0), 0
        while block < sums.size - 1 and below + sums[block] <= target:
            below += sums[block]
            block += 1
        token = block * BLOCK
        own = _weight_sum(line[token : token + 1])
        while below + own <= target and token < line.size - 1:
            below += own
            token += 1
            own = _weight_sum(line[token : token + 1])
        tokens[i], low[i], freq[i] = token, below, own


@kernel
def look_up(weights: Any, blocks: Any, rows: Any, ids: Any, low: Any, freq: Any) -> None:
    """Where given tokens (M, C) lie in the rows' distributions: fills low and freq (uint64)."""
    wide_vectors()
    for i in range(ids.shape[0]):
        sums, line = blocks[rows[i]], weights[rows[i]]
        for column in range(ids.shape[1]):
            token = ids[i, column]
            block = token // BLOCK
            below = np.int64(0)
            for b in range(block):
                below += sums[b]
            low[i, column] = below + _weight_sum(line[block * BLOCK : token])
            freq[i, column] = _weight_sum(line[token : token + 1])


@kernel
def frequencies(weights: Any, rows: Any, freq: Any) -> None:
    """The frequencies of all tokens, into int64 freq (M, V)."""
    wide_vectors()
    for i in range(rows.size):
        line = weights[rows[i]]
        for v in range(line.size):
            freq[i, v] = np.int64(rounded_far(line[v] * FREQ_SCALE)) + np.int64(1)


@kernel
def add_gradient(weights: Any, blocks: Any, rows: Any, tokens: Any, gradient: Any) -> None:
    """Add to int64 gradient (V,) what came less what was predicted; see `bias.HeadBias`."""
    wide_vectors()
    units = np.empty(GRADIENT_ROWS, dtype=np.float32)
    part = np.empty(BLOCK, dtype=np.int32)
    for start in range(0, tokens.size, GRADIENT_ROWS):
        stop = min(start + GRADIENT_ROWS, tokens.size)
        for i in range(start, stop):
            total = np.int64(0)
            for b in range(blocks.shape[1]):
                total += blocks[rows[i], b]
            units[i - start] = f32(GRADIENT_UNIT / np.float64(total))
            gradient[tokens[i]] += np.int64(1) << GRADIENT_BITS
        for first in range(0, gradient.size, BLOCK):
            last = min(first + BLOCK, gradient.size)
            part[:] = 0
            for i in range(start, stop):
                line, unit = weights[rows[i], first:last], units[i - start]
                for v in range(line.size):
                    part[v] = i32(part[v] + rounded_far(line[v] * unit))
            own = gradient[first:last]
            for v in range(own.size):
                own[v] -= np.int64(part[v])
