"""Texts that go on as they began: two numbers beside the chunks say what a layout would.

Of such a compact member the text is what its chunks decode to, and then `n_more` bytes, each of
which is the one as many bytes before it as the chunks decode to, less `n_skipped`. Whoever reads
the member is given the layout that says the same, so nobody else has to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmzip.container.bodies import ChunkHead
from llmzip.container.checksum import chunk_checksum
from llmzip.container.kinds import Kind, require
from llmzip.container.limits import CHUNK_CHECKSUM_BYTES, MAX_LAYOUT_BYTES, MAX_WAVE_CHUNKS
from llmzip.container.records import Chunk, Wave
from llmzip.container.wire import Body, Fields, varint
from llmzip.errors import CorruptError

_N_FILL, _N_COPY = 5, 9  # numbers in the programs of the two layouts that are meant


@dataclass(frozen=True)
class Repetition:
    """How a text goes on: n_more bytes, at least 1; n_skipped: of those before, never repeated."""

    n_more: int
    n_skipped: int

    def pack(self) -> bytes:
        """Return it as it stands in a file."""
        return varint(self.n_more) + varint(self.n_skipped)

    @classmethod
    def take(cls, fields: Fields) -> Repetition:
        """Take what `pack` wrote."""
        return cls(fields.varint(), fields.varint())

    def check(self, heads: Sequence[ChunkHead]) -> None:
        """Raise ValueError unless a text that consists of these chunks may go on so."""
        n_bytes = sum(head.n_bytes for head in heads)
        require(all(head.kind is not Kind.LAYOUT for head in heads), "a layout that goes on")
        require(len(heads) < MAX_WAVE_CHUNKS, "too many chunks for a text that goes on")
        require(self.n_more >= 1, "a text that goes on for no bytes")
        require(self.n_skipped < n_bytes, "a text that goes on with bytes that it does not have")
        require(n_bytes + self.n_more <= MAX_LAYOUT_BYTES, "a text of more than 64 MiB")

    def layout(self, n_bytes: int, checksum: bytes) -> Chunk:
        """Return it as the layout of chunks that decode to `n_bytes`. checksum: of the text."""
        distance = n_bytes - self.n_skipped
        numbers = (1, n_bytes, 2, 0, 2, 0, n_bytes, 2 * distance, self.n_more)
        return _layout(self.n_more, checksum, numbers)

    def fill(self, value: int, checksum: bytes) -> Chunk:
        """Return it as the layout of a text of nothing but one byte."""
        return _layout(1 + self.n_more, checksum, (0, 1, 1, value, 1 + self.n_more))


def lone_chunks(repetition: Repetition, data: bytes, checksum: bytes) -> tuple[Chunk, ...]:
    """Return the chunks that say so of `data`, which is stored. checksum: of the whole text."""
    if len(data) == 1:
        return (repetition.fill(data[0], checksum),)
    return repetition.layout(len(data), checksum), Chunk.stored(data)


def shortened(wave: Wave) -> tuple[Repetition, tuple[Chunk, ...]] | None:
    """Return how the text of a wave goes on, and after which chunks; None if it does otherwise."""
    if wave.layout is None:
        return None
    try:
        numbers = _numbers(wave.layout.payload)
    except CorruptError:
        return None  # its program is coded
    content, checksum = wave.chunks[1:], wave.layout.checksum
    if not content and len(numbers) == _N_FILL and numbers[-2] <= 0xFF and numbers[-1] > 1:
        found, content = Repetition(numbers[-1] - 1, 0), (Chunk.stored(bytes([numbers[-2]])),)
    elif len(numbers) == _N_COPY and content and numbers[-2] <= 2 * numbers[1]:
        found = Repetition(numbers[-1], numbers[1] - numbers[-2] // 2)
    else:
        return None
    if is_lone_stored(content):
        same = lone_chunks(found, content[0].payload, checksum)
    else:
        same = (found.layout(wave.n_content, checksum), *content)
    return (found, content) if same == wave.chunks else None


def is_lone_stored(chunks: Sequence[Chunk]) -> bool:
    """Whether these are a chunk of which the bytes themselves tell the checksum."""
    return len(chunks) == 1 and chunks[0].kind is Kind.STORED


def _layout(n_bytes: int, checksum: bytes, numbers: Sequence[int]) -> Chunk:
    program = b"".join(map(varint, numbers))
    payload = chunk_checksum(program) + b"\0" + program
    return Chunk(Kind.LAYOUT, n_bytes, 0, checksum, payload)


def _numbers(payload: bytes) -> list[int]:
    """Return what a program that is stored consists of, as far as it may be one of ours."""
    program = payload[CHUNK_CHECKSUM_BYTES + 1 :]
    fields, found = Body(program, 0), list[int]()
    while fields.offset < len(program) and len(found) <= _N_COPY:
        found.append(fields.varint())
    return found
