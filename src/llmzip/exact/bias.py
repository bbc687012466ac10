"""A bias on the head's logits, learnt from what comes: gradient descent in integers.

The gradient of the cross-entropy with respect to a token's logit is its probability, less 1
where it came. Probabilities are rounded to GRADIENT_BITS fraction bits, so that their sum over
any rows is one of integers and has no order; a step follows each slice of tokens.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

GRADIENT_BITS = 24
RATE = np.float32(0.07 / (1 << GRADIENT_BITS))
"""Base-2 logits for each token that came unforeseen."""
LONGEST_STEP = np.float32(0.75)
"""A step never moves a logit by more: slices of many lanes may agree."""


@dataclass(frozen=True)
class RowBias:
    """What is added to the logits of each row: values[of[row]].

    values: float32 (n, V), C-contiguous, or (n, 0) for none; of: int64 (rows,).
    version: changes whenever what stands in this very array does, so that a copy elsewhere may be
        kept; None where nobody counts.
    """

    values: NDArray[np.float32]
    of: NDArray[np.int64]
    version: int | None = None

    @classmethod
    def of_rows(cls, bias: AnyBias, n_rows: int) -> RowBias:
        """Return `bias`, (V,) or (0,), as that of every row; one of rows as it is."""
        if isinstance(bias, RowBias):
            return bias
        return cls(bias[None], np.zeros(n_rows, dtype=np.int64))

    def part(self, rows: slice | NDArray[np.bool_]) -> RowBias:
        """Return that of some of the rows."""
        return replace(self, of=self.of[rows])

    def used(self) -> RowBias:
        """Return the same without values that no row has."""
        if len(self.values) == 1:
            return self
        numbers, of = np.unique(self.of, return_inverse=True)
        return RowBias(self.values[numbers], of.astype(np.int64))


AnyBias = NDArray[np.float32] | RowBias
"""One bias (V,) for all rows, or one for each."""


class HeadBias:
    """values: float32 (V,), what engines add to the logits instead of the head's own bias."""

    def __init__(self, vocab_size: int, own: NDArray[np.float32] | None) -> None:
        """`own`: the head's bias, if it has one."""
        self._own = own
        self._learnt = np.zeros(vocab_size, dtype=np.float32)
        self.values = self._sum()

    def copy(self) -> HeadBias:
        """Return the same, to go on with independently."""
        return copy(self)  # steps make arrays anew and never write to these

    @property
    def learnt(self) -> NDArray[np.float32]:
        """What has been learnt, (V,), without the head's own."""
        return self._learnt

    def having_learnt(self, learnt: NDArray[np.float32]) -> HeadBias:
        """Return one of the same head that has learnt so much."""
        other = copy(self)
        other._learnt = learnt
        other.values = other._sum()
        return other

    def step(self, gradient: NDArray[np.int64]) -> None:
        """Go along a gradient (V,) as `Distributions.add_gradient` sums it up."""
        moved = gradient.astype(np.float32)
        moved *= RATE
        np.clip(moved, -LONGEST_STEP, LONGEST_STEP, out=moved)
        moved += self._learnt
        self._learnt = moved
        self.values = self._sum()

    def _sum(self) -> NDArray[np.float32]:
        return self._learnt if self._own is None else self._own + self._learnt
