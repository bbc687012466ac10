"""The compact form: a whole member in one piece, for files of one wave of at most a mebibyte.

    signature (3) | form (1) | [options] | [mark] | [repetition] | [shortlist] |
    chunks | [model] | checks | payloads

    a lone small chunk:  sizes, checksum (4)                   | CRC-16 (2)
    a table of chunks:   number; [kind] sizes, checksum (4)... | file checksum (4), CRC-32 (4)

The CRC covers everything after the signature but itself, the payloads included. A lone chunk's
checksum is the file's. The mark of a dictionary vouches for the model too, which
is then left out. There is no group, wave, end or index: a short text pays 20 bytes beyond
its coded bits, and n chunks of usual length about 20 + 10 n.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from llmzip.container.bodies import (
    ChunkHead,
    check_cut,
    deal,
    pack_head,
    pack_model,
    pack_sizes,
    refusing,
    take_count,
    take_head,
    take_shortlist,
    unpack_model,
    unpack_sizes,
)
from llmzip.container.head import NAMED_KINDS, Form, pack_start, take_compact_head
from llmzip.container.kinds import Kind
from llmzip.container.limits import (
    CHUNK_CHECKSUM_BYTES,
    COMPACT_MAX_BYTES,
    LONE_MAX_BYTES,
    MAX_LAYOUT_BYTES,
    SIGNATURE,
)
from llmzip.container.records import (
    ADAPTIVE_OPTIONS,
    DEFAULT_OPTIONS,
    Chunk,
    ModelRef,
    Options,
    Wave,
)
from llmzip.container.repetition import Repetition, is_lone_stored, lone_chunks, shortened
from llmzip.container.wire import Fields, Source, Tee, corrupt, crc32, varint

Crc = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True)
class Compact:
    """A member of the compact form. checksum: 4 bytes, of all its decoded bytes.

    model: None where no chunk needs one, and where the options have a dictionary.
    """

    options: Options
    model: ModelRef | None
    wave: Wave
    checksum: bytes


@dataclass(frozen=True)
class CompactHead:
    """A member of the compact form without its payloads; nothing has confirmed it yet.

    packed: what of it the CRC covers; found_crc: the CRC that stands in the file.
    repetition: how the text goes on after the chunks, if it does.
    """

    options: Options
    model: ModelRef | None
    chunks: Sequence[ChunkHead]
    checksum: bytes
    packed: bytes
    found_crc: bytes
    repetition: Repetition | None
    has_table: bool

    @property
    def n_payload(self) -> int:
        """How many bytes of payload it announces."""
        return sum(chunk.n_payload for chunk in self.chunks)

    def dealt(self, payload: bytes) -> list[tuple[ChunkHead, Chunk | None]]:
        """Return the chunks, their layout included, and of each the head.

        Of those that `payload` cuts off there is but the head.
        """
        chunks = deal(self.chunks, payload)
        if self.repetition is None:
            return list(zip(self.chunks, chunks, strict=True))
        if not self.has_table and chunks[0] is not None:
            whole = lone_chunks(self.repetition, chunks[0].payload, self.checksum)
            return [(ChunkHead.of(chunk), chunk) for chunk in whole]
        layout = self.repetition.layout(sum(head.n_bytes for head in self.chunks), self.checksum)
        heads = [ChunkHead.of(layout), *self.chunks]
        return list(zip(heads, [layout, *chunks], strict=True))


def fits_compact(wave: Wave) -> bool:
    """Whether a file of nothing but `wave` takes the compact form."""
    return max(wave.n_content, wave.n_payload) <= COMPACT_MAX_BYTES


def pack_compact(member: Compact) -> bytes:
    """Return the whole member. LM chunks need the model."""
    chunks, repetition = _chunks_of(member)
    form, options = _form_of(chunks, repetition), member.options
    if not member.wave.needs_model and (repetition or options.dictionary):
        options = ADAPTIVE_OPTIONS if options.adaptive else DEFAULT_OPTIONS
    head = pack_start(form, options) + (b"" if repetition is None else repetition.pack())
    head += _pack_chunks(form, chunks, member.checksum)
    if member.wave.needs_model and options.dictionary is None:
        assert member.model is not None
        head += pack_model(member.model)
    if form.has_table:
        head += member.checksum
    payload = b"".join(chunk.payload for chunk in chunks)
    return SIGNATURE + head + _crc(form)(head, payload) + payload


def take_compact(source: Source, form: Form) -> Compact:
    """Take a member of this form."""
    head = take_compact_start(source, form)
    payload = source.take(head.n_payload)
    if head.found_crc != _crc(form)(head.packed, payload):
        raise corrupt(f"the piece before byte {source.offset} fails its checksum")
    with refusing(source):
        wave = Wave(tuple(chunk for _, chunk in head.dealt(payload) if chunk is not None))
        return Compact(head.options, head.model, wave, head.checksum)


def take_compact_start(source: Source, form: Form) -> CompactHead:
    """Take all of a member of this form but the payloads, which its CRC covers too."""
    source.take(len(SIGNATURE))
    tee = Tee(source)
    options = take_compact_head(tee)
    repetition = Repetition.take(tee) if form.is_repeated else None
    heads = _take_chunks(form, tee)
    check_cut(heads, options)
    if repetition is not None:
        with refusing(source):
            repetition.check(heads)
    needs_model = any(head.kind.needs_model for head in heads)
    model = unpack_model(tee) if needs_model and options.dictionary is None else None
    checksum = tee.take(CHUNK_CHECKSUM_BYTES) if form.has_table else heads[0].checksum
    packed = bytes(tee.taken)
    found_crc = source.take(len(_crc(form)(b"", b"")))
    found = checksum, packed, found_crc, repetition, form.has_table
    return CompactHead(options, model, heads, *found)


def _chunks_of(member: Compact) -> tuple[Sequence[Chunk], Repetition | None]:
    """Return the chunks that are to stand in the file, and how the text goes on after them."""
    layout, found = member.wave.layout, shortened(member.wave)
    if found is None or layout is None or layout.checksum != member.checksum:
        return member.wave.chunks, None
    return found[1], found[0]


def _form_of(chunks: Sequence[Chunk], repetition: Repetition | None) -> Form:
    kinds = {chunk.kind for chunk in chunks}
    kind = kinds.pop() if len(kinds) == 1 and kinds <= NAMED_KINDS else None
    if repetition is not None and chunks[0].shortlist:
        kind = None  # no version has both
    is_short = max(chunks[0].n_bytes, len(chunks[0].payload)) <= LONE_MAX_BYTES
    is_small = len(chunks) == 1 and kind is not None and is_short
    has_no_table = is_small and (repetition is None or is_lone_stored(chunks))
    is_listed = kind is Kind.LM and chunks[0].shortlist > 0
    return Form(not has_no_table, kind, repetition is not None, is_listed)


def _pack_chunks(form: Form, chunks: Sequence[Chunk], checksum: bytes) -> bytes:
    """Return the chunks' heads; that of a lone one with the checksum of the text."""
    before = bytes([chunks[0].shortlist]) if form.is_listed else b""
    if not form.has_table:
        return before + pack_sizes(replace(chunks[0], checksum=checksum))
    heads = map(pack_head if form.kind is None else pack_sizes, chunks)
    return before + varint(len(chunks)) + b"".join(heads)


