"""Intervals of distributions after mixing, from those before: only candidates' frequencies differ.

ids, freq, mixed: int (rows, N_CANDIDATES), the candidates and what they had and have, as far as
n (rows,) says. All else that is given of tokens is uint64, as engines and coders have it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined, kernel


@inlined
def _shift_below(n: Any, ids: Any, freq: Any, mixed: Any, token: Any) -> Any:
    """By how much mixing has moved where a token's interval begins."""
    shift = np.int64(0)
    for r in range(n):
        if ids[r] < token:
            shift += mixed[r] - freq[r]
    return shift


@kernel
def find_targets(
    n: Any, ids: Any, freq: Any, mixed: Any, low: Any, rows: Any, targets: Any, found: Any
) -> None:
    """Targets in the distributions before mixing that hit the same tokens, into `found`.

    low: (all rows, N_CANDIDATES), where the candidates' intervals begin before mixing. rows: of
    each target, which row it is of.
    """
    for i in range(rows.size):
        row, target = rows[i], np.int64(targets[i])
        outside, inside, is_hit = target, np.int64(0), False
        for r in range(n[row]):
            own_low, own = np.int64(low[row, r]), ids[row, r]
            begin = own_low + _shift_below(n[row], ids[row], freq[row], mixed[row], own)
            end = begin + mixed[row, r]
            if end <= target:
                outside -= mixed[row, r] - freq[row, r]
            elif begin <= target:
                inside, is_hit = inside + own_low, True
        found[i] = np.uint64(inside if is_hit else outside)


@kernel
def find_intervals(
    n: Any, ids: Any, freq: Any, mixed: Any, rows: Any, tokens: Any, low: Any, size: Any, found: Any
) -> None:
    """Where tokens lie after mixing, into `found` (2, tokens): their intervals' low, size.

    rows: of each token, which row it is of. low, size: (tokens,), the same before.
    """
    for i in range(rows.size):
        row, token, own = rows[i], tokens[i], np.int64(size[i])
        begin = np.int64(low[i])
        begin += _shift_below(n[row], ids[row], freq[row], mixed[row], token)
        for r in range(n[row]):
            if ids[row, r] == token:
                own += mixed[row, r] - freq[row, r]
        found[0, i], found[1, i] = np.uint64(begin), np.uint64(own)
