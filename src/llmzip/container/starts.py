"""Where members start: the ones of one piece, whole or damaged, and the headers of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from llmzip.container.bodies import ChunkHead
from llmzip.container.compact import CompactHead, take_compact, take_compact_start
from llmzip.container.found import Finish, Found, FoundWave, Start
from llmzip.container.head import Form, take_options, unpack_form
from llmzip.container.limits import SIGNATURE
from llmzip.container.records import Group, Options
from llmzip.container.scan import UNPACKING_COST, Frame, Scan
from llmzip.container.wire import Source
from llmzip.errors import FormatError

FORM_AT = len(SIGNATURE)


class Piece:
    """A member of the compact form, whole or not."""

    def __init__(self, found: Sequence[Found], stop: int) -> None:
        self._found = found
        self.stop = stop

    def __iter__(self) -> Iterator[Found]:
        return iter(self._found)


def whole_piece(scan: Scan, start: int) -> Piece | None:
    """Return the compact member at `start`, if there is one and its CRC is right."""
    with suppress(FormatError, IndexError):
        form = unpack_form(scan.read(start, FORM_AT + 1)[FORM_AT])
        if form.is_sequence or (start > 0 and not resembles_start(scan, start)):
            return None
        scan.spend(_compact_head(scan, start, form)[0].n_payload)
        source = Source(scan.stream(start), start)
        member = take_compact(source, form)
        heads = [ChunkHead.of(chunk) for chunk in member.wave.chunks]
        wave = FoundWave(0, heads, member.wave.chunks, True)
        finish = Finish(member.wave.n_bytes, member.checksum, True)
        model = [] if member.model is None else [member.model]
        return Piece([Start(member.options), *model, Group(), wave, finish], source.offset)
    return None


def damaged_piece(scan: Scan, start: int) -> Piece | None:
    """Return the compact member at `start` if its lengths, at least, fit what is there."""
    if not resembles_start(scan, start):
        return None
    with suppress(FormatError, IndexError):
        form = unpack_form(scan.read(start, FORM_AT + 1)[FORM_AT])
        if form.is_sequence:
            return None
        head, place = _compact_head(scan, start, form)
        stop = place + head.n_payload
        if stop < scan.size and not (starts_member(scan, stop) or scan.is_zeros(stop)):
            return None
        stop = min(stop, scan.size)
        payload = scan.read(place, stop - place)
        heads, chunks = zip(*head.dealt(payload), strict=True)
        wave = FoundWave(0, heads, chunks, False)
        finish = Finish(is_complete=True)
        model = [] if head.model is None else [head.model]
        return Piece([Start(head.options, False), *model, Group(), wave, finish], stop)
    return None


def _compact_head(scan: Scan, start: int, form: Form) -> tuple[CompactHead, int]:
    """Return what may be the head of a compact member, and where its payloads begin."""
    source = Source(scan.stream(start), start)
    try:
        return take_compact_start(source, form), source.offset
    finally:
        scan.spend(UNPACKING_COST * (source.offset - start))


def options_of(frame: Frame) -> Options | None:
    """Return the options of a sequence's header, if `frame` is one."""
    body = frame.body()
    with suppress(FormatError):
        if unpack_form(frame.tag).is_sequence:
            options = take_options(frame.tag, body)
            body.done()
            return options
    return None


def resembles_start(scan: Scan, place: int) -> bool:
    """Whether a signature stands at `place`, or stood there but for one damaged byte."""
    start = scan.read(place, len(SIGNATURE))
    return sum(a == b for a, b in zip(start, SIGNATURE, strict=False)) >= len(SIGNATURE) - 1


def starts_member(scan: Scan, place: int) -> bool:
    """Whether a member stands at `place` whose start is intact."""
    if scan.read(place, len(SIGNATURE)) != SIGNATURE:
        return False
    frame = scan.frame(place + FORM_AT)
    has_header = frame is not None and options_of(frame) is not None
    return has_header or whole_piece(scan, place) is not None
