"""The records of a damaged member, one after the other, and where the chain is taken up again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from llmzip.container import bodies
from llmzip.container.bodies import ChunkHead
from llmzip.container.found import Finish, Found, FoundWave, Gap, Start
from llmzip.container.group_table import GroupTable, end_at, find_table, unpack_table
from llmzip.container.records import Group, ModelRef, Options, Reference
from llmzip.container.scan import GROUP_FRAME, TRAILER_BYTES, Frame, Scan
from llmzip.container.starts import starts_member
from llmzip.container.wire import CRC_BYTES, crc32
from llmzip.errors import FormatError

MAX_HEADER_BYTES = 25  # signature and header of a sequence
_MIN_TEXT_BYTES = 18  # of the file: less holds no wave, so no text is lost with it
_TAGS = [
    bytes([tag])
    for tag in (bodies.TAG_MODEL, bodies.TAG_GROUP, bodies.TAG_REFERENCE, *bodies.WAVE_TAGS)
]


class Chain:
    """A member of records.

    stop: once all is yielded, where in the file the member ends.
    """

    def __init__(self, scan: Scan, start: int, place: int, options: Options | None) -> None:
        self._scan = scan
        self._start = start
        self._options = options
        self._at: int | None = 0  # where in the text we are
        self._table: GroupTable | None = None
        self._has_sought = False
        self._sure_until = place  # where the last record ended that its CRC confirmed
        self._gap: Gap | None = None  # that comes after what is yielded next
        self.stop = place

    def __iter__(self) -> Iterator[Found]:
        yield Start(self._options)
        while True:
            frame = self._scan.frame(self.stop)
            finish = self._finish(frame)
            if finish is not None:
                yield finish
                return
            found = self._take(frame) or self._unframed_group()
            if found is not None:
                yield found
            else:
                self._resume(self.stop, self.stop)
            if self._gap is not None:
                yield self._gap
                self._gap = None

    def _finish(self, frame: Frame | None) -> Finish | None:
        """Return the end of the member if it is here."""
        scan = self._scan
        if frame is not None and frame.tag == bodies.TAG_END:
            table = unpack_table(frame)
            if table is not None and self._is_ours(table):
                self.stop = min(table.stop, scan.size)
                return Finish(table.n_bytes, table.checksum, True)
        if frame is not None:
            return None
        if self.stop >= scan.size or starts_member(scan, self.stop):
            return Finish()
        if scan.trailer_before(scan.size) == scan.size - TRAILER_BYTES - self.stop:
            self.stop = scan.size  # where the end record was, and nothing else
            return Finish(is_complete=True)
        return None

    def _is_ours(self, table: GroupTable) -> bool:
        """Whether an end record that stands where one may is of this member."""
        if table.start == self._start:
            return True
        known = self._sought_table()  # it counts from elsewhere: bytes were lost or added
        return known is None or known.end == table.end

    def _take(self, frame: Frame | None) -> Reference | ModelRef | Group | FoundWave | None:
        """Return the record, if it makes sense."""
        if frame is None:
            return None
        body = frame.body()
        self._sure_until = frame.stop
        with suppress(FormatError):
            match frame.tag:
                case bodies.TAG_MODEL:
                    ref = bodies.unpack_model(body)
                    body.done()
                    self.stop = frame.stop
                    return ref
                case bodies.TAG_REFERENCE:
                    reference = bodies.unpack_reference(body)
                    body.done()
                    self.stop = frame.stop
                    return reference
                case bodies.TAG_GROUP:
                    group = bodies.unpack_group(body)
                    body.done()
                    return self._group(group, frame.start, frame.stop)
                case bodies.TAG_WAVE | bodies.TAG_CONTENT:
                    heads = bodies.unpack_wave(body)
                    body.done()
                    if self._options is not None:
                        bodies.check_cut(heads, self._options)
                    return self._wave(heads, frame.stop, frame.tag == bodies.TAG_CONTENT)
        return None

    def _group(self, group: Group, start: int, stop: int) -> Group:
        if self._table is not None:
            at = self._table.text_at(start, self._start)
            self._at = self._at if at is None else at
        self.stop = stop
        return group

    def _unframed_group(self) -> Group | None:
        """Return a group whose record is damaged: nothing else stands so before a wave."""
        stop = self.stop + len(GROUP_FRAME)
        if not _is_wave(self._scan, stop):
            return None
        return self._group(Group(), self.stop, stop)

    def _wave(self, heads: Sequence[ChunkHead], place: int, is_content: bool) -> FoundWave:
        """Return the wave whose payloads begin at `place`."""
        at, n_payload = self._at, sum(head.n_payload for head in heads)
        payload = self._scan.read(place, n_payload + CRC_BYTES)
        is_whole = payload[n_payload:] == crc32(payload[:n_payload])
        self._at = None if at is None else at + sum(head.n_bytes for head in heads)
        self.stop = place + n_payload + CRC_BYTES
        if not is_whole and not self._goes_on():
            self._resume(place, self.stop)  # bytes were lost or added: its length is no guide
        n_left = min(n_payload, self.stop - place)
        return FoundWave(at, heads, bodies.deal(heads, payload[:n_left]), is_whole, is_content)

    def _goes_on(self) -> bool:
        """Whether what should follow a wave does."""
        scan, place = self._scan, self.stop
        if place == scan.size or is_record(scan, place, self._start):
            return True
        table = self._sought_table()
        if table is None or table.start != self._start:
            return False  # bytes were lost or added, and that may be here
        return table.text_at(place, self._start) is not None

    def _resume(self, before: int, known_until: int) -> None:
        """Go to the next record after `before`; text up to `known_until` in the file is known."""
        at: int | None = None
        table = self._sought_table()
        if table is not None and table.end > before:
            self.stop, at = self._next_of_table(table, before)
        else:
            place = search(self._scan, before + 1, self._start)
            self.stop = self._scan.size if place is None else place
        is_header = before == self._start and self.stop - before <= MAX_HEADER_BYTES
        if self.stop > max(known_until, before + _MIN_TEXT_BYTES) and not is_header:
            self._at = None
            self._gap = Gap(before, self.stop)
        self._at = self._at if at is None else at

    def _next_of_table(self, table: GroupTable, before: int) -> tuple[int, int | None]:
        """Return the next wave from which a chain leads to the next group, or that group."""
        for place in table.after(before, self._start):
            if place == table.end or _is_group(self._scan, place):
                break
        at = table.text_at(place, self._start)
        for start in self._scan.places(before + 1, place):
            n_bytes = _chain_bytes(self._scan, start, place)
            if at is not None and n_bytes is not None and n_bytes <= at:
                return start, at - n_bytes
        return place, at

    def _sought_table(self) -> GroupTable | None:
        if not self._has_sought:
            self._has_sought = True
            self._table = find_table(self._scan, self._start, self._sure_until)
        return self._table


def _is_wave(scan: Scan, place: int) -> bool:
    return scan.frame(place, bodies.TAG_WAVE) is not None


def _is_group(scan: Scan, place: int) -> bool:
    """Whether a group stands at `place`, its own record intact or not."""
    intact = scan.read(place, len(GROUP_FRAME)) == GROUP_FRAME
    return intact or _is_wave(scan, place + len(GROUP_FRAME))


def is_record(scan: Scan, place: int, start: int) -> bool:
    """Whether a record stands at `place` that may belong to the member that starts at `start`."""
    tag = scan.read(place, 1)
    if tag == bytes([bodies.TAG_END]):
        return end_at(scan, place, start) is not None
    return tag in _TAGS and scan.frame(place) is not None


def search(scan: Scan, place: int, start: int) -> int | None:
    """Return where from `place` on the next record or member is."""
    for at in scan.places(place, scan.size):
        if is_record(scan, at, start) or starts_member(scan, at):
            return at
    return None


def _chain_bytes(scan: Scan, place: int, stop: int) -> int | None:
    """Return what the waves from `place` to `stop` decode to; None unless they lead there."""
    n_bytes = 0
    while place < stop:
        frame = scan.frame(place)
        if frame is None or frame.tag not in bodies.WAVE_TAGS:
            return None
        try:
            heads = bodies.unpack_wave(frame.body())
        except FormatError:
            return None
        n_bytes += sum(head.n_bytes for head in heads)
        place = frame.stop + sum(head.n_payload for head in heads) + CRC_BYTES
    return n_bytes if place == stop else None
