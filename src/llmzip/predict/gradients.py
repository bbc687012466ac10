"""Gradients of the head's bias that are being summed up, several groups' side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.distribution import Ids

Gradient = NDArray[np.int64]


class Gradients:
    """Of each wave a gradient (V,), in parts that engines may add to at the same time."""

    def __init__(self, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._parts: defaultdict[int, dict[int, Gradient]] = defaultdict(dict)

    def of(self, wave: int, engine: int) -> Gradient:
        """Return what an engine may add to."""
        parts = self._parts[wave]
        if engine not in parts:
            parts[engine] = np.zeros(self._vocab_size, dtype=np.int64)
        return parts[engine]

    def take(self, wave: int) -> Gradient:
        """Return the sum of a wave, whose next begins at nothing."""
        total = np.zeros(self._vocab_size, dtype=np.int64)
        for part in self._parts.pop(wave).values():
            total += part
        return total


def runs(numbers: Ids) -> Iterator[tuple[int, slice]]:
    """Yield each number with the range of places where it stands, one range after the other."""
    ends = [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for start, stop in zip([0, *ends], ends, strict=False):
        yield int(numbers[start]), slice(start, stop)
