"""Merging what was learnt beside a linear layer into its weights, the same on every machine.

A product of floats depends on the order of its sums. So both thin matrices are put on a grid
first, fine enough to lose nothing that matters, and the product is one of integers below 2^53.
docs/EXACT.md, *Adapters*, defines it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.rounding import grid

GRID_BITS = 20
MOST_RANK = 1 << 12
"""So that a sum of products, each within 2^(2 · GRID_BITS), stays below 2^53."""

Array = NDArray[np.float64]
Weight = NDArray[np.float32]


def merged(weight: Weight, a: Array, b: Array, scale: float) -> Weight:
    """Return weight + scale · (b a), each element rounded once.

    weight: (outputs, inputs); a: (rank, inputs); b: (outputs, rank), rank at most MOST_RANK.
    """
    a_grid, a_unit = grid(a, GRID_BITS)
    b_grid, b_unit = grid(b, GRID_BITS)
    product = b_grid @ a_grid  # of integers: exact in any order
    moved = weight.astype(np.float64) + product * (b_unit * a_unit * scale)
    return moved.astype(np.float32)
