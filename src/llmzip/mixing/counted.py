"""Bytes by how often each has come before: the coder of context mixing, with no contexts.

docs/FORMAT.md specifies it (*Counted chunks*).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import inlined, kernel
from llmzip.mixing.kernel import AT, CODE, HIGH, LOW, WORD, _byte, _code, _ending


class Counts(NamedTuple):
    """How often a 0 and a 1 came after the bits of a byte so far, and the coder's numbers."""

    counts: NDArray[np.int64]  # [256, 2]
    numbers: NDArray[np.int64]


def new_counts() -> Counts:
    """Return what has seen nothing."""
    numbers = np.zeros(13, dtype=np.int64)
    numbers[HIGH] = WORD
    return Counts(np.zeros((256, 2), dtype=np.int64), numbers)


@inlined
def _byte_coded(s: Any, byte: Any, payload: Any, decoding: bool) -> Any:
    """Code a byte, or return the one decoded; -1 if the payload has no more room."""
    node = np.int64(1)
    for bit in range(8):
        zeros, ones = s.counts[node, 0], s.counts[node, 1]
        chance = (2 * ones + 1 << 16) // (2 * (zeros + ones) + 2)
        chance = max(min(chance, 65535), 1)
        y = 0 if decoding else byte >> (7 - bit) & 1
        y = _code(s, y, chance, payload, decoding)
        if y < 0:
            return np.int64(-1)
        s.counts[node, y] += 1
        node = node << 1 | y
    return node & 0xFF


@kernel
def encode(s: Any, text: Any, payload: Any) -> int:
    """Write the payload of `text`; return its length, -1 if it does not fit."""
    n = s.numbers
    for position in range(len(text)):
        if _byte_coded(s, np.int64(text[position]), payload, False) < 0:
            return -1
    value = _ending(n[LOW], n[HIGH])
    while value:
        if n[AT] == len(payload):
            return -1
        payload[n[AT]] = value >> 24
        value = value << 8 & WORD
        n[AT] += 1
    at = n[AT]
    while at and payload[at - 1] == 0:
        at -= 1
    return int(at)


@kernel
def decode(s: Any, payload: Any, text: Any) -> bool:
    """Fill `text`; return whether `payload` is what it is encoded to, but for zeros at its end.

    Where the payload says nothing more, only ones follow: see llmzip.mixing.kernel.
    """
    n = s.numbers
    for at in range(4):
        n[CODE] = n[CODE] << 8 | _byte(payload, at)
    n[AT] = 4
    for position in range(len(text)):
        if n[CODE] == 0 and n[AT] >= len(payload):
            text[position:] = 0xFF
            break
        text[position] = _byte_coded(s, np.int64(0), payload, True)
    return bool(len(payload) <= n[AT] and n[CODE] == _ending(n[LOW], n[HIGH]))
