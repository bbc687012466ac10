"""Beside an independent coder: constriction, given the same distributions."""

from __future__ import annotations

import constriction
import numpy as np
import pytest
from coder_samples import lane

from llmzip.coder import encode_lanes


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 6.0])
def test_no_larger_than_constriction(sharpness: float) -> None:
    rng = np.random.default_rng(20)
    n, size = 5_000, 40
    weights = np.exp(sharpness * rng.standard_normal((n, size)))
    freq = (weights / weights.sum(axis=1, keepdims=True) * 2**20).astype(np.uint64) + np.uint64(1)
    high = np.cumsum(freq, axis=1)
    total = high[:, -1]
    drawn = rng.integers(0, total)
    token = (high <= drawn[:, None]).sum(axis=1)
    rows = np.arange(n)
    low = high[rows, token] - freq[rows, token]
    symbols = list(zip(low.tolist(), freq[rows, token].tolist(), total.tolist(), strict=True))
    (payload,) = encode_lanes([lane(symbols)])

    encoder = constriction.stream.queue.RangeEncoder()
    family = constriction.stream.model.Categorical(perfect=False)
    probabilities = (freq / total[:, None].astype(np.float64)).astype(np.float64)
    encoder.encode(token.astype(np.int32), family, probabilities)
    theirs = encoder.get_compressed().nbytes
    assert theirs - 8 - theirs // 1000 <= len(payload) <= theirs + 2
