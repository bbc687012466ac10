"""How much a message surprises its model."""

from __future__ import annotations

from math import log2

from llmzip.predict.protocol import Intervals


def bits_of(intervals: Intervals | None) -> float:
    """Return the sum of its tokens' bits; None stands for a message without tokens."""
    if intervals is None:
        return 0.0
    pairs = zip(intervals.freq.tolist(), intervals.total.tolist(), strict=True)
    return sum(log2(total) - log2(freq) for freq, total in pairs)
