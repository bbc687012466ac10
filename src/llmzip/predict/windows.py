"""How a chunk longer than the model's window is fed to it.

The model sees at most `size` positions. Position 0 holds the beginning-of-text token.
Where the window is full, a new one starts: the beginning-of-text token, the last
`carry` tokens, and on from there. Encoder and decoder cut alike, so the prediction of
a token depends only on the tokens before it in its chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """The window's size in positions and how many tokens a new one carries over."""

    size: int
    carry: int
    bos_id: int

    @classmethod
    def fit(cls, window_tokens: int, carry_tokens: int, n_positions: int, bos_id: int) -> Window:
        """The window asked for, cut to what the model has; a carry of half of it at most."""
        size = min(window_tokens, n_positions)
        return cls(size, min(carry_tokens, size // 2), bos_id)

    def start_of(self, n_seen: int) -> int:
        """The first token in view when token number `n_seen` is predicted."""
        if n_seen < self.size:
            return 0
        fresh = self.size - self.carry
        return (n_seen - self.size) // fresh * fresh + self.size - self.carry

    def begins(self, n_seen: int) -> bool:
        """Does a new window begin with the prediction of token number `n_seen`?"""
        return n_seen == 0 or (
            n_seen >= self.size and (n_seen - self.size) % (self.size - self.carry) == 0
        )

    def starts_of(self, n_seen: Ids) -> Ids:
        """`start_of` each."""
        fresh = self.size - self.carry
        later = (n_seen - self.size) // fresh * fresh + fresh
        return np.where(n_seen < self.size, 0, later)

    def begin(self, n_seen: Ids) -> NDArray[np.bool_]:
        """`begins` each."""
        since = (n_seen - self.size) % (self.size - self.carry)
        found: NDArray[np.bool_] = (n_seen == 0) | ((n_seen >= self.size) & (since == 0))
        return found

    def room(self, n_seen: Ids) -> Ids:
        """How many tokens, from number `n_seen` on, are predicted before another window begins."""
        return np.where(n_seen < self.size, self.size, self.starts_of(n_seen) + self.size) - n_seen

    def inputs(self, seen: Ids) -> Ids:
        """The model's inputs in the window that predicts the token after `seen`."""
        start = self.start_of(len(seen))
        return np.concatenate([[self.bos_id], seen[start:]]).astype(np.int64)

    def cut(self, ids: Ids, done: int = 0) -> Iterator[tuple[Ids, int]]:
        """Yield for each window of a chunk its inputs and how many of them only give context.

        The row of input number n_context predicts the window's first own token.
        done: the first so many tokens, less than a window has, stand before the chunk.
        """
        while done < len(ids):
            start = self.start_of(done)
            stop = min(len(ids), start + self.size)
            yield self.inputs_between(ids, start, stop), done - start
            done = stop

    def inputs_between(self, ids: Ids, start: int, stop: int) -> Ids:
        """Inputs whose rows predict ids[start:stop]."""
        return np.concatenate([[self.bos_id], ids[start : stop - 1]]).astype(np.int64)
