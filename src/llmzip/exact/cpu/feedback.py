"""Rounding inputs one after another, errors passed on: see `rounding.Feedback`."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import kernel
from llmzip.exact.cpu.scalars import wide_vectors

ERROR_BITS = 14
"""Fraction bits of errors, which stay within 254: 22 bits."""

_ERROR_UNITS = float(1 << ERROR_BITS)
_TILE = 64  # outputs whose numbers of a panel stay in the first cache


@kernel
def round_panel(
    wanted: Any, passed: Any, shares: Any, unit: float, limit: float, rounded: Any, errors: Any
) -> None:
    """Round a panel of inputs; all float64 (panel, n_out), shares (panel, panel).

    passed: what earlier panels have passed on; is used up. Fills `rounded`, within ± limit, and
    `errors`. All but `wanted` and the share's unit are integers, so sums have no order.
    """
    wide_vectors()
    n_in, n_out = wanted.shape
    for first in range(0, n_out, _TILE):
        last = min(first + _TILE, n_out)
        for k in range(n_in):
            for j in range(first, last):
                value = np.rint(wanted[k, j] + passed[k, j] * unit)
                whole = min(max(value, -limit), limit)
                rounded[k, j] = whole
                errors[k, j] = np.rint((wanted[k, j] - whole) * _ERROR_UNITS)
            for i in range(k + 1, n_in):
                share = shares[k, i]
                for j in range(first, last):
                    passed[i, j] += share * errors[k, j]
