"""llmzip with its model left out: what its own classical codecs make of data."""

from __future__ import annotations

import io
from itertools import pairwise

import llmzip
from llmzip.codec.classical import classical_chunk
from llmzip.codec.layouts import layout_chunk
from llmzip.codec.levels import LEVELS
from llmzip.codec.plan import plan_group
from llmzip.codec.tar_chunks import headers_chunk
from llmzip.compressor import DEFAULT_LEVEL
from llmzip.container import Chunk, Writer
from llmzip.layout.planned import Planned, Stream


class ClassicalSide:
    """Writes .llmz files of the runs and groups that llmzip makes, none through a model."""

    name = "llmzip"
    model_bits: float | None = None

    def compress(self, data: bytes) -> bytes:
        """Return `data` as a .llmz file that needs no model."""
        sink = io.BytesIO()
        writer = Writer(sink)
        n_bytes = LEVELS[DEFAULT_LEVEL].group_bytes
        cuts = [*range(0, len(data), n_bytes), len(data)]
        for start, stop in pairwise(cuts):
            group = data[start:stop]
            planned = plan_group(group)
            chunks = [_chunk(stream) for stream in planned.streams]
            whole = classical_chunk(group)
            if len(whole.payload) < sum(len(chunk.payload) for chunk in chunks):
                planned, chunks = Planned(None, ()), [whole]
            content = b"".join(stream.data for stream in planned.streams) or group
            if planned.layout is None:
                writer.group()
                writer.wave(chunks, content)
            else:
                writer.group(text=group)
                writer.wave([layout_chunk(planned.layout, group), *chunks], content)
        writer.finish()
        return sink.getvalue()

    def decompress(self, packed: bytes) -> bytes:
        """Return what the .llmz file holds."""
        return llmzip.decompress(packed)


def _chunk(stream: Stream) -> Chunk:
    return (headers_chunk if stream.is_headers else classical_chunk)(stream.data)
