"""The longest common subsequence of two sequences of numbers, for a few thousand of them."""

from __future__ import annotations

from collections.abc import Sequence

Pairs = list[tuple[int, int]]


def longest_common(first: Sequence[int], second: Sequence[int]) -> Pairs:
    """Return the places, in both, of a longest common subsequence: pairs that rise in both.

    Takes time and memory for len(first) * len(second) bits (Hyyrö 2004): 8 MiB and a fraction of
    a second for 8,192 of each.
    """
    if len(first) > len(second):  # integers of few bits and many rows are faster than the reverse
        return [(i, j) for j, i in longest_common(second, first)]
    return _traced(len(first), _rows(first, second))


def _rows(first: Sequence[int], second: Sequence[int]) -> list[bytes]:
    """Return a row for each of `second`: bits, one for each of `first`.

    Bit i of row j is 0 where a common subsequence of first[: i + 1] and second[: j + 1] can be
    longer than one of first[:i] and second[: j + 1].
    """
    masks: dict[int, int] = {}
    for i, value in enumerate(first):
        masks[value] = masks.get(value, 0) | 1 << i
    full = (1 << len(first)) - 1
    n_bytes = (len(first) + 7) // 8
    row, rows = full, []
    for value in second:
        met = row & masks.get(value, 0)
        row = ((row + met) | (row - met)) & full
        rows.append(row.to_bytes(n_bytes, "little"))
    return rows


def _traced(n_first: int, rows: list[bytes]) -> Pairs:
    """Walk back from the ends; matches are taken as late as they can be in the first."""
    pairs = []
    i, j = n_first - 1, len(rows) - 1
    while i >= 0 and j >= 0:
        if _bit(rows[j], i):
            i -= 1
        elif j and not _bit(rows[j - 1], i):
            j -= 1
        else:
            pairs.append((i, j))
            i, j = i - 1, j - 1
    return pairs[::-1]


def _bit(row: bytes, i: int) -> int:
    return row[i >> 3] >> (i & 7) & 1
