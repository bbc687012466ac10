"""ADAPT.md: the history of a group, and the candidates that it proposes.

Chunks are lists of tokens, an order's chains a dictionary of lists of places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

ORDERS, WALKS = (1, 2, 3, 4, 6), (24, 24, 16, 12, 8)
SEED, FACTOR = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
MOST_FOUND, MOST_CANDIDATES, MATCH_WALK, MAX_MATCH = 32, 6, 4, 32

Place = tuple[int, int]  # a chunk of the group and a token of it


def hashed(before: Sequence[int]) -> int:
    """The slot of a context, its latest token first."""
    s = SEED * len(before) % 2**64
    for token in before:
        s = (s ^ token) * FACTOR % 2**64
        s ^= s >> 32
    return s % 2**20


@dataclass
class Candidate:
    """A token that may come, how often each order has met it, and its match's length."""

    token: int
    counts: list[int] = field(default_factory=lambda: [0] * len(ORDERS))
    match: int = 0


@dataclass
class Proposal:
    """The candidates for a place, the highest first, and how many places each order has met."""

    candidates: list[Candidate]
    met: list[int]


class History:
    """The tokens of a group, chunk by chunk, and the chains of what has been learnt."""

    def __init__(self) -> None:
        self.chunks: list[list[int]] = []
        self.chains: list[dict[int, list[Place]]] = [{} for _ in ORDERS]

    def before(self, place: Place, count: int) -> list[int]:
        """The tokens before a place, latest first; fewer where the chunk begins."""
        chunk, at = place
        return self.chunks[chunk][max(at - count, 0) : at][::-1]

    def learn(self, place: Place) -> None:
        """Add a place."""
        for k, chain in zip(ORDERS, self.chains, strict=True):
            if place[1] >= k:
                chain.setdefault(hashed(self.before(place, k)), []).append(place)

    def proposal(self, place: Place) -> Proposal:
        """The candidates for a place not yet added."""
        found: dict[int, Candidate] = {}
        met = [0] * len(ORDERS)
        longest, holder = 0, None
        for o in (4, 3, 2, 1, 0):
            k = ORDERS[o]
            if place[1] < k:
                continue
            context = self.before(place, k)
            links = self.chains[o].get(hashed(context), [])[-WALKS[o] :][::-1]
            for number, link in enumerate(links):
                if self.before(link, k) != context:
                    continue
                met[o] += 1
                token = self.chunks[link[0]][link[1]]
                if token not in found and len(found) == MOST_FOUND:
                    continue
                candidate = found.setdefault(token, Candidate(token))
                candidate.counts[o] += 1
                if o >= 3 and number < MATCH_WALK:
                    length = self.match_length(place, link)
                    if length > longest:
                        longest, holder = length, candidate
        if holder is not None:
            holder.match = longest
        ranked = sorted(found.values(), key=lambda c: -score(c, met))  # stable
        return Proposal(ranked[:MOST_CANDIDATES], met)

    def match_length(self, one: Place, other: Place) -> int:
        """How many tokens before the two places are the same."""
        pairs = zip(self.before(one, MAX_MATCH), self.before(other, MAX_MATCH), strict=False)
        shorter = min(one[1], other[1], MAX_MATCH)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), shorter)


def score(candidate: Candidate, met: list[int]) -> float:
    """By which candidates are ranked."""
    total, factor = 0.0, 1.0
    for count, n in zip(candidate.counts, met, strict=True):
        total = total + factor * (count / (n + 1.0))
        factor = factor * 4.0
    return total
