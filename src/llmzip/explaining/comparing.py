"""Two explanations side by side: which tokens of one stand for which of the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmzip.explaining.explanation import Comparison, Explanation
from llmzip.explaining.matching import matched
from llmzip.explaining.places import token_ends

Starts = NDArray[np.int64]


def compared(first: Explanation, second: Explanation) -> Comparison:
    """Return which tokens of two explanations align.

    Of one text stretches are as short as both models' tokens allow, and all are aligned: they
    stand for the same bytes, though one side is empty where only the other model reads them. Of
    different texts each token that has a partner is a stretch, aligned, and what stands between
    them is one, not aligned. Partners have the same id and text with the same model, and the
    same bytes and text with different ones. `matching.matched` says what finding them takes: a
    second or two for 250,000 tokens, whatever they are.
    """
    if first.data == second.data:
        starts = _shared_starts(first.tokens.offsets, second.tokens.offsets)
        return Comparison(first, second, *starts, np.ones(starts[0].size - 1, dtype=np.bool_))
    pairs = matched(*_numbered(_keys(first, second), _keys(second, first)))
    return Comparison(
        first, second, *_stretches(pairs, first.tokens.ids.size, second.tokens.ids.size)
    )


def _shared_starts(first: Starts, second: Starts) -> tuple[Starts, Starts]:
    """Return where stretches begin that start at bytes where tokens of both begin."""
    shared = np.intersect1d(first, second)
    mine, yours = np.searchsorted(first, shared), np.searchsorted(second, shared)
    begin, end = (0, 0), (first.size, second.size)
    edges = [begin, *zip(mine.tolist(), yours.tolist(), strict=True), end]
    return _columns(dict.fromkeys(edges))


def _keys(one: Explanation, other: Explanation) -> Iterator[Hashable]:
    """Yield what tokens must share to be partners.

    The text too, as the first token of a character shows all of it.
    """
    if one.fingerprint == other.fingerprint:
        yield from zip(one.tokens.ids.tolist(), one.spelt, strict=True)
        return
    spans = zip(one.tokens.offsets.tolist(), token_ends(one).tolist(), one.spelt, strict=True)
    yield from ((one.data[start:end], text) for start, end, text in spans)


def _numbered(*sequences: Iterable[Hashable]) -> list[Starts]:
    """Return the sequences as int64, equal numbers for equal keys."""
    numbers: dict[Hashable, int] = {}
    return [
        np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
        for keys in sequences
    ]


def _stretches(
    pairs: Starts, n_first: int, n_second: int
) -> tuple[Starts, Starts, NDArray[np.bool_]]:
    """Return the stretches, with whether they are aligned, that pairs of partners (k, 2) cut."""
    edges, aligned = [(0, 0)], []
    for i, j in [*map(tuple, pairs.tolist()), (n_first, n_second)]:
        if (i, j) != edges[-1]:
            edges.append((i, j))
            aligned.append(False)
        if i < n_first or j < n_second:
            edges.append((i + 1, j + 1))
            aligned.append(True)
    return (*_columns(edges), np.array(aligned, dtype=np.bool_))


def _columns(edges: Iterable[tuple[int, ...]]) -> tuple[Starts, Starts]:
    table = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def stretch_bits(comparison: Comparison) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bits of each stretch, of the first and of the second: float64 (n,) each."""
    first = _sums(comparison.first.tokens.bits, comparison.first_starts)
    return first, _sums(comparison.second.tokens.bits, comparison.second_starts)


def _sums(bits: NDArray[np.float64], starts: Starts) -> NDArray[np.float64]:
    # Not from differences of a running sum: a text's bits would swallow those of a cheap token.
    return np.array(
        [bits[i:j].sum() if j - i != 1 else bits[i] for i, j in pairwise(starts.tolist())],
        dtype=np.float64,
    )
