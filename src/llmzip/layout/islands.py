"""Tells text from binary data, and from long runs of one byte, at a grain of some hundred bytes.

Each byte costs what it would cost as text (a language model codes it, odd bytes dearly), as binary
data, or as one more of a run; a change costs what a step of a layout does, and the context that is
lost. The cheapest way through is taken. Costs are in eighths of a bit.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import inlined, kernel

TEXT, BINARY, RUN = 0, 1, 2
"""What bytes may be."""

_PLAIN, _SEPARATOR, _ODD, _ZERO, _CHARACTER = range(5)

_AS_TEXT = np.array([12, 40, 112, 112, 16], dtype=np.int64)
_AS_BINARY = np.array([24, 40, 40, 20, 40], dtype=np.int64)
"""By the class of a byte, as above."""

_TEXT_AGAIN, _ODD_AGAIN, _BINARY_AGAIN = 1, 16, 2
"""For a byte that is as the one before it."""

_CHANGE = np.array([[0, 320, 352], [1000, 0, 760], [240, 240, 0]], dtype=np.int64)
"""From one to another. Text within binary data must be long: short strings are better there.
No detour is cheaper than the direct way."""

_WORTH = 320 * 8
"""What all must gain before it is worth a layout."""

_MIN_TEXT_BYTES = 64
_MIN_RUN_BYTES = 256  # beside binary data

_NEVER = 1 << 60
_SEPARATORS = (0x01, 0x08, 0x1C, 0x1D, 0x1E, 0x1F)
_FIRST_LETTER = 0x20

Segment = tuple[int, int, int]
"""Bytes from the first up to the second (exclusive), and what they are."""


def _classes() -> NDArray[np.uint8]:
    """Return the class of each byte, for bytes from 128 on as if they were no character."""
    classes = np.full(256, _ODD, dtype=np.uint8)
    classes[_FIRST_LETTER:0x7F] = _PLAIN
    classes[[0x09, 0x0A, 0x0C, 0x0D, 0x1B]] = _PLAIN
    classes[list(_SEPARATORS)] = _SEPARATOR
    classes[0] = _ZERO
    return classes


CLASSES = _classes()


def find_islands(data: bytes) -> list[Segment]:
    """Return what `data` consists of; neighbours differ."""
    octets = np.frombuffer(data, dtype=np.uint8)
    if not octets.size:
        return []
    what = np.empty(octets.size, dtype=np.uint8)
    cheapest, as_text, as_binary = _find(octets, CLASSES, _AS_TEXT, _AS_BINARY, _CHANGE, what)
    if min(as_text, as_binary) - cheapest < _WORTH:
        return [(0, len(data), TEXT if as_text <= as_binary else BINARY)]
    cuts = [0, *(np.flatnonzero(what[1:] != what[:-1]) + 1).tolist(), len(data)]
    found = [(start, stop, int(what[start])) for start, stop in pairwise(cuts)]
    return _joined(_without_short_runs(_joined(_without_short_texts(found))))


def _without_short_texts(segments: list[Segment]) -> list[Segment]:
    """Return them with short texts as binary data: as fields of records they are better there."""
    return [
        (start, stop, BINARY if what == TEXT and stop - start < _MIN_TEXT_BYTES else what)
        for start, stop, what in segments
    ]


def _without_short_runs(segments: list[Segment]) -> list[Segment]:
    """Return them with short runs as part of binary data beside them."""
    kinds = [TEXT, *(what for _, _, what in segments), TEXT]
    return [
        (start, stop, BINARY if is_short and BINARY in (kinds[i], kinds[i + 2]) else what)
        for i, (start, stop, what) in enumerate(segments)
        for is_short in [what == RUN and stop - start < _MIN_RUN_BYTES]
    ]


def _joined(segments: list[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    for start, stop, what in segments:
        if joined and joined[-1][2] == what and what != RUN:
            joined[-1] = (joined[-1][0], stop, what)
        else:
            joined.append((start, stop, what))
    return joined


@inlined
def _n_following(octets: Any, at: int) -> int:
    """Return how many bytes of the character of UTF-8 at `at` follow; 0 if it is none."""
    byte = octets[at]
    n = 1 if 0xC2 <= byte < 0xE0 else 2 if 0xE0 <= byte < 0xF0 else 3 if 0xF0 <= byte < 0xF5 else 0
    if at + n >= len(octets):
        return 0
    for i in range(n):
        if octets[at + 1 + i] & 0xC0 != 0x80:
            return 0
    return n


@kernel
def _find(octets: Any, classes: Any, as_text: Any, as_binary: Any, change: Any, what: Any) -> Any:
    """Set what each byte is; return the costs of that, of all as text and of all as binary data.

    Until the way back, `what` holds where each of the three came from: two bits for each.
    """
    text, binary, run = np.int64(0), np.int64(0), np.int64(_NEVER)
    all_text, all_binary = np.int64(0), np.int64(0)
    n_following = 0
    for at in range(len(octets)):
        byte = octets[at]
        is_again = at > 0 and byte == octets[at - 1]
        kind = np.int64(classes[byte])
        if n_following > 0:
            kind, n_following = np.int64(_CHARACTER), n_following - 1
        elif byte >= 0x80:
            n_following = _n_following(octets, at)
            if n_following > 0:
                kind = np.int64(_CHARACTER)
        for_text, for_binary = as_text[kind], as_binary[kind]
        if is_again:
            for_text = _TEXT_AGAIN if kind == _PLAIN else min(for_text, _ODD_AGAIN)
            for_binary = _BINARY_AGAIN
        all_text += for_text
        all_binary += for_binary
        from_text = TEXT
        best_text = text
        if binary + change[BINARY, TEXT] < best_text:
            best_text, from_text = binary + change[BINARY, TEXT], BINARY
        if run + change[RUN, TEXT] < best_text:
            best_text, from_text = run + change[RUN, TEXT], RUN
        from_binary = BINARY
        best_binary = binary
        if text + change[TEXT, BINARY] < best_binary:
            best_binary, from_binary = text + change[TEXT, BINARY], TEXT
        if run + change[RUN, BINARY] < best_binary:
            best_binary, from_binary = run + change[RUN, BINARY], RUN
        from_run = RUN
        best_run = run if is_again else np.int64(_NEVER)
        if text + change[TEXT, RUN] < best_run:
            best_run, from_run = text + change[TEXT, RUN], TEXT
        if binary + change[BINARY, RUN] < best_run:
            best_run, from_run = binary + change[BINARY, RUN], BINARY
        text, binary, run = best_text + for_text, best_binary + for_binary, best_run
        what[at] = from_text | from_binary << 2 | from_run << 4
    cheapest = min(text, binary, run)
    state = TEXT if text == cheapest else BINARY if binary == cheapest else RUN
    for at in range(len(octets) - 1, -1, -1):
        before = what[at] >> (2 * state) & 3
        what[at] = state
        state = before
    return cheapest, all_text, all_binary
