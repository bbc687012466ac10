"""Two explanations beside each other: where they are of the same, and what it costs in each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmzip.explaining.explanation import Comparison, Explanation

MOST_MATCHED = 3000
"""Of lines, or of tokens, that are compared each with each: what is longer is cut at lines that
stand once in both texts, or counts as different."""

Block = tuple[int, int, int]
"""Where something begins that is in both, in the first and in the second, and how long it is."""


def compared(first: Explanation, second: Explanation) -> Comparison:
    """Return two explanations of one text, or of two texts, with what aligns.

    Of one text stretches end where both have the end of a token. Of two texts, what is the same is
    aligned token by token. Takes time in proportion to the texts, and to the square of
    MOST_MATCHED at most for each stretch in between.
    """
    if first.data == second.data:
        return _by_places(first, second)
    blocks = list(_blocks(_names(first), _names(second)))
    return _by_blocks(first, second, blocks)


def _by_places(first: Explanation, second: Explanation) -> Comparison:
    mine, theirs = first.tokens.offsets, second.tokens.offsets
    both = np.intersect1d(mine, theirs)
    starts = np.searchsorted(mine, both), np.searchsorted(theirs, both)
    ends = first.n_tokens, second.n_tokens
    first_starts, second_starts = (
        np.append(own, end).astype(np.int64) for own, end in zip(starts, ends, strict=True)
    )
    if both.size and (first_starts[0] or second_starts[0]):
        first_starts, second_starts = np.append(0, first_starts), np.append(0, second_starts)
    is_aligned = (np.diff(first_starts) > 0) & (np.diff(second_starts) > 0)
    return Comparison(first, second, first_starts, second_starts, is_aligned)


def _by_blocks(first: Explanation, second: Explanation, blocks: Sequence[Block]) -> Comparison:
    """Return the comparison of texts in which these blocks, in order, are the same."""
    starts: list[tuple[int, int]] = []
    aligned: list[bool] = []
    mine = theirs = 0
    for at, there, n in [*blocks, (first.n_tokens, second.n_tokens, 0)]:
        if (mine, theirs) != (at, there):
            starts.append((mine, theirs))
            aligned.append(False)
        starts += [(at + i, there + i) for i in range(n)]
        aligned += [True] * n
        mine, theirs = at + n, there + n
    pairs = np.array([*starts, (first.n_tokens, second.n_tokens)], dtype=np.int64)
    return Comparison(first, second, pairs[:, 0], pairs[:, 1], np.array(aligned, dtype=np.bool_))


def _names(explanation: Explanation) -> list[Hashable]:
    """Return what tokens are compared by: what they show, or of what shows nothing which they are.

    Two models may have other numbers for the same token.
    """
    ids = explanation.tokens.ids.tolist()
    return [text or token for text, token in zip(explanation.spelt, ids, strict=True)]


def _blocks(first: Sequence[Hashable], second: Sequence[Hashable]) -> Iterator[Block]:
    """Yield what is the same in both, in order and disjoint."""
    lines, other_lines = _Lines.of(first), _Lines.of(second)
    at = there = 0
    for line, other, n in _matching(lines.lines, other_lines.lines):
        start, begin = lines.starts[line], other_lines.starts[other]
        yield from _moved(_matching(first[at:start], second[there:begin]), at, there)
        n_tokens = lines.starts[line + n] - start
        if n_tokens:
            yield start, begin, n_tokens
        at, there = start + n_tokens, begin + n_tokens


class _Lines:
    """A text's tokens by lines; starts: of each, and the end."""

    def __init__(self, lines: list[Hashable], starts: list[int]) -> None:
        self.lines, self.starts = lines, starts

    @classmethod
    def of(cls, names: Sequence[Hashable]) -> _Lines:
        """Cut behind tokens that have a line feed."""
        ends = [i + 1 for i, name in enumerate(names) if isinstance(name, str) and "\n" in name]
        starts = [0, *ends, *([len(names)] if not ends or ends[-1] < len(names) else [])]
        lines: list[Hashable] = [tuple(names[a:b]) for a, b in pairwise(starts)]
        return cls(lines, starts)


def _matching(first: Sequence[Hashable], second: Sequence[Hashable]) -> Iterator[Block]:
    """Yield blocks that are the same, and in the end one of length 0, as difflib does."""
    n_before = _n_common(first, second)
    n_after = _n_common(first[n_before:][::-1], second[n_before:][::-1])
    if n_before:
        yield 0, 0, n_before
    rest, other = first[n_before : len(first) - n_after], second[n_before : len(second) - n_after]
    yield from _moved(_matching_apart(rest, other), n_before, n_before)
    if n_after:
        yield len(first) - n_after, len(second) - n_after, n_after
    yield len(first), len(second), 0


def _matching_apart(first: Sequence[Hashable], second: Sequence[Hashable]) -> Iterator[Block]:
    """Yield blocks of texts that begin and end otherwise; each with each only where they are short.

    Else what stands once in both goes together, where it is in the same order: patience diff.
    """
    if len(first) <= MOST_MATCHED and len(second) <= MOST_MATCHED:
        matcher = SequenceMatcher(None, first, second, autojunk=False)
        yield from ((one.a, one.b, one.size) for one in matcher.get_matching_blocks() if one.size)
        return
    at = there = 0
    for anchor, other in [*_in_order(_unique(first, second)), (len(first), len(second))]:
        if anchor - at <= MOST_MATCHED and other - there <= MOST_MATCHED:
            between = _matching_apart(first[at:anchor], second[there:other])
            yield from _moved(between, at, there)
        if anchor < len(first):
            yield anchor, other, 1
        at, there = anchor + 1, other + 1


def _unique(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return where what stands once in each stands in both, in the first's order."""
    places, others = _once(first), _once(second)
    return [(at, others[name]) for name, at in places.items() if name in others]


def _once(names: Sequence[Hashable]) -> dict[Hashable, int]:
    seen: dict[Hashable, int] = {}
    for at, name in enumerate(names):
        seen[name] = -1 if name in seen else at
    return {name: at for name, at in seen.items() if at >= 0}


def _in_order(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest chain of pairs in which both numbers grow."""
    tails: list[int] = []  # of chains of each length, the index of the pair with the least end
    ends: list[int] = []
    before = [-1] * len(pairs)
    for i, (_, other) in enumerate(pairs):
        n = bisect_left(ends, other)
        before[i] = tails[n - 1] if n else -1
        tails[n : n + 1], ends[n : n + 1] = [i], [other]
    chain = []
    i = tails[-1] if tails else -1
    while i >= 0:
        chain.append(pairs[i])
        i = before[i]
    return chain[::-1]


def _n_common(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Return how long both begin alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def _moved(blocks: Iterator[Block], at: int, there: int) -> Iterator[Block]:
    """Yield blocks that have a length, moved."""
    return ((at + a, there + b, n) for a, b, n in blocks if n)


def bits_of_both(comparison: Comparison) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bits of each stretch, in the first and in the second, float64 (n,)."""
    return (
        _sums(comparison.first.tokens.bits, comparison.first_starts),
        _sums(comparison.second.tokens.bits, comparison.second_starts),
    )


def _sums(bits: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    ends = np.append(0.0, np.cumsum(bits))[starts]
    sums: NDArray[np.float64] = np.diff(ends)
    return sums
