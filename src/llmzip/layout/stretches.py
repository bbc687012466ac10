"""Stretches of a text, in order: an array that grows at its end and forgets its beginning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FIRST_ROOM = 64


class Stretches:
    """Starts and stops (exclusive) of stretches that follow each other."""

    def __init__(self) -> None:
        self._room: NDArray[np.int64] = np.zeros((_FIRST_ROOM, 2), dtype=np.int64)
        self._n = 0

    @property
    def all(self) -> NDArray[np.int64]:
        """All of them, [n, 2]."""
        return self._room[: self._n]

    def add(self, start: int, stop: int) -> None:
        """Add one that comes after those that are there."""
        if self._n == len(self._room):
            self._room = np.concatenate([self._room, np.zeros_like(self._room)])
        self._room[self._n] = start, stop
        self._n += 1

    def forget(self, before: int) -> None:
        """Drop those that stop there or earlier."""
        first = int(np.searchsorted(self.all[:, 1], before, side="right"))
        if first > self._n // 2:
            kept = self.all[first:]
            self._room = np.concatenate([kept, np.zeros((_FIRST_ROOM, 2), dtype=np.int64)])
            self._n = len(kept)
