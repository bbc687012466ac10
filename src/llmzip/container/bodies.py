"""How each record is laid out in bytes: a pack and an unpack beside each other.

Unpacking raises CorruptError where fields contradict each other or a limit, UnsupportedError
where they name what a newer release may know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from llmzip.container import catalog, limits
from llmzip.container.entries import GroupIndex
from llmzip.container.kinds import Kind, check_chunk_sizes, require
from llmzip.container.records import Chunk, End, Group, ModelRef, Options, Reference
from llmzip.container.wire import Fields, corrupt, varint
from llmzip.errors import UnsupportedError

TAG_MODEL = 1
TAG_GROUP = 2
TAG_WAVE = 3
TAG_END = 4
TAG_REFERENCE = 6  # 5 stands in a golden file as one that is not known
TAG_CONTENT = 7
WAVE_TAGS = (TAG_WAVE, TAG_CONTENT)

LIST_FLAG = 0x40  # in a chunk's kind: the number of a shortlist follows
_MACHINE_FLAG = 0x80  # in the model's code byte: a machine tag follows


@dataclass(frozen=True)
class ChunkHead:
    """All of a chunk but its payload."""

    kind: Kind
    n_bytes: int
    n_tokens: int
    n_payload: int
    checksum: bytes
    shortlist: int = 0

    @classmethod
    def of(cls, chunk: Chunk) -> ChunkHead:
        """Return the head of `chunk`."""
        sizes = chunk.n_bytes, chunk.n_tokens, len(chunk.payload)
        return cls(chunk.kind, *sizes, chunk.checksum, chunk.shortlist)

    def with_payload(self, payload: bytes) -> Chunk:
        """Return the chunk."""
        sizes = self.n_bytes, self.n_tokens
        return Chunk(self.kind, *sizes, self.checksum, payload, self.shortlist)


def deal(heads: Sequence[ChunkHead], payload: bytes) -> list[Chunk | None]:
    """Return the chunks whose payloads `payload` begins with; None for those that it cuts off."""
    chunks: list[Chunk | None] = []
    at = 0
    for head in heads:
        part = payload[at : at + head.n_payload]
        at += head.n_payload
        chunks.append(head.with_payload(part) if len(part) == head.n_payload else None)
    return chunks


def pack_options(options: Options) -> bytes:
    """Return the numbers of options that are not the defaults of the version."""
    return b"".join(map(varint, options.numbers))


def unpack_options(fields: Fields) -> tuple[int, int, int]:
    """Take what pack_options wrote."""
    return fields.varint(), fields.varint(), fields.varint()


def pack_model(ref: ModelRef) -> bytes:
    """Return the body of a model record."""
    code = catalog.code_of(ref.name, ref.source)
    out = bytes([code | (0 if ref.machine is None else _MACHINE_FLAG)])
    if code == catalog.SPELLED_OUT:
        for text in (ref.name.encode(), ref.source.encode()):
            out += varint(len(text)) + text
    return out + ref.fingerprint + (ref.machine or b"")


def unpack_model(fields: Fields) -> ModelRef:
    """Take what pack_model wrote."""
    flags = fields.byte()
    code = flags & ~_MACHINE_FLAG
    with refusing(fields):
        if code == catalog.SPELLED_OUT:
            name = _take_text(fields, limits.MAX_NAME_BYTES)
            source = _take_text(fields, limits.MAX_SOURCE_BYTES)
        elif code == catalog.NAMELESS:
            name, source = "", catalog.LOCAL_SOURCE
        elif code in catalog.WELL_KNOWN:
            name, source = catalog.WELL_KNOWN[code]
        else:
            raise UnsupportedError(f"model code {code} is not known here; update llmzip")
        fingerprint = fields.take(limits.FINGERPRINT_BYTES)
        machine = fields.take(limits.MACHINE_BYTES) if flags & _MACHINE_FLAG else None
        is_named = name != "" or code == catalog.NAMELESS
        require(is_named, f"the model's name is not 1 to {limits.MAX_NAME_BYTES} bytes long")
        return ModelRef(name, source, fingerprint, machine)


def pack_reference(reference: Reference) -> bytes:
    """Return the body of a reference record."""
    return reference.checksum + varint(reference.n_bytes)


def unpack_reference(fields: Fields) -> Reference:
    """Take what pack_reference wrote."""
    checksum = fields.take(limits.REFERENCE_CHECKSUM_BYTES)
    n_bytes = fields.varint()
    with refusing(fields):
        return Reference(checksum, n_bytes)


def pack_group(group: Group) -> bytes:
    """Return the body of a group record."""
    return bytes([group.adaptation])


def unpack_group(fields: Fields) -> Group:
    """Take what pack_group wrote."""
    adaptation = fields.byte()
    if adaptation != 0:
        raise UnsupportedError(f"adaptation {adaptation} is not known here; update llmzip")
    return Group(adaptation)


def pack_sizes(chunk: Chunk) -> bytes:
    """Return a chunk's sizes, as many as its kind needs, and its checksum."""
    out = varint(chunk.n_bytes)
    if chunk.kind.needs_model:
        out += varint(chunk.n_tokens)
    if chunk.kind is not Kind.STORED:
        out += varint(len(chunk.payload))
    return out + chunk.checksum


