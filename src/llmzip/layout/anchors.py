"""Anchors: the places of a text at which repeats are looked for, and the table that remembers them.

A place is an anchor for what stands in the window before it, so the same bytes have theirs at the
same places wherever they come: a rolling hash ("gear" hashing) over the window decides. Where it
finds none for long, as in what repeats after a few bytes, one is made, and every place whose
window equals that of the last anchor is one, too.

Only who compresses looks at anchors; a decoder follows the copies that were found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import inlined, kernel

WINDOW_BYTES = 64
"""What an anchor stands for: the hash is shifted by one bit a byte, out of 64."""
SPACING_BYTES = 1 << 6
"""How far apart anchors are on average."""
MIN_SPACING_BYTES = 16
QUIET_BYTES = 1 << 9
"""At least one anchor is in so many bytes."""

Places = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_WAYS = 4  # entries of a bucket
_FIRST_BITS = 10
_MOST_BITS = 22
_FACTOR, _FOLD = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
_CHECK_SHIFT, _CHECK_MASK, _CHECK_SET = np.uint64(22), np.uint64(0xFFFFFFFF), np.uint64(1)
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_BELOW = np.uint64((1 << 64) // SPACING_BYTES)
_NONE, _ONE = np.uint64(0), np.uint64(1)
NO_PLACE = -1


def _gear() -> Hashes:
    """Return a number for each byte value, by SplitMix64."""
    z = np.arange(1, 257, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = z ^ (z >> np.uint64(31))
    return mixed


_GEAR = _gear()


def find_anchors(text: NDArray[np.uint8]) -> tuple[Places, Hashes]:
    """Return the anchors of a text: where each window ends (exclusive), ascending, and its hash."""
    most = len(text) // MIN_SPACING_BYTES + 1
    places, hashes = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.uint64)
    n = _scan(text, places, hashes)
    return places[:n], hashes[:n]


class AnchorTable:
    """The latest place of each window, among the anchors that were put in: it grows with them.

    Places are told from each other if they are less than 4 GiB apart.
    """

    def __init__(self) -> None:
        self.bits = _FIRST_BITS
        self.entries: Hashes = np.zeros(_WAYS << _FIRST_BITS, dtype=np.uint64)
        self._n_taken = 0

    def make_room(self, n_more: int) -> None:
        """Grow until so many more anchors fit, if the table may be as large."""
        bits = self.bits
        while self._n_taken + n_more > (_WAYS << bits) * 3 // 4 and bits < _MOST_BITS:
            bits += 1
        if bits > self.bits:
            entries = np.zeros(_WAYS << bits, dtype=np.uint64)
            _rehash(self.entries, self.bits, entries, bits)
            self.bits, self.entries = bits, entries

    def count(self, n_more: int) -> None:
        """Note that so many places were put where there was none."""
        self._n_taken += n_more

    def put_all(self, places: Places, hashes: Hashes) -> None:
        """Put in all of these anchors."""
        self.make_room(len(places))
        self.count(_put_all(self.entries, self.bits, places, hashes))


@kernel
def _scan(text: Any, places: Any, hashes: Any) -> Any:
    """Find the anchors of a text; return how many there are."""
    n, last_place = 0, 0
    state, last = _NONE, _NONE
    for start in range(0, text.size, QUIET_BYTES):
        n_before = n
        stop = min(start + QUIET_BYTES, text.size)
        for at in range(start, stop):
            state = (state << _ONE) + _GEAR[text[at]]
            if state < _BELOW or state == last:
                place = at + 1
                if place - last_place >= MIN_SPACING_BYTES and place >= WINDOW_BYTES:
                    places[n], hashes[n] = place, state
                    n, last, last_place = n + 1, state, place
        if n == n_before and stop - start == QUIET_BYTES:
            places[n], hashes[n] = stop, state
            n, last, last_place = n + 1, state, stop
    return n


@inlined
def _mixed(state: Any) -> Any:
    return (state ^ (state >> _FOLD)) * _FACTOR


@inlined
def _first_of_bucket(mixed: Any, bits: int) -> Any:
    return np.int64(mixed >> np.uint64(64 - bits)) * _WAYS


@inlined
def _check_of(mixed: Any) -> Any:
    """32 bits of the hash that are never 0; those above the lowest widen the number of a bucket."""
    return ((mixed >> _CHECK_SHIFT) & _CHECK_MASK) | _CHECK_SET


@inlined
def _place_of(entry: Any, before: int) -> Any:
    """The latest place that an entry can stand for, up to `before`."""
    return before - np.int64((np.uint64(before) - entry) & _LOW)


@inlined
def place_of_window(entries: Any, bits: int, state: Any, before: int) -> Any:
    """The place of a window's hash in the table, NO_PLACE if it is not there."""
    mixed = _mixed(state)
    first, check = _first_of_bucket(mixed, bits), _check_of(mixed)
    for way in range(_WAYS):
        entry = entries[first + way]
        if entry >> _HALF == check:
            return _place_of(entry, before)
    return NO_PLACE


@inlined
def put_place(entries: Any, bits: int, state: Any, place: int) -> Any:
    """Put in a window's place, over what is the same, else free, else oldest; return 1 if free."""
    mixed = _mixed(state)
    first, check = _first_of_bucket(mixed, bits), _check_of(mixed)
    best, oldest, was_free = first, place + 1, 0
    for way in range(_WAYS):
        entry = entries[first + way]
        if entry >> _HALF == check:
            best, was_free = first + way, 0
            break
        age = NO_PLACE if entry == _NONE else _place_of(entry, place)
        if age < oldest:
            best, oldest, was_free = first + way, age, int(entry == _NONE)
    entries[best] = (check << _HALF) | (np.uint64(place) & _LOW)
    return was_free


@kernel
def _put_all(entries: Any, bits: int, places: Any, hashes: Any) -> Any:
    n = 0
    for i in range(places.size):
        n += put_place(entries, bits, hashes[i], places[i])
    return n


@kernel
def _rehash(entries: Any, bits: int, wider: Any, wider_bits: int) -> None:
    """Move all entries into a table with more buckets."""
    shift = np.uint64(64 - wider_bits) - _CHECK_SHIFT
    for bucket in range(entries.size // _WAYS):
        for way in range(_WAYS):
            entry = entries[bucket * _WAYS + way]
            if entry == _NONE:
                continue
            known = np.int64((entry >> _HALF) >> shift) & ((1 << (wider_bits - bits)) - 1)
            first = ((bucket << (wider_bits - bits)) | known) * _WAYS
            while wider[first] != _NONE:
                first += 1
            wider[first] = entry
