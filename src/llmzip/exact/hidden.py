"""What a forward pass hands to the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

A = TypeVar("A")
"""What an engine computes in: arrays, or a device's tensors."""


@dataclass(frozen=True)
class Hidden(Generic[A]):
    """Final hidden states, normalised and quantised.

    q: int8 (rows, d_model); scale: float32 (rows,).
    """

    q: A
    scale: A

    def __len__(self) -> int:
        return len(self._arrays()[1])

    def part(self, rows: slice) -> Hidden[A]:
        """Some of the rows, in the same memory."""
        return type(self)(*(array[rows] for array in self._arrays()))

    def picked(self, rows: NDArray[np.int64]) -> Hidden[A]:
        """Copies of these rows."""
        return type(self)(*(array[rows] for array in self._arrays()))

    def followed_by(self, others: Sequence[Hidden[A]]) -> Hidden[A]:
        """These rows and then those of `others`, in memory of their own."""
        columns = zip(*(part._arrays() for part in (self, *others)), strict=True)
        return type(self)(*map(self._joined, columns))

    def _arrays(self) -> tuple[Any, Any]:
        return self.q, self.scale

    @staticmethod
    def _joined(parts: Sequence[Any]) -> Any:
        return np.concatenate(parts)