def unpack_sizes(fields: Fields, kind: Kind, shortlist: int = 0) -> ChunkHead:
    """Take what pack_sizes wrote for a chunk of this kind, and by this shortlist."""
    n_bytes = fields.varint()
    n_tokens = fields.varint() if kind.needs_model else 0
    n_payload = n_bytes if kind is Kind.STORED else fields.varint()
    with refusing(fields):
        check_chunk_sizes(kind, n_bytes, n_tokens, n_payload)
    checksum = fields.take(limits.CHUNK_CHECKSUM_BYTES)
    return ChunkHead(kind, n_bytes, n_tokens, n_payload, checksum, shortlist)


def pack_head(chunk: Chunk) -> bytes:
    """Return a chunk's kind, the shortlist if it has one, sizes and checksum."""
    if not chunk.shortlist:
        return bytes([chunk.kind]) + pack_sizes(chunk)
    return bytes([chunk.kind | LIST_FLAG, chunk.shortlist]) + pack_sizes(chunk)


def pack_wave(chunks: Sequence[Chunk]) -> bytes:
    """Return the body of a wave record: the table of its chunks."""
    return varint(len(chunks)) + b"".join(map(pack_head, chunks))


def unpack_wave(fields: Fields) -> list[ChunkHead]:
    """Take what pack_wave wrote."""
    heads = [take_head(fields) for _ in range(take_count(fields))]
    for total in (sum(h.n_bytes for h in heads), sum(h.n_payload for h in heads)):
        if total > limits.MAX_WAVE_BYTES:
            raise corrupt(f"a wave of {total} bytes before byte {fields.offset}")
    return heads


def take_count(fields: Fields) -> int:
    """Take how many chunks a wave has."""
    n_chunks = fields.varint()
    if not 1 <= n_chunks <= limits.MAX_WAVE_CHUNKS:
        raise corrupt(f"a wave of {n_chunks} chunks before byte {fields.offset}")
    return n_chunks


def take_head(fields: Fields) -> ChunkHead:
    """Take what pack_head wrote."""
    code = fields.byte()
    try:
        kind = Kind(code & ~LIST_FLAG)
    except ValueError:
        raise _unknown_kind(code) from None
    if not code & LIST_FLAG:
        return unpack_sizes(fields, kind)
    if not kind.needs_model:
        raise _unknown_kind(code)
    return unpack_sizes(fields, kind, take_shortlist(fields))


def _unknown_kind(code: int) -> UnsupportedError:
    return UnsupportedError(f"chunk kind {code} is not known here; update llmzip")


def take_shortlist(fields: Fields) -> int:
    """Take the number of a shortlist."""
    number = fields.byte()
    if not number:
        raise corrupt(f"a shortlist without a number before byte {fields.offset}")
    if number > limits.MAX_SHORTLIST:
        raise UnsupportedError(f"shortlist {number} is not known here; update llmzip")
    return number


def check_cut(heads: Sequence[ChunkHead], options: Options) -> None:
    """Raise CorruptError if a wave's chunks are more or longer than the file's options allow.

    So it is where a layout is not the first of them.
    """
    if any(head.kind is Kind.LAYOUT for head in heads[1:]):
        raise corrupt("a layout that is not the first chunk of its group")
    shortlists = {head.shortlist for head in heads if head.kind.needs_model}
    if len(shortlists) > 1 or (options.dictionary is not None and any(shortlists)):
        raise corrupt("chunks of a wave by different shortlists, or by one beside a dictionary")
    n_models = sum(head.kind.needs_model for head in heads)
    if options.adaptive and n_models > limits.MAX_ADAPTIVE_CHUNKS:
        raise corrupt(f"a wave of {n_models} chunks that learn from each other")
    longest = max(head.n_tokens for head in heads)
    if longest > options.chunk_tokens:
        raise corrupt(
            f"a chunk of {longest} tokens in a file cut into chunks of {options.chunk_tokens}"
        )


def pack_end(end: End, offset: int) -> bytes:
    """Return the body of an end record that stands at `offset` in its member."""
    out = [varint(offset), varint(end.n_bytes), end.checksum]
    out += [varint(end.model_offset), varint(len(end.groups))]
    groups = end.groups if isinstance(end.groups, GroupIndex) else GroupIndex(end.groups)
    return b"".join(out) + groups.packed


def unpack_end(fields: Fields, most_groups: int) -> tuple[End, int]:
    """Take what pack_end wrote; return the end and the offset where it says that it stands.

    most_groups: no more can be there; what claims more is refused before any of it is believed.
    """
    offset, n_bytes = fields.varint(), fields.varint()
    checksum = fields.take(limits.FILE_CHECKSUM_BYTES)
    model_offset, n_groups = fields.varint(), fields.varint()
    if n_groups > most_groups:
        raise corrupt(
            f"the index before byte {fields.offset} contradicts the file: it lists {n_groups} "
            f"groups, and there are {most_groups} at most"
        )
    return End(n_bytes, checksum, GroupIndex.take(fields, n_groups), model_offset), offset


@contextmanager
def refusing(fields: Fields) -> Iterator[None]:
    """Turn the ValueError of a record that cannot be made into a CorruptError with a place."""
    try:
        yield
    except ValueError as exc:
        raise corrupt(f"{exc} (before byte {fields.offset})") from exc


def _take_text(fields: Fields, most: int) -> str:
    n_bytes = fields.varint()
    if n_bytes > most:
        raise ValueError(f"a model's name or source of {n_bytes} bytes")
    try:
        return fields.take(n_bytes).decode()
    except UnicodeDecodeError:
        raise ValueError("a model's name or source that is no text") from None
