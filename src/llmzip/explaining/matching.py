"""Which elements of two long sequences are the same, in order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from llmzip.explaining.lcs import longest_common

Numbers = NDArray[np.int64]
Block = tuple[int, int, int, int]
"""Begin and end in the first, begin and end in the second."""

_EXACT_CELLS = 1 << 26
"""Blocks of at most so many pairs of elements are matched exactly."""

_RUNS = (32, 8, 1)
"""How many elements in a row must be found just once in both to be an anchor; the longest first."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def matched(first: Numbers, second: Numbers) -> Numbers:
    """Return partners, int64 (k, 2), that rise in both columns and are equal in both sequences.

    They are a longest common subsequence where the product of the lengths, without the beginning
    and the end that both share, is at most 2**26: 8,192 of each. Larger blocks are cut by runs
    that stand just once in both (patience), those of 32 elements first, and what has no such run
    into equal shares. So n elements take time for n log n, and at most for n * 8,192 bits.
    """
    found = [np.zeros((0, 2), dtype=np.int64)]
    blocks: list[tuple[Block, int]] = [((0, first.size, 0, second.size), 0)]
    while blocks:
        (i, i_end, j, j_end), n_tried = blocks.pop()
        mine, yours = first[i:i_end], second[j:j_end]
        head = _n_shared(mine, yours)
        tail = _n_shared(mine[head:][::-1], yours[head:][::-1])
        found += [_run(i, j, head), _run(i_end - tail, j_end - tail, tail)]
        inner = i + head, i_end - tail, j + head, j_end - tail
        here, rest = _within(first, second, inner, n_tried)
        found.append(here)
        blocks += rest
    pairs = np.concatenate(found)
    return pairs[np.argsort(pairs[:, 0], kind="stable")]


def _within(
    first: Numbers, second: Numbers, block: Block, n_tried: int
) -> tuple[Numbers, list[tuple[Block, int]]]:
    """Return partners in a block, and blocks that are still to be matched.

    n_tried: how many lengths of runs have been tried on it.
    """
    i, i_end, j, j_end = block
    mine, yours = first[i:i_end], second[j:j_end]
    if not mine.size or not yours.size:
        return _run(i, j, 0), []
    if mine.size * yours.size <= _EXACT_CELLS:
        pairs = longest_common(mine.tolist(), yours.tolist())
        return _moved(np.array(pairs, dtype=np.int64).reshape(-1, 2), i, j), []
    if n_tried == len(_RUNS):
        return _run(i, j, 0), [(share, n_tried) for share in _shares(block)]
    anchors = _moved(_anchors(mine, yours, _RUNS[n_tried]), i, j)
    runs = [run for run in _disjoint(anchors, _RUNS[n_tried]) if run[2]]
    gaps = _gaps(block, runs)
    return np.concatenate([_run(i, j, 0), *(_run(*run) for run in runs)]), [
        (gap, n_tried + 1) for gap in gaps
    ]


def _n_shared(first: Numbers, second: Numbers) -> int:
    """Return how many elements at the beginning are the same."""
    n = min(first.size, second.size)
    differ = first[:n] != second[:n]
    return int(differ.argmax()) if differ.any() else n


def _run(i: int, j: int, n: int) -> Numbers:
    """Return the partners of `n` elements in a row."""
    return np.stack([np.arange(i, i + n), np.arange(j, j + n)], axis=1).astype(np.int64)


def _moved(pairs: Numbers, i: int, j: int) -> Numbers:
    """Return partners in a block as partners in all, where it begins at `i` and `j`."""
    return pairs + np.array([i, j], dtype=np.int64)


def _shares(block: Block) -> list[Block]:
    """Return a block cut into equal shares that are small enough."""
    i, i_end, j, j_end = block
    n = int(np.ceil(np.sqrt((i_end - i) * (j_end - j) / _EXACT_CELLS))) + 1
    mine = np.linspace(i, i_end, n + 1).astype(np.int64).tolist()
    yours = np.linspace(j, j_end, n + 1).astype(np.int64).tolist()
    return list(zip(mine, mine[1:], yours, yours[1:], strict=False))


def _anchors(first: Numbers, second: Numbers, n: int) -> Numbers:
    """Return where runs of `n` elements begin that stand just once in both, as many as rise."""
    mine, yours = _once(_hashes(first, n)), _once(_hashes(second, n))
    _, at, there = np.intersect1d(mine[0], yours[0], assume_unique=True, return_indices=True)
    places = np.stack([mine[1][at], yours[1][there]], axis=1)
    same = np.ones(len(places), dtype=np.bool_)
    for k in range(n):  # hashes may collide
        same &= first[places[:, 0] + k] == second[places[:, 1] + k]
    places = places[same]
    places = places[np.argsort(places[:, 0])]
    return places[_rising(places[:, 1].tolist())]


def _hashes(numbers: Numbers, n: int) -> NDArray[np.uint64]:
    """Return a hash of each run of `n` elements."""
    n_runs = max(0, numbers.size - n + 1)
    hashes = np.zeros(n_runs, dtype=np.uint64)
    for k in range(n):
        hashes = hashes * _FACTOR + numbers[k : k + n_runs].astype(np.uint64) + np.uint64(1)
    return hashes


def _once(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Numbers]:
    """Return the hashes that stand there just once, and where."""
    values, places, counts = np.unique(hashes, return_index=True, return_counts=True)
    return values[counts == 1], places[counts == 1].astype(np.int64)


def _rising(values: list[int]) -> Numbers:
    """Return which of different numbers are a longest rising subsequence."""
    tops: list[int] = []  # the least number that a subsequence of each length can end with
    ends: list[int] = []
    before = []
    for place, value in enumerate(values):
        at = bisect_left(tops, value)
        before.append(ends[at - 1] if at else -1)
        if at == len(tops):
            tops.append(value)
            ends.append(place)
        else:
            tops[at], ends[at] = value, place
    chosen = []
    place = ends[-1] if ends else -1
    while place >= 0:
        chosen.append(place)
        place = before[place]
    return np.array(chosen[::-1], dtype=np.int64)


def _disjoint(anchors: Numbers, n: int) -> Iterator[tuple[int, int, int]]:
    """Yield runs, begin in both and length, that do not overlap in either; joined where they do."""
    i_begin = i_end = j_end = 0
    for i, j in anchors.tolist():
        n_taken = max(0, i_end - i, j_end - j)
        if n_taken >= n:
            continue
        if (i + n_taken, j + n_taken) != (i_end, j_end):
            yield i_begin, j_end - (i_end - i_begin), i_end - i_begin
            i_begin = i + n_taken
        i_end, j_end = i + n, j + n
    yield i_begin, j_end - (i_end - i_begin), i_end - i_begin


def _gaps(block: Block, runs: list[tuple[int, int, int]]) -> list[Block]:
    """Return what stands before, between and after runs, where there is something in both."""
    i, i_end, j, j_end = block
    gaps = []
    for i_run, j_run, n in [*runs, (i_end, j_end, 0)]:
        if i < i_run and j < j_run:
            gaps.append((i, i_run, j, j_run))
        i, j = i_run + n, j_run + n
    return gaps
