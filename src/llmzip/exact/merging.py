"""Merging what was learnt beside a linear layer into its weights, the same on every machine.

A product of floats depends on the order of its sums. So both thin matrices are put on a grid
first, fine enough to lose nothing that matters, and the product is one of integers below 2^53.
docs/EXACT.md, *Adapters*, defines it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.rounding import grid

GRID_BITS = 20
MOST_RANK = 1 << 12
"""So that a sum of products, each within 2^(2 · GRID_BITS), stays below 2^53."""

Array = NDArray[np.float64]
Weight = NDArray[np.float32]


_ALL = slice(None)


@dataclass(frozen=True)
class Product:
    """scale · (b a) of two thin matrices on their grids: integers, and what one stands for."""

    a: Array
    b: Array
    unit: float

    @classmethod
    def of(cls, a: Array, b: Array, scale: float) -> Product:
        """The product of a (rank, inputs) and b (outputs, rank), rank at most MOST_RANK."""
        a_grid, a_unit = grid(a, GRID_BITS)
        b_grid, b_unit = grid(b, GRID_BITS)
        return cls(a_grid, b_grid, b_unit * a_unit * scale)

    def added(self, weight: Weight, rows: slice = _ALL, columns: slice = _ALL) -> Weight:
        """A part of a matrix, these rows and columns of it, with the same of the product.

        Each element is rounded once.
        """
        product = self.b[rows] @ self.a[:, columns]  # of integers: exact in any order
        moved = weight.astype(np.float64) + product * self.unit
        return moved.astype(np.float32)
