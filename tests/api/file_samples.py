"""Texts that need no model, and what llmzip makes of them."""

from __future__ import annotations

import io
import random

import llmzip
from llmzip.container import Chunk, Writer

_RANDOM = random.Random(11)
TEXT = b"".join(_RANDOM.randbytes(_RANDOM.randrange(1, 90)) + b"\n" for _ in range(60))
"""Noise in lines: it is stored, in one chunk."""

PACKED = llmzip.compress(TEXT)
BOGUS = b"this is no compressed file at all, whatever it says it were"


def stored(data: bytes) -> bytes:
    """A file in which all is stored: text in it needs no model, nor did writing it."""
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.group()
    writer.wave([Chunk.stored(data)], data)
    writer.finish()
    return sink.getvalue()
