"""Where a damaged member's groups stand and what they decode to, from the index at its end."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from llmzip.container import bodies
from llmzip.container.limits import FILE_CHECKSUM_BYTES, SIGNATURE
from llmzip.container.scan import TRAILER_BYTES, Frame, Scan
from llmzip.container.wire import Body
from llmzip.errors import CorruptError

_MAX_FIELDS_BYTES = 20  # tag, length and offset of an end record
_MIN_GROUP_BYTES = 18  # in the file; a claim of more groups than fit is no index


@dataclass(frozen=True)
class GroupTable:
    """The end record of a member, unpacked.

    start: where it says that the member starts in the file, which is right unless bytes before
        it were lost or added. end: where the record itself stands; stop: where it ends.
    offsets: of each group from `start`, rising. texts: where the text of each begins in the
        member's; one more than there are groups, the last of which is all of it.
    """

    start: int
    end: int
    stop: int
    checksum: bytes
    offsets: array[int]
    texts: array[int]

    @property
    def n_bytes(self) -> int:
        """What the member decodes to."""
        return self.texts[-1]

    def text_at(self, place: int, start: int) -> int | None:
        """Return where in the text the group at `place` in the file begins; None if there is none.

        start: where the member starts in fact. Before the damage offsets count from there, after
        it from where the record puts it.
        """
        if place == self.end:
            return self.n_bytes
        for origin in (start, self.start):
            number = bisect_left(self.offsets, max(place - origin, 0))
            if number < len(self.offsets) and self.offsets[number] == place - origin:
                return self.texts[number]
        return None

    def after(self, place: int, start: int) -> Iterator[int]:
        """Yield where after `place` in the file groups may stand, then where this record does."""
        origins = sorted({start, self.start})
        first = bisect_left(self.offsets, max(place - origins[-1], 0))
        for number in range(first, len(self.offsets)):
            for origin in origins:
                if origin + self.offsets[number] > place:
                    yield origin + self.offsets[number]
        yield self.end


def unpack_table(frame: Frame) -> GroupTable | None:
    """Return what an end record says, None if that can't be."""
    try:
        return _unpacked(frame)
    except (CorruptError, OverflowError):
        return None


def find_table(scan: Scan, start: int, place: int) -> GroupTable | None:
    """Return the table of the member that starts at `start`, which has its end after `place`.

    The one whose offset leads to `start` is right, whatever lies in between: other members, or
    .llmz files that were stored. Failing that, the one at the end of the file is believed if no
    member starts where it says, for then bytes were lost or added.
    """
    last = _last_table(scan)
    if last is not None and last.start == start:
        return last
    for at in scan.places(place, scan.size):
        frame = end_at(scan, at, start)
        table = None if frame is None else unpack_table(frame)
        if table is not None:
            return table
    if last is not None and last.end >= place and not _is_member(scan, last.start):
        return last
    return None


def _unpacked(frame: Frame) -> GroupTable | None:
    fields = frame.body()
    offset, n_bytes = fields.varint(), fields.varint()
    checksum = fields.take(FILE_CHECKSUM_BYTES)
    fields.varint()  # of the model
    n_groups = fields.varint()
    if n_groups * _MIN_GROUP_BYTES > offset:
        return None
    offsets, texts = array("Q"), array("Q", [0])
    at = 0
    for _ in range(n_groups):
        step, size = fields.varint(), fields.varint()
        at += step
        offsets.append(at)
        texts.append(texts[-1] + size)
    fields.done()
    if texts[-1] != n_bytes or (offsets and offsets[-1] >= offset):
        return None
    return GroupTable(
        frame.start - offset, frame.start, frame.stop + TRAILER_BYTES, checksum, offsets, texts
    )


def _last_table(scan: Scan) -> GroupTable | None:
    n_record = scan.trailer_before(scan.size)
    if n_record is None or n_record + TRAILER_BYTES > scan.size:
        return None
    frame = scan.frame(scan.size - TRAILER_BYTES - n_record)
    if frame is None or frame.tag != bodies.TAG_END:
        return None
    return unpack_table(frame)


def end_at(scan: Scan, at: int, start: int) -> Frame | None:
    """Return the end record at `at` of the member that starts at `start`, if it is that."""
    head = Body(scan.read(at, _MAX_FIELDS_BYTES), at)
    try:
        is_ours = head.byte() == bodies.TAG_END and head.varint() and head.varint() == at - start
    except CorruptError:
        return None
    return scan.frame(at) if is_ours else None


def _is_member(scan: Scan, start: int) -> bool:
    return start >= 0 and scan.frame(start + len(SIGNATURE)) is not None
