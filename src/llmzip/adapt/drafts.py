"""Drafts: the tokens that a history expects next, one after the other, and how far to trust it.

They say which rows are worth computing ahead of what is decoded, and nothing else: no byte of any
file depends on them. So this learns as it goes, each seat for itself, and in floats.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt.history import N_ORDERS, Candidates, Ids, propose_into, write
from llmzip.compiled import inlined, kernel

_SHARES, _SIGHTS = 3, 3
_OF_ORDER = _SHARES + _SIGHTS
N_KINDS = N_ORDERS * _OF_ORDER
"""Kinds of first candidates: the highest order that knows it, and its share there: under a half,
under three quarters, less than all; where it is all, how often that was seen, up to _SIGHTS."""

Trust = NDArray[np.float64]
"""(seats, N_KINDS, 2): how often the first candidates of a kind were right, and of how many."""


class Least(NamedTuple):
    """How likely drafts must be to be wanted: the first of a position, and each after it."""

    first: float
    other: float


_FIRST_RIGHT = np.array(
    [
        [0.1, 0.2, 0.4, 0.2, 0.5, 0.8],
        [0.1, 0.2, 0.4, 0.3, 0.7, 0.9],
        [0.1, 0.3, 0.5, 0.4, 0.8, 0.9],
        [0.1, 0.3, 0.5, 0.5, 0.9, 0.95],
        [0.1, 0.3, 0.6, 0.7, 0.95, 0.98],
    ]
)
"""How often kinds are right, about, before a seat has seen any: guesses. (N_ORDERS, _OF_ORDER)."""
_FIRST_TRIES = 3.0
MOST_TRIES = 255.0
"""What happened so many times ago counts for about a third."""


def fresh_trust(n_seats: int) -> Trust:
    """Return that of seats which have seen nothing yet."""
    right = _FIRST_TRIES * _FIRST_RIGHT.reshape(-1)
    one = np.stack([right, np.full_like(right, _FIRST_TRIES)], axis=1)
    return np.tile(one, (n_seats, 1, 1))


def draft(
    histories: Ids, of: Ids, begins: Ids, positions: Ids, most: Ids, trust: Trust, least: Least
) -> tuple[Candidates, Ids]:
    """Return candidates for rows that begin at `positions`, and how many rows each has.

    The first row of each is for the position itself, and each next one for the position behind, if
    the first candidate of the row before comes there: it is written down as if it had. Those of a
    position follow each other, as long as it is likely enough that they are wanted.
    most: how many there are at most after the first. trust: of each, (N_KINDS, 2).
    The rest is as for `history.propose`.
    """
    found = Candidates.empty(len(positions) + int(most.sum()))
    n_rows = np.zeros_like(positions)
    _draft(
        histories,
        of,
        begins,
        positions,
        most,
        trust,
        *least,
        n_rows,
        found.n,
        found.ids,
        found.counts,
        found.matches,
        found.totals,
    )
    return found.picked(slice(int(n_rows.sum()))), n_rows


@inlined
def _kind(counts: Any, totals: Any) -> Any:
    """Of which kind a first candidate is."""
    order = N_ORDERS - 1
    while order > 0 and counts[order] == 0:
        order -= 1
    count = np.int64(counts[order])
    total: Any = max(np.int64(totals[order]), 1)
    if count < total:
        return order * _OF_ORDER + max(4 * count // total - 1, 0)
    return order * _OF_ORDER + _SHARES + min(total, _SIGHTS) - 1


@kernel
def _draft(
    histories: Any,
    of: Any,
    begins: Any,
    positions: Any,
    most: Any,
    trust: Any,
    least_first: float,
    least_other: float,
    n_rows: Any,
    n: Any,
    ids: Any,
    counts: Any,
    matches: Any,
    totals: Any,
) -> None:
    row, at = 0, np.zeros(1, dtype=np.int64)
    for lane in range(of.size):
        own, begin, wanted = of[lane : lane + 1], begins[lane : lane + 1], 1.0
        for ahead in range(most[lane] + 1):
            at[0], now = positions[lane] + ahead, slice(row, row + 1)
            propose_into(
                histories, own, begin, at, n[now], ids[now], counts[now], matches[now], totals[now]
            )
            n_rows[lane] += 1
            row += 1
            if n[now][0] == 0 or ahead == most[lane]:
                break
            kind = _kind(counts[row - 1, 0], totals[row - 1])
            wanted *= trust[lane, kind, 0] / trust[lane, kind, 1]
            if wanted < (least_other if ahead else least_first):
                break
            write(histories, own, at, ids[row - 1, :1])


@kernel
def learn_trust(
    trust: Any, seats: Any, n: Any, ids: Any, counts: Any, totals: Any, tokens: Any
) -> None:
    """Learn from tokens (rows,) that came, whether the first candidates of their rows were right.

    seats: (rows,), whose trust it is; the rest as in Candidates.
    """
    for row in range(tokens.size):
        if n[row] > 0:
            place = trust[seats[row], _kind(counts[row, 0], totals[row])]
            if place[1] >= MOST_TRIES:
                place[0] *= 1.0 - 1.0 / MOST_TRIES
                place[1] -= 1.0
            place[0] += 1.0 if ids[row, 0] == tokens[row] else 0.0
            place[1] += 1.0
