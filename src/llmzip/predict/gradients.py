"""Gradients of the head's bias that are being summed up, several groups' side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.distribution import Engine, Ids

Gradient = NDArray[np.int64]


class Room(Protocol):
    """Gradients that an engine sums up where it runs."""

    def add(self, found: Any, tokens: Ids, of: Ids) -> None:
        """Add what came, tokens (rows,), less what the engine's distributions `found` said.

        of: (rows,), which wave's each row is; rows of a wave follow each other.
        """

    def taken(self, number: int) -> Gradient:
        """Return that of a wave, whose next begins at nothing."""


class Gradients:
    """Of each wave a gradient (V,), in parts that engines may add to at the same time."""

    def __init__(self, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._parts: defaultdict[int, dict[int, Gradient]] = defaultdict(dict)
        self._rooms: dict[int, Room] = {}

    def room(self, number: int, engine: Engine) -> Room | None:
        """Return where engine `number` sums up its own, if it is one that does."""
        if not hasattr(engine, "gradient_room"):
            return None
        if number not in self._rooms:
            self._rooms[number] = engine.gradient_room()
        return self._rooms[number]

    def of(self, wave: int, engine: int) -> Gradient:
        """Return what an engine may add to."""
        parts = self._parts[wave]
        if engine not in parts:
            parts[engine] = np.zeros(self._vocab_size, dtype=np.int64)
        return parts[engine]

    def take(self, wave: int) -> Gradient:
        """Return the sum of a wave, whose next begins at nothing."""
        total = np.zeros(self._vocab_size, dtype=np.int64)
        for part in self._parts.pop(wave, {}).values():
            total += part
        for room in self._rooms.values():
            total += room.taken(wave)
        return total


def runs(numbers: Ids) -> Iterator[tuple[int, slice]]:
    """Yield each number with the range of places where it stands, one range after the other."""
    ends = [*(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), len(numbers)]
    for start, stop in zip([0, *ends], ends, strict=False):
        yield int(numbers[start]), slice(start, stop)
