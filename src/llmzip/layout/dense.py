"""Finds what looks like text but is noise in letters: base64, as in mails, keys and pages.

No model knows what comes next there, and what it has learnt is none the better for it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_BYTES = 512
_MIN_LINE_BYTES = 56
"""Base64 has lines of 60 to 76 bytes, but for the last."""
_MIN_CHANGES = 1 / 4
"""Of neighbours so many are of different kinds, small, capital or digit: 0.45 in base64, few in
words."""

_LOWER, _UPPER, _DIGIT, _OTHER, _END, _NONE = 1, 2, 3, 4, 5, 0

Span = tuple[int, int]


def _classes() -> NDArray[np.uint8]:
    classes = np.zeros(256, dtype=np.uint8)
    classes[ord("a") : ord("z") + 1] = _LOWER
    classes[ord("A") : ord("Z") + 1] = _UPPER
    classes[ord("0") : ord("9") + 1] = _DIGIT
    classes[[ord(letter) for letter in "+/=-_"]] = _OTHER
    classes[[0x0A, 0x0D]] = _END
    return classes


CLASSES = _classes()


def find_dense(data: bytes) -> list[Span]:
    """Return where `data` is base64 for long, in order."""
    octets = np.frombuffer(data, dtype=np.uint8)
    if not _may_have_any(octets):
        return []
    found = np.empty((octets.size // MIN_BYTES + 1, 2), dtype=np.int64)
    n_found = _compiled()(octets, CLASSES, found)
    return [(start, stop) for start, stop in found[:n_found].tolist()]


def _may_have_any(octets: NDArray[np.uint8]) -> bool:
    """Whether there are enough bytes that base64 may have, and letters for a line, in a row.

    Of most texts this tells all, in less time than it takes to load what finds base64.
    """
    kinds = CLASSES[octets]
    n_in_row, n_letters = _longest(kinds != _NONE), _longest(kinds % _END != _NONE)
    return n_in_row >= MIN_BYTES and n_letters >= _MIN_LINE_BYTES


def _longest(are: NDArray[np.bool_]) -> int:
    """Return how many True there are in a row at most."""
    return int(np.diff(np.flatnonzero(~are), prepend=-1, append=are.size).max()) - 1


@cache
def _compiled() -> Any:
    from llmzip.compiled import kernel

    return kernel(_find)


def _find(octets: Any, classes: Any, found: Any) -> int:
    """Write start and stop of each span into `found`; return how many there are.

    A span begins with a line, or within one, and ends with the last line that is long enough.
    """
    n_found = 0
    start = line = stop = 0
    n_changes = n_changes_until_stop = 0
    before = np.uint8(_NONE)
    for at in range(len(octets) + 1):
        kind = classes[octets[at]] if at < len(octets) else np.uint8(_NONE)
        is_letter = _NONE < kind < _END
        if is_letter:
            if kind != before and _NONE < before < _END:
                n_changes += 1
            before = kind
            continue
        if at - line >= _MIN_LINE_BYTES:
            stop, n_changes_until_stop = at, n_changes
        goes_on = kind == _END and (at - line >= _MIN_LINE_BYTES or at == line)
        if not goes_on:
            if stop - start >= MIN_BYTES and n_changes_until_stop >= (stop - start) * _MIN_CHANGES:
                found[n_found, 0], found[n_found, 1] = start, stop
                n_found += 1
            start = stop = at + 1
            n_changes = n_changes_until_stop = 0
        line = at + 1
        before = kind
    return n_found
