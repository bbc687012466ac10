"""Rounding weights to int8 so that the errors of one weight make up for those of others.

Rounding each weight to the nearest is best for inputs that have nothing to do with each
other. Those of a transformer's linears have: so weights are rounded one input after
another, and each takes over what the rounding of the earlier ones has cost, as far as its
own input foretells theirs (QuIP, arXiv:2307.13304, whose LDLQ equals GPTQ,
arXiv:2210.17323). What foretells what comes from second moments of inputs, integers.

Everything is a single operation in float64 or a sum of integers below 2^53.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmzip.exact import constants
from llmzip.exact.cpu.elimination import eliminate
from llmzip.exact.cpu.feedback import ERROR_BITS, round_panel

Array = NDArray[np.float64]

BLOCK = 1024
"""Inputs among which errors are passed on, at most; a linear with more has several blocks."""
SHARE_BITS = 20  # with 2^10 inputs in a block: sums of 52 bits
DAMPING = 1 / 64  # of the mean square, added to each: inputs never seen divide by something

_PANEL = 32  # inputs that are taken together, for speed


def blocks(n_in: int) -> list[slice]:
    """Cut `n_in` inputs into as few blocks of at most BLOCK as there can be, of like size."""
    count = -(-n_in // BLOCK)
    ends = [n_in * i // count for i in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def nearest_rows(weight: Array, limit: int) -> tuple[Array, Array]:
    """Round each row to integers within ± limit: (integers, scale of each row)."""
    top = _largest(weight)
    return np.rint(weight * (limit / top)[:, None]), top / limit


class Feedback:
    """Rounding of a linear's rows, any at a time, errors passed on within each block of inputs.

    moments: for each of `blocks`, the second moments of its inputs, integers.
    """

    def __init__(self, moments: list[Array]) -> None:
        self._shares = [grid(_shares(moment), SHARE_BITS) for moment in moments]

    def rows(self, weight: Array, limit: int) -> tuple[Array, Array]:
        """Round some rows: (integers within ± limit, scale of each row)."""
        top = _largest(weight)
        rounded = np.empty_like(weight)
        parts = zip(blocks(weight.shape[1]), self._shares, strict=True)
        for part, (shares, unit) in parts:
            wanted = weight[:, part] * (limit / top)[:, None]
            rounded[:, part] = _pass_on(wanted.T, shares, unit, limit).T
        return rounded, top / limit


def grid(weight: Array, bits: int) -> tuple[Array, float]:
    """Round to integers within ± 2^bits: (integers, their unit, a power of two)."""
    unit = grid_unit(float(np.abs(weight).max()), bits)
    return np.rint(weight / unit), unit


def grid_unit(largest: float, bits: int) -> float:
    """The unit of the grid for weights of which `largest` is the largest magnitude."""
    _, exponent = np.frexp(max(largest, constants.TINY))
    return float(np.ldexp(1.0, int(exponent) - bits))


def _largest(weight: Array) -> Array:
    top: Array = np.maximum(np.abs(weight).max(1), constants.TINY)
    return top


def _pass_on(wanted: Array, shares: Array, unit: float, limit: int) -> Array:
    """Round `wanted` (n_in, n_out), input by input; shares (n_in, n_in) in `unit`s.

    Errors are integers in units of 2^-ERROR_BITS, so their sums by shares have no order:
    those from earlier panels come by a matrix product.
    """
    n_in = len(wanted)
    wanted = np.ascontiguousarray(wanted)
    rounded, errors = np.empty_like(wanted), np.empty_like(wanted)
    unit = unit * 2.0**-ERROR_BITS
    for start in range(0, n_in, _PANEL):
        panel = slice(start, min(start + _PANEL, n_in))
        passed = shares[:start, panel].T @ errors[:start]  # (panel, n_out)
        own = np.ascontiguousarray(shares[panel, panel])
        round_panel(wanted[panel], passed, own, unit, float(limit), rounded[panel], errors[panel])
    return rounded


def _shares(moment: Array) -> Array:
    """U of moment + damping = (1 + U) D (1 + U)ᵀ, D diagonal and U above the diagonal.

    U[j, k] is what input k takes over of the error of an earlier input j.
    """
    n_in = len(moment)
    left = moment.astype(np.float64)
    left[np.diag_indices(n_in)] += max(float(np.trace(left)), 1.0) / n_in * DAMPING
    return eliminate(left)