def _take_chunks(form: Form, fields: Fields) -> list[ChunkHead]:
    """Take what _pack_chunks wrote, within the form's limits."""
    shortlist = take_shortlist(fields) if form.is_listed else 0
    n_chunks = take_count(fields) if form.has_table else 1
    heads = [
        take_head(fields) if form.kind is None else unpack_sizes(fields, form.kind, shortlist)
        for _ in range(n_chunks)
    ]
    most = COMPACT_MAX_BYTES if form.has_table else LONE_MAX_BYTES
    content = [head for head in heads if head.kind is not Kind.LAYOUT]
    for total in (sum(h.n_bytes for h in content), sum(h.n_payload for h in heads)):
        if total > most:
            raise corrupt(f"{total} bytes before byte {fields.offset} are too many for one piece")
    if sum(head.n_bytes for head in heads) > MAX_LAYOUT_BYTES:
        raise corrupt(f"too much for one group before byte {fields.offset}")
    return heads


def _crc(form: Form) -> Crc:
    return _crc32 if form.has_table else _crc16


def _crc32(head: bytes, payload: bytes) -> bytes:
    return crc32(payload, zlib.crc32(head))


def _crc16(head: bytes, payload: bytes) -> bytes:
    """Return CRC-16/IBM-3740, 2 bytes, little-endian: enough for little, checked with the end."""
    return binascii.crc_hqx(payload, binascii.crc_hqx(head, 0xFFFF)).to_bytes(2, "little")
