"""How far what stands at two places is equal: forwards, backwards, and anchor after anchor."""

from __future__ import annotations

from typing import Any

from llmzip.compiled import inlined, kernel
from llmzip.layout.anchors import place_of_window, put_place

MATCHED, OUT_OF_VIEW = 1, 2
"""What next_match() has found: a match, or a place whose bytes it cannot see."""


@kernel
def n_equal(text: Any, at: int, other: Any) -> Any:
    """How many bytes of `text` from `at` on are those of `other` from its start."""
    n, most = 0, min(text.size - at, other.size)
    while n < most and text[at + n] == other[n]:
        n += 1
    return n


@kernel
def n_equal_before(text: Any, at: int, other: Any) -> Any:
    """How many bytes of `text` before `at` are those at the end of `other`."""
    n, most = 0, min(at, other.size)
    while n < most and text[at - 1 - n] == other[other.size - 1 - n]:
        n += 1
    return n


@kernel
def own_stretch(copied: Any, place: int, low: int, high: int) -> Any:
    """What of low to high was not copied and is one piece around the byte before `place`.

    copied: int64, (n, 2): starts and stops, in order. Where that byte was, it is left out.
    """
    first, last = 0, copied.shape[0]
    while first < last:  # of the stretches, to the first that stops after the byte
        middle = (first + last) // 2
        if copied[middle, 1] >= place:
            last = middle
        else:
            first = middle + 1
    if first > 0:
        low = max(low, copied[first - 1, 1])
    if first < copied.shape[0]:
        high = min(high, copied[first, 0])
    return low, high


@inlined
def _start(text: Any, base: int, place: int, distance: int, least: int) -> Any:
    """Where what is equal before a place, and so far back, begins: at `least` or later."""
    at, first = place - base, least - base
    while at > first and text[at - 1] == text[at - 1 - distance]:
        at -= 1
    return base + at


@inlined
def _stop(text: Any, base: int, place: int, distance: int, most: int) -> Any:
    """Where what is equal after a place, and so far back, stops: at `most` or before."""
    at, last = place - base, most - base
    while at < last and text[at] == text[at - distance]:
        at += 1
    return base + at


@inlined
def _least(least: Any, distance: int, is_near: bool) -> Any:
    """How long a match has to be: see next_match."""
    if not is_near:
        return least[1]
    return least[0] if distance >= least[2] else least[3]


@kernel
def next_match(
    text: Any,
    view: Any,
    least: Any,
    places: Any,
    hashes: Any,
    first: int,
    covered: int,
    reference: Any,
    reference_bits: int,
    entries: Any,
    bits: int,
    copied: Any,
    found: Any,
) -> Any:
    """Go on with step `first` to the first that has a match.

    Step 2n asks the reference's table for anchor n, step 2n + 1 the text's own, into which anchors
    without a match are put.

    text: what can be seen, up to the end of the group.
    view: the place where `text` begins, that of the group, and what sources may be: from the third
        on, but none between the fourth and the fifth.
    least: how long matches are, from the group itself, and from before it; and if they are less
        than the third back from the group itself, the fourth.
    places, hashes: the group's anchors. covered: where the last match ends.
    copied: int64, (n, 2): starts and stops of the stretches that are no source.
    found: filled with the source's place before the anchor, and start and stop of the match.

    Returns the step, what was found (0 at the end) and how many entries became taken.
    """
    base, group, floor, gap_start, gap_stop = view
    end, n_taken = base + text.size, 0
    for step in range(first, 2 * places.size):
        place, state = places[step // 2], hashes[step // 2]
        if place <= covered:
            continue
        is_own = step % 2 == 1
        if is_own:
            source = place_of_window(entries, bits, state, place)
        else:
            source = place_of_window(reference, reference_bits, state, place)
        if source > floor and source < place and (source > gap_stop or source <= gap_start):
            found[0] = source
            if source <= base:
                return step, OUT_OF_VIEW, n_taken
            low, high = own_stretch(copied, source, max(base, floor, gap_stop), end)
            if low < source <= high:
                distance = place - source
                start = _start(text, base, place, distance, max(covered, low + distance))
                stop = _stop(text, base, place, distance, min(end, high + distance))
                if stop - start >= _least(least, distance, start - distance >= group):
                    found[1], found[2] = start, stop
                    return step, MATCHED, n_taken
        if is_own:
            n_taken += put_place(entries, bits, state, place)
    return 2 * places.size, 0, n_taken
