"""What is told of tokens beside their intervals, for whoever wants to look at them.

All of it is integers that the coder's own come from, so it is as exact as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_LIKELIEST = 5
"""How many tokens that might have come are told of each that did."""

Places = NDArray[np.intp] | slice


@dataclass(frozen=True, eq=False)
class Told:
    """Of tokens that were predicted, what the distributions held: columns of shape (n,).

    model: uint64 (2, n), frequency and total by the model alone. biased: the same with what the
    head's bias has learnt, before the history is mixed in. ranks: int32, one more than how many
    tokens were likelier. likeliest, likeliest_freq: int32 and int64 (n, N_LIKELIEST), those that
    were likeliest, the first of all first, and their frequencies; -1 and 0 where there are no more.
    """

    model: NDArray[np.uint64]
    biased: NDArray[np.uint64]
    ranks: NDArray[np.int32]
    likeliest: NDArray[np.int32]
    likeliest_freq: NDArray[np.int64]

    @classmethod
    def empty(cls, n: int) -> Told:
        """Room for `n` tokens, of which nothing is told yet."""
        return cls(
            np.zeros((2, n), dtype=np.uint64),
            np.zeros((2, n), dtype=np.uint64),
            np.ones(n, dtype=np.int32),
            np.full((n, N_LIKELIEST), -1, dtype=np.int32),
            np.zeros((n, N_LIKELIEST), dtype=np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Told]) -> Told:
        """What was told of all `parts` (at least one), one after the other."""
        return cls(
            np.concatenate([part.model for part in parts], axis=1),
            np.concatenate([part.biased for part in parts], axis=1),
            np.concatenate([part.ranks for part in parts]),
            np.concatenate([part.likeliest for part in parts]),
            np.concatenate([part.likeliest_freq for part in parts]),
        )

    def picked(self, places: Places) -> Told:
        """What was told of the tokens at `places`."""
        return Told(
            self.model[:, places],
            self.biased[:, places],
            self.ranks[places],
            self.likeliest[places],
            self.likeliest_freq[places],
        )

    def put(self, places: Places, own: Told) -> None:
        """Let `own` be what is told of the tokens at `places`."""
        self.model[:, places], self.biased[:, places] = own.model, own.biased
        self.ranks[places], self.likeliest[places] = own.ranks, own.likeliest
        self.likeliest_freq[places] = own.likeliest_freq
