"""Tells text from binary data, and from long runs of one byte, at a grain of some hundred bytes.

Each byte costs what it would cost as text (a language model codes it, odd bytes dearly), as binary
data, or as one more of a run; a change costs what a step of a layout does, and the context that is
lost. The cheapest way through is taken. Costs are in eighths of a bit.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

TEXT, BINARY, RUN = 0, 1, 2
"""What bytes may be."""

_PLAIN, _SEPARATOR, _ODD, _ZERO, _CHARACTER = range(5)

_AS_TEXT = np.array([12, 40, 112, 112, 16], dtype=np.uint8)
_AS_BINARY = np.array([24, 40, 40, 20, 40], dtype=np.uint8)
"""By the class of a byte, as above."""

_TEXT_AGAIN, _ODD_AGAIN, _BINARY_AGAIN = 1, 16, 2
"""For a byte that is as the one before it."""

_CHANGE = (0, 320, 352), (1000, 0, 760), (240, 240, 0)
"""From one to another. Text within binary data must be long: short strings are better there.
No detour is cheaper than the direct way."""

_WORTH = 320 * 8
"""What all must gain before it is worth a layout."""

_MIN_TEXT_BYTES = 64
_MIN_RUN_BYTES = 256  # beside binary data

_NEVER = 1 << 60
_SHORT_BYTES = 1 << 16  # the cheapest way is found sooner than numba is imported
_SEPARATORS = (0x01, 0x08, 0x1C, 0x1D, 0x1E, 0x1F)
_FIRST_LETTER = 0x20
_LEADS = (0xC2, 0xE0), (0xE0, 0xF0), (0xF0, 0xF5)
"""With what, up to what, characters of UTF-8 begin that go on for one, two and three bytes."""

Octets = NDArray[np.uint8]

Segment = tuple[int, int, int]
"""Bytes from the first up to the second (exclusive), and what they are."""


def _classes() -> Octets:
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
    costs = _costs(octets)
    all_text, all_binary = (int(cost.sum(dtype=np.int64)) for cost in costs[:2])
    what, cheapest = _cheapest(*costs)
    if min(all_text, all_binary) - cheapest < _WORTH:
        return [(0, len(data), TEXT if all_text <= all_binary else BINARY)]
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


def _costs(octets: Octets) -> tuple[Octets, Octets, NDArray[np.bool_]]:
    """Return what each byte costs as text and as binary data, and if it is as the one before it."""
    kinds = CLASSES[octets]
    for n_following in range(1, 4):
        leads = _leads(octets, n_following)
        for i in range(n_following + 1):
            kinds[leads + i] = _CHARACTER
    is_again = np.zeros(octets.size, dtype=np.bool_)
    np.equal(octets[1:], octets[:-1], out=is_again[1:])
    as_text, as_binary = _AS_TEXT[kinds], _AS_BINARY[kinds]
    text_again = np.where(kinds == _PLAIN, _TEXT_AGAIN, np.minimum(as_text, _ODD_AGAIN))
    np.copyto(as_text, text_again, where=is_again)
    as_binary[is_again] = _BINARY_AGAIN
    return as_text, as_binary, is_again


def _leads(octets: Octets, n_following: int) -> NDArray[np.int64]:
    """Return where characters of UTF-8 begin that go on for so many bytes."""
    first, end = _LEADS[n_following - 1]
    places = np.flatnonzero((octets >= first) & (octets < end))
    places = places[places + n_following < octets.size]
    for i in range(n_following):
        places = places[octets[places + 1 + i] & 0xC0 == 0x80]
    return places


def _cheapest(
    as_text: Octets, as_binary: Octets, is_again: NDArray[np.bool_]
) -> tuple[Octets, int]:
    """Return what each byte is on the cheapest way, and what that costs."""
    if len(as_text) <= _SHORT_BYTES:
        way = bytearray(len(as_text))
        cost = _find_cheapest(as_text.tolist(), as_binary.tolist(), is_again.tolist(), way)
        return np.frombuffer(way, dtype=np.uint8), cost
    what = np.empty(len(as_text), dtype=np.uint8)
    return what, _compiled()(as_text, as_binary, is_again, what)


@cache
def _compiled() -> Any:
    from llmzip.compiled import kernel

    return kernel(_find_cheapest)


def _find_cheapest(as_text: Any, as_binary: Any, is_again: Any, what: Any) -> Any:
    """Set what each byte is on the cheapest way; return what that costs.

    Until the way back, `what` holds where each of the three came from: two bits for each.
    Interpreted for short data, so all of it has to mean the same in Python.
    """
    text_to_binary, text_to_run = _CHANGE[TEXT][BINARY], _CHANGE[TEXT][RUN]
    binary_to_text, binary_to_run = _CHANGE[BINARY][TEXT], _CHANGE[BINARY][RUN]
    run_to_text, run_to_binary = _CHANGE[RUN][TEXT], _CHANGE[RUN][BINARY]
    text, binary, run = 0, 0, _NEVER
    for at in range(len(as_text)):
        from_text, best_text = TEXT, text
        if binary + binary_to_text < best_text:
            from_text, best_text = BINARY, binary + binary_to_text
        if run + run_to_text < best_text:
            from_text, best_text = RUN, run + run_to_text
        from_binary, best_binary = BINARY, binary
        if text + text_to_binary < best_binary:
            from_binary, best_binary = TEXT, text + text_to_binary
        if run + run_to_binary < best_binary:
            from_binary, best_binary = RUN, run + run_to_binary
        from_run, best_run = RUN, run if is_again[at] else _NEVER
        if text + text_to_run < best_run:
            from_run, best_run = TEXT, text + text_to_run
        if binary + binary_to_run < best_run:
            from_run, best_run = BINARY, binary + binary_to_run
        text, binary, run = best_text + as_text[at], best_binary + as_binary[at], best_run
        what[at] = from_text | from_binary << 2 | from_run << 4
    cheapest = min(text, binary, run)
    state = TEXT if text == cheapest else BINARY if binary == cheapest else RUN
    for at in range(len(as_text) - 1, -1, -1):
        before = what[at] >> (2 * state) & 3
        what[at] = state
        state = before
    return cheapest
