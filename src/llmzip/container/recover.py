"""What is left of a damaged file: its intact records, and where something is missing.

Nothing is decoded here. A record is believed if its CRC is right; what a CRC no longer vouches
for, the payloads of a wave, is handed on for its chunks' own checksums to decide about. Where the
chain of records breaks it is taken up again at the next group that the index at the end of the
member names, or, where that is lost too, at the next record that a search finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from llmzip.container.chain import MAX_HEADER_BYTES, Chain, is_record, search
from llmzip.container.found import Finish, Found, Gap, Garbage
from llmzip.container.scan import Scan, SpentError
from llmzip.container.starts import (
    FORM_AT,
    damaged_piece,
    options_of,
    resembles_start,
    starts_member,
    whole_piece,
)
from llmzip.errors import CorruptError


def recover_records(source: BinaryIO) -> Iterator[Found]:
    """Yield what is left of the file in `source`, which must be able to seek.

    Of each member: Start, what it has of Reference, ModelRef, Group, FoundWave with Gaps between,
    Finish.
    After a Gap, what an earlier wave taught is unknown until the next Group.
    Raises CorruptError if nothing at all is found.
    """
    scan = Scan(source)
    n_found = 0
    try:
        for found in _members(scan):
            n_found += not isinstance(found, Gap | Garbage)
            yield found
    except SpentError:
        yield Finish()
    if n_found == 0:
        raise CorruptError("nothing of a .llmz file is found in it")


def _members(scan: Scan) -> Iterator[Found]:
    place = 0
    while place < scan.size:
        member = whole_piece(scan, place) or _sequence(scan, place) or damaged_piece(scan, place)
        if member is None:
            if scan.is_zeros(place):
                return
            next_place = search(scan, place, place)
            if next_place is None or starts_member(scan, next_place):
                is_lost = next_place is not None or resembles_start(scan, place)
                yield Gap(place, next_place or scan.size) if is_lost else Garbage(place)
                place = scan.size if next_place is None else next_place
                continue
            member = Chain(scan, place, place, None)  # its header is lost
        yield from member
        place = member.stop


def _sequence(scan: Scan, start: int) -> Chain | None:
    """Return the sequence at `start`, if its header is there; the signature need not be right."""
    frame = scan.frame(start + FORM_AT)
    options = None if frame is None else options_of(frame)
    if frame is not None and options is not None:
        return Chain(scan, start, frame.stop, options)
    early = range(start + FORM_AT, min(start + MAX_HEADER_BYTES + 1, scan.size))
    if resembles_start(scan, start) and any(is_record(scan, at, start) for at in early):
        return Chain(scan, start, start, None)
    return None
