"""A bias on the head's logits, learnt from what comes: gradient descent in integers.

The gradient of the cross-entropy with respect to a token's logit is its probability, less 1
where it came. Probabilities are rounded to GRADIENT_BITS fraction bits, so that their sum over
any rows is one of integers and has no order; a step follows each slice of tokens.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray

GRADIENT_BITS = 24
RATE = np.float32(0.07 / (1 << GRADIENT_BITS))
"""Base-2 logits for each token that came unforeseen."""
LONGEST_STEP = np.float32(0.75)
"""A step never moves a logit by more: slices of many lanes may agree."""


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

    def step(self, gradient: NDArray[np.int64]) -> None:
        """Go along a gradient (V,) as `Distributions.add_gradient` sums it up."""
        moved = gradient.astype(np.float32) * RATE
        self._learnt = self._learnt + np.clip(moved, -LONGEST_STEP, LONGEST_STEP)
        self.values = self._sum()

    def _sum(self) -> NDArray[np.float32]:
        return self._learnt.copy() if self._own is None else self._own + self._learnt
