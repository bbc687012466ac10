"""Headers of a tar as chunks: their columns, coded as the program of a layout is."""

from __future__ import annotations

from llmzip.codec.classical import classical_chunk
from llmzip.codec.layouts import pack_program, unpack_program
from llmzip.container import Chunk
from llmzip.container.limits import MAX_TAR_BYTES
from llmzip.layout.tar_headers import pack_headers
from llmzip.layout.tar_reading import unpack_headers


def headers_chunk(blocks: bytes) -> Chunk:
    """Return whole blocks, the headers of an archive, as the shortest chunk."""
    if len(blocks) > MAX_TAR_BYTES:
        return classical_chunk(blocks)
    payload = pack_program(pack_headers(blocks))
    try:
        chunk = Chunk.tar_headers(blocks, payload)
    except ValueError:  # more than so short a payload may stand for
        return classical_chunk(blocks)
    return chunk if headers_of(chunk) == blocks else classical_chunk(blocks)


def headers_of(chunk: Chunk) -> bytes:
    """Return the blocks that a chunk of headers stands for. Raises CorruptError."""
    return unpack_headers(unpack_program(chunk.payload), chunk.n_bytes)
