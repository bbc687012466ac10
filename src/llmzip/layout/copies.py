"""Finds what a text repeats of itself, or of a reference that stands before it, however far back.

The text is fed group by group. Its anchors (see `anchors`) say where a window was seen before;
what is equal around the two places is compared byte by byte, so every copy that is found is true.
What was copied from before its group is no source for others: whoever wants a group needs those
that it copies from, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.layout.anchors import AnchorTable, find_anchors
from llmzip.layout.earlier import Earlier
from llmzip.layout.edges import trimmed
from llmzip.layout.matches import (
    OUT_OF_VIEW,
    n_equal,
    n_equal_before,
    next_match,
    own_stretch,
)
from llmzip.layout.planned import Repeat
from llmzip.layout.program import MAX_DISTANCE
from llmzip.layout.repeats import LEAST_NEAR_BYTES
from llmzip.layout.stretches import Stretches

SIGHT_BYTES, LEAST_IN_SIGHT_BYTES = 1 << 13, 1 << 12
"""What is no further back the model may even see, so repeats have to be longer still."""
LEAST_FAR_BYTES = 192
LEAST_GOING_BYTES = 32
"""What goes on from the group before is worth its few bytes sooner."""

VIEW_BYTES = 1 << 23
"""So much of the text before a group is kept in memory, for what is repeated soon."""

_PIECE_BYTES = 1 << 12  # read at first of what is out of view, then more and more
_MOST_PIECE_BYTES = 1 << 18

Octets = NDArray[np.uint8]


@dataclass(frozen=True)
class LearntReference:
    """The anchors of a text that stands before others. n_bytes: how long it is."""

    table: AnchorTable
    n_bytes: int


def learn_reference(blocks: Iterable[bytes]) -> LearntReference:
    """Return the anchors of a text that comes in large blocks."""
    table, n_bytes = AnchorTable(), 0
    for block in blocks:
        places, hashes = find_anchors(np.frombuffer(block, dtype=np.uint8))
        table.put_all(places + n_bytes, hashes)
        n_bytes += len(block)
    return LearntReference(table, n_bytes)


class CopyFinder:
    """Finds the copies of a text, group by group.

    earlier: the text before each group; it begins with the reference, if there is one.
    independent: nothing is copied from other groups.
    """

    def __init__(
        self,
        earlier: Earlier,
        reference: LearntReference | None = None,
        *,
        independent: bool = False,
    ) -> None:
        self._earlier = earlier
        self._reference = reference or LearntReference(AnchorTable(), 0)
        self._independent = independent
        self._table = AnchorTable()
        self._copied = Stretches()
        self._n_bytes = self._reference.n_bytes  # of what there was, the reference included
        self._view: Octets = np.zeros(0, dtype=np.uint8)  # the end of that
        # how far back a copy is that the last group's end has cut off; versions begin alike
        self._going = self._reference.n_bytes or None

    def feed(self, group: bytes) -> list[Repeat]:
        """Take the next group; return its copies: in its own coordinates, in order, disjoint."""
        if self._independent:
            gap = self._reference.n_bytes, self._n_bytes
            search = self._search(group, gap, Stretches())
            if self._going is not None:
                search.go_on(self._going)
            search.run(self._reference.table, AnchorTable())
        else:
            search = self._search(group, (0, 0), self._copied)
            if self._going is not None:
                search.go_on(self._going)
            search.run(self._reference.table, self._table)
            self._going = search.going
            self._view = search.text[-VIEW_BYTES:]
            self._copied.forget(search.floor)
        self._earlier.note(group)
        self._n_bytes += len(group)
        return search.copies

    def _search(self, group: bytes, gap: tuple[int, int], copied: Stretches) -> _Search:
        text = np.concatenate([self._view, np.frombuffer(group, dtype=np.uint8)])
        floor = max(0, self._n_bytes + len(group) - MAX_DISTANCE)
        return _Search(self._earlier, text, self._n_bytes, len(group), floor, gap, copied)


class _Search:
    """The search of one group, all places being counted from the reference's start.

    text: what is in view, its end being the group: `n_bytes` from place `group` on.
    floor, gap: sources begin at the one or later, and none lies within the other.
    copied: stretches that are no source; what is copied from before the group is added to them.
    """

    def __init__(
        self,
        earlier: Earlier,
        text: Octets,
        group: int,
        n_bytes: int,
        floor: int,
        gap: tuple[int, int],
        copied: Stretches,
    ) -> None:
        self.text = text
        self.floor = floor
        self.copies: list[Repeat] = []
        self._earlier = earlier
        self._group = group
        self._n_bytes = n_bytes
        self._stop = group + n_bytes
        self._base = self._stop - len(text)
        self._gap = gap
        self._copied = copied
        self._covered = group
        self._latest: int | None = None  # how far back what was copied from before the group was

    @property
    def going(self) -> int | None:
        """How far back the copy is that the end of the group cuts off; None if there is none."""
        last = self.copies[-1] if self.copies else None
        return last.distance if last is not None and last.stop == self._n_bytes else None

    def go_on(self, distance: int) -> None:
        """Begin with a copy from so far back, if what is there is equal."""
        source = self._group - distance
        if source >= self.floor:
            start, stop = self._match(self._group, distance, source)
            self._take(start, stop, distance, LEAST_GOING_BYTES)

    def run(self, reference: AnchorTable, table: AnchorTable) -> None:
        """Find the copies; the anchors of what is not copied are put into `table`."""
        places, hashes = find_anchors(self.text[self._group - self._base :])
        places += self._group
        table.make_room(len(places))
        view = self._base, self._group, self.floor, *self._gap
        least = LEAST_NEAR_BYTES, LEAST_FAR_BYTES, SIGHT_BYTES, LEAST_IN_SIGHT_BYTES
        found, step = np.zeros(3, dtype=np.int64), 0
        while True:
            step, what, n_taken = next_match(
                *(self.text, view, least, places, hashes, step, self._covered),
                *(reference.entries, reference.bits, table.entries, table.bits),
                *(self._copied.all, found),
            )
            table.count(n_taken)
            number, is_own = divmod(step, 2)
            if number == len(places):
                return
            place, (source, start, stop) = int(places[number]), found.tolist()
            if what == OUT_OF_VIEW:
                start, stop = self._match(place, place - source, source - 1)
            match = self._longest(place, start, stop, place - source)
            if not self._take(*match, LEAST_FAR_BYTES) and is_own:
                table.put_all(places[number : number + 1], hashes[number : number + 1])
            step += 1

    def _longest(self, place: int, start: int, stop: int, distance: int) -> tuple[int, int, int]:
        """Return a match, or a longer one around the same place: as far back as the copy before.

        Where lines are alike, what follows a change is best copied from what follows it there.
        """
        other = self._latest
        if other is not None and other != distance:
            first, last = self._match(place, other, place - other - 1)
            if last - first > stop - start:
                return first, last, other
        return start, stop, distance

    def _take(self, start: int, stop: int, distance: int, least: int) -> bool:
        """Make a copy of a match, unless too little of it is left between good edges."""
        start, stop = (at - self._group for at in (start, stop))
        start, stop = trimmed(self.text[self._group - self._base :], start, stop)
        if stop - start < least:
            return False
        self.copies.append(Repeat(start, stop, distance))
        self._covered = self._group + stop
        if start < distance:  # it comes from before the group
            self._copied.add(self._group + start, self._covered)
            self._latest = distance
        return True

    def _match(self, place: int, distance: int, byte: int) -> tuple[int, int]:
        """Return start and stop of what is equal around a place, and so far back.

        byte: of the source; if it was copied itself, nothing is.
        """
        low, high = self.floor, self._group  # no further, even in steps of what is copied here
        if byte >= self._gap[1]:
            low = max(low, self._gap[1])
        else:
            high = min(high, self._gap[0])
        low, high = own_stretch(self._copied.all, byte + 1, low, high)
        if not low <= byte < high:
            return place, place
        start = place - self._n_before(place, distance, place - distance - low)
        stop = place + self._n_after(place, distance, high - (place - distance))
        return start, stop

    def _n_after(self, place: int, distance: int, most: int) -> int:
        most = min(most, self._stop - place)
        n, size = 0, _PIECE_BYTES
        while n < most:
            piece = self._read(place + n - distance, place - distance + min(most, n + size))
            n_same = n_equal(self.text, place + n - self._base, piece)
            n, size = n + n_same, min(2 * size, _MOST_PIECE_BYTES)
            if n_same == 0 or n_same < len(piece):
                break
        return n

    def _n_before(self, place: int, distance: int, most: int) -> int:
        most = min(most, place - self._covered)
        n, size = 0, _PIECE_BYTES
        while n < most:
            piece = self._read(place - distance - min(most, n + size), place - n - distance)
            n_same = n_equal_before(self.text, place - n - self._base, piece)
            n, size = n + n_same, min(2 * size, _MOST_PIECE_BYTES)
            if n_same == 0 or n_same < len(piece):
                break
        return n

    def _read(self, start: int, stop: int) -> Octets:
        if start >= self._base:
            return self.text[start - self._base : stop - self._base]
        return np.frombuffer(self._earlier.read(start, stop), dtype=np.uint8)
