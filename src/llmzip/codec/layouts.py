"""Layouts as chunks: the program of one, stored or by a classical codec, whichever is shortest."""

from __future__ import annotations

from llmzip import mixing
from llmzip.codec.classical import compress_lzma, decompress_lzma
from llmzip.container import Chunk, chunk_checksum
from llmzip.container.limits import CHUNK_CHECKSUM_BYTES
from llmzip.container.wire import Body, corrupt, varint
from llmzip.layout.program import MAX_PROGRAM_BYTES, Layout, pack_layout

STORED, LZMA, MIXED = 0, 1, 2  # how a program is coded: the byte after its checksum

FREE_PROGRAM_BYTES = 1 << 12
PROGRAM_BYTES_PER_BYTE = 1 << 8
"""A program may have as many bytes, and so many more for each that it is coded in: this bounds a
decoder's work on its ops by the size of the file."""

_MIN_CODED_BYTES = 24  # of shorter programs no codec makes less


def layout_chunk(layout: Layout, text: bytes) -> Chunk:
    """Return the chunk of the layout of a group that comes to `text`. Raises ValueError."""
    n_supplied = len(text) - sum(layout.streams)
    program = pack_layout(layout)
    return Chunk.layout(n_supplied, text, chunk_checksum(program) + pack_program(program))


def pack_program(program: bytes) -> bytes:
    """Return the payload of a program, but for its checksum."""
    payload = bytes([STORED]) + program
    if len(program) < _MIN_CODED_BYTES:
        return payload
    by_lzma = compress_lzma(program)
    by_mixing = mixing.compress(program, len(by_lzma) - 1)
    size = varint(len(program))
    best = bytes([LZMA]) + size + by_lzma
    if by_mixing is not None:
        best = bytes([MIXED]) + size + by_mixing
    is_plausible = len(program) <= _most_bytes(len(best) - 1 - len(size))
    return best if is_plausible and len(best) < len(payload) else payload


def program_of(chunk: Chunk) -> bytes:
    """Return the program in the payload of a layout. Raises CorruptError."""
    fields = Body(chunk.payload, 0)
    checksum = fields.take(CHUNK_CHECKSUM_BYTES)
    program = unpack_program(chunk.payload[fields.offset :])
    if chunk_checksum(program) != checksum:
        raise corrupt("the layout of a group fails its checksum")
    return program


def unpack_program(payload: bytes) -> bytes:
    """Return what `pack_program` was given. Raises CorruptError."""
    fields = Body(payload, 0)
    how = fields.byte()
    if how == STORED:
        return payload[fields.offset :]
    n_bytes = fields.varint()
    coded = payload[fields.offset :]
    if not 1 <= n_bytes <= min(MAX_PROGRAM_BYTES, _most_bytes(len(coded))):
        raise corrupt(f"a layout whose program claims to be {n_bytes:,} bytes long")
    if how == LZMA:
        return decompress_lzma(coded, n_bytes)
    if how == MIXED:
        return mixing.decompress(coded, n_bytes)
    raise corrupt(f"a layout whose program is coded in an unknown way, {how}")


def _most_bytes(n_coded: int) -> int:
    return FREE_PROGRAM_BYTES + PROGRAM_BYTES_PER_BYTE * n_coded
