"""The tokens that a group has shown, and which tokens followed the same contexts before.

Tokens lie chunk after chunk in one array, a sentinel before each chunk. Every position that
has been learnt is in one chain for each order k: the earlier positions whose k tokens before
are (by a hash) the same, latest first. So what is looked up depends only on which positions
have been learnt, and in which order.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt.memory import sparse_zeros
from llmzip.compiled import array_at, called, inlined, kernel

ORDERS = (1, 2, 3, 4, 6)
"""Lengths of the contexts, in tokens."""
WALKS = (24, 24, 16, 12, 8)
"""How many links of a chain are followed, for each order."""
N_ORDERS = len(ORDERS)
N_CANDIDATES = 6
"""Tokens that a row proposes at most."""
MAX_MATCH = 32
"""Tokens of a match that are counted at most."""

_MOST_FOUND = 32  # distinct tokens among which the candidates are chosen
_MATCH_ORDERS = 2  # of the highest orders, matches are measured
_MATCH_WALK = 4
_LONGEST_WALK = max(WALKS)
_ROWS_TOGETHER = 16
"""Rows whose chains are followed at once: more than that, and memory has no more to give."""
_HEAD_BITS = 20
_SENTINEL = -1
_FEW_TOKENS = 1 << 11  # that touch few of the table's pages
_SEED, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF, _HEAD_MASK = np.uint64(32), np.uint64((1 << _HEAD_BITS) - 1)

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """What the history proposes for each of some rows, likeliest first.

    counts: how often each followed the contexts, by order; matches: the length in tokens of the
    longest match that it continues, 0 for none; totals: how often the contexts were met.
    """

    n: NDArray[np.int32]  # (rows,)
    ids: NDArray[np.int32]  # (rows, N_CANDIDATES), 0 where there are fewer
    counts: NDArray[np.uint8]  # (rows, N_CANDIDATES, N_ORDERS)
    matches: NDArray[np.uint8]  # (rows, N_CANDIDATES)
    totals: NDArray[np.uint8]  # (rows, N_ORDERS)

    @classmethod
    def empty(cls, n_rows: int) -> Candidates:
        """Room for `n_rows` rows."""
        return cls(
            np.zeros(n_rows, dtype=np.int32),
            np.zeros((n_rows, N_CANDIDATES), dtype=np.int32),
            np.zeros((n_rows, N_CANDIDATES, N_ORDERS), dtype=np.uint8),
            np.zeros((n_rows, N_CANDIDATES), dtype=np.uint8),
            np.zeros((n_rows, N_ORDERS), dtype=np.uint8),
        )

    def picked(self, rows: Ids | slice) -> Candidates:
        """Return those of some rows; those of a slice in the same memory."""
        return Candidates(
            self.n[rows], self.ids[rows], self.counts[rows], self.matches[rows], self.totals[rows]
        )


class History:
    """All tokens of a group; chunks are added in waves."""

    def __init__(self) -> None:
        self._tokens: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._earlier: NDArray[np.int32] = np.zeros((N_ORDERS, 0), dtype=np.int32)
        self._latest: NDArray[np.int32] | None = None  # made when it is known how full it gets

    def copy(self) -> History:
        """Return the same, to go on with independently."""
        # the other arrays are made anew, with room for more, before anything is written to them
        other = copy(self)
        other._latest = None if self._latest is None else self._latest.copy()
        return other

    def add_chunks(self, n_tokens: Sequence[int]) -> Ids:
        """Make room for chunks of so many tokens; return where each begins."""
        if self._latest is None:
            self._latest = _empty_table(sum(n_tokens))
        sizes = np.array(n_tokens, dtype=np.int64) + 1
        begins = len(self._tokens) + np.cumsum(sizes) - sizes + 1
        room = np.zeros(int(sizes.sum()), dtype=np.int32)
        self._tokens = np.concatenate([self._tokens, room])
        self._tokens[begins - 1] = _SENTINEL
        chains = np.zeros((N_ORDERS, len(room)), dtype=np.int32)
        self._earlier = np.concatenate([self._earlier, chains], axis=1)
        return begins

    def write(self, positions: Ids, tokens: Ids) -> None:
        """Put down tokens, not yet learnt."""
        self._tokens[positions] = tokens

    def learn(self, begins: Ids, positions: Ids) -> None:
        """Add positions, in order, each in the chunk at its begin, to the chains."""
        assert self._latest is not None, "chunks are added before they are learnt"
        _learn(self._tokens, begins, positions, self._latest, self._earlier)

    def candidates(self, begins: Ids, positions: Ids) -> Candidates:
        """Return what has followed the contexts of positions, each in the chunk at its begin."""
        of = np.zeros(len(positions), dtype=np.int64)
        return propose(self.addresses()[None], of, begins, positions)

    def addresses(self) -> Ids:
        """Where its arrays are, and how many tokens they hold, until chunks are added."""
        assert self._latest is not None, "chunks are added before anything is proposed for them"
        arrays = self._tokens, self._latest, self._earlier
        return np.array([*(a.ctypes.data for a in arrays), len(self._tokens)], dtype=np.int64)


def propose(histories: Ids, of: Ids, begins: Ids, positions: Ids) -> Candidates:
    """Return what has followed the contexts of positions, each in the chunk at its begin.

    histories: the addresses of some, which are alive; of: whose each position is.
    """
    found = Candidates.empty(len(positions))
    propose_into(
        histories,
        of,
        begins,
        positions,
        found.n,
        found.ids,
        found.counts,
        found.matches,
        found.totals,
    )
    return found


def _empty_table(n_tokens: int) -> NDArray[np.int32]:
    """Return where chains begin, for a first wave of so many tokens.

    Positions + 1, so that memory of zeros, which costs nothing, is an empty table.
    """
    shape = N_ORDERS, 1 << _HEAD_BITS
    return sparse_zeros(shape) if n_tokens < _FEW_TOKENS else np.zeros(shape, dtype=np.int32)


@inlined
def _slot(tokens: Any, position: int, order: int) -> Any:
    """Where the chain of the `order` tokens before a position starts."""
    state = _SEED * np.uint64(order)
    for i in range(1, order + 1):
        state = (state ^ np.uint64(tokens[position - i])) * _FACTOR
        state = state ^ (state >> _HALF)
    return np.int64(state & _HEAD_MASK)


@kernel
def _learn(tokens: Any, begins: Any, positions: Any, latest: Any, earlier: Any) -> None:
    for row in range(positions.size):
        position = positions[row]
        for o in range(N_ORDERS):
            if position - begins[row] >= ORDERS[o]:
                slot = _slot(tokens, position, ORDERS[o])
                earlier[o, position] = latest[o, slot]
                latest[o, slot] = position + 1


@inlined
def _n_equal(tokens: Any, one: int, other: int, most: int) -> Any:
    """How many tokens before two positions are equal, up to `most`."""
    n = 0
    while n < most and tokens[one - 1 - n] == tokens[other - 1 - n]:
        n += 1
    return n


@inlined
def _place_of(token: Any, ids: Any, n: int) -> Any:
    place = 0
    while place < n and ids[place] != token:
        place += 1
    return place


@inlined
def _find_links(histories: Any, of: Any, begins: Any, positions: Any, links: Any) -> None:
    """Where the chains of the contexts of positions start, 0 for those that the chunk lacks."""
    for row in range(of.size):
        tokens, latest, _ = _arrays(histories[of[row]])
        for o in range(N_ORDERS):
            links[row, o, 0] = 0
            if positions[row] - begins[row] >= ORDERS[o]:
                links[row, o, 0] = latest[o, _slot(tokens, positions[row], ORDERS[o])]


@inlined
def _follow(histories: Any, of: Any, links: Any, followers: Any) -> None:
    """Follow the chains of some rows, all at once, from their starts to their ends.

    The next link of one is far away in memory: the processor waits for those of all together.
    links, followers: (rows, N_ORDERS, longest walk + 1), positions + 1, and the tokens there.
    """
    for k in range(_LONGEST_WALK):
        any_link = np.int32(0)
        for row in range(of.size):
            tokens, _, earlier = _arrays(histories[of[row]])
            for o in range(N_ORDERS):
                if k < WALKS[o]:
                    link = links[row, o, k]
                    any_link |= link
                    there = max(link - 1, 0)  # at 0 is the first sentinel, which no chain has
                    followers[row, o, k] = tokens[there]
                    links[row, o, k + 1] = earlier[o, there]
        if any_link == 0:
            break


@called
def _walk(
    tokens: Any,
    begin: int,
    position: int,
    links: Any,
    followers: Any,
    ids: Any,
    counts: Any,
    matches: Any,
    totals: Any,
) -> Any:
    """Collect what followed the contexts of a position, all orders; return how many tokens.

    links, followers: as `_follow` has found them.
    """
    n, longest, best = 0, 0, -1
    totals[:] = 0
    for o in range(N_ORDERS - 1, -1, -1):
        for k in range(WALKS[o]):
            there = links[o, k] - 1
            if there < 0:
                break
            if _n_equal(tokens, there, position, ORDERS[o]) < ORDERS[o]:
                continue  # the hash alone was the same
            totals[o] += 1
            place = _place_of(followers[o, k], ids, n)
            if place == _MOST_FOUND:
                continue
            if place == n:
                ids[place], matches[place] = followers[o, k], 0
                counts[place, :] = 0
                n += 1
            counts[place, o] += 1
            if o >= N_ORDERS - _MATCH_ORDERS and k < _MATCH_WALK:
                length = _n_equal(tokens, there, position, min(MAX_MATCH, position - begin))
                if length > longest:
                    longest, best = length, place
    if best >= 0:
        matches[best] = longest
    return n


@inlined
def _score(counts: Any, totals: Any) -> Any:
    """How promising a token is: its share in each order, higher orders four times as much."""
    score, factor = 0.0, 1.0
    for o in range(N_ORDERS):
        score += factor * (np.float64(counts[o]) / (np.float64(totals[o]) + 1.0))
        factor *= 4.0
    return score


@inlined
def _arrays(addresses: Any) -> Any:
    """Tokens, latest, and earlier; see `History.addresses`."""
    size = addresses[3]
    return (
        array_at(addresses[0], (size,), np.int32),
        array_at(addresses[1], (N_ORDERS, 1 << _HEAD_BITS), np.int32),
        array_at(addresses[2], (N_ORDERS, size), np.int32),
    )


@kernel
def write(histories: Any, of: Any, positions: Any, tokens: Any) -> None:
    """Put down tokens, not yet learnt; the rest as for `propose`."""
    for row in range(positions.size):
        _arrays(histories[of[row]])[0][positions[row]] = tokens[row]


@kernel
def propose_into(
    histories: Any,
    of: Any,
    begins: Any,
    positions: Any,
    n_out: Any,
    ids_out: Any,
    counts_out: Any,
    matches_out: Any,
    totals_out: Any,
) -> None:
    """As `propose`, into the fields of Candidates."""
    ids = np.zeros(_MOST_FOUND, dtype=np.int32)
    counts = np.zeros((_MOST_FOUND, N_ORDERS), dtype=np.uint8)
    matches, scores = np.zeros(_MOST_FOUND, dtype=np.uint8), np.zeros(_MOST_FOUND)
    links = np.zeros((_ROWS_TOGETHER, N_ORDERS, _LONGEST_WALK + 1), dtype=np.int32)
    followers = np.zeros_like(links)
    for row in range(positions.size):
        place = row % _ROWS_TOGETHER
        if place == 0:
            some = slice(row, row + _ROWS_TOGETHER)
            _find_links(histories, of[some], begins[some], positions[some], links)
            _follow(histories, of[some], links, followers)
        totals = totals_out[row]
        n = _walk(
            _arrays(histories[of[row]])[0],
            begins[row],
            positions[row],
            links[place],
            followers[place],
            ids,
            counts,
            matches,
            totals,
        )
        for i in range(n):
            scores[i] = _score(counts[i], totals)
        n_out[row] = min(n, N_CANDIDATES)
        for rank in range(n_out[row]):
            best = 0
            for i in range(1, n):
                if scores[i] > scores[best]:
                    best = i
            ids_out[row, rank], matches_out[row, rank] = ids[best], matches[best]
            counts_out[row, rank, :] = counts[best]
            scores[best] = -1.0
