"""LlmzCompressor and LlmzDecompressor: as lzma's two classes, whatever the pieces."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from file_samples import BOGUS, PACKED, TEXT
from hypothesis import given
from hypothesis import strategies as st

import llmzip
from llmzip import Compressor, LlmzCompressor, LlmzDecompressor
from llmzip.container import Chunk, Writer
from llmzip.errors import FormatError


def a_sequence() -> bytes:
    """A member of three groups."""
    sink = io.BytesIO()
    writer = Writer(sink)
    for start in range(0, 300, 100):
        writer.group()
        writer.wave([Chunk.stored(TEXT[start : start + 100])], TEXT[start : start + 100])
    writer.finish()
    return sink.getvalue()


SEQUENCE = a_sequence()


@given(st.lists(st.integers(1, 900), max_size=6))
def test_a_text_in_pieces_gives_the_bytes_of_compress(sizes: list[int]) -> None:
    compressor = LlmzCompressor()
    packed, at = b"", 0
    for size in [*sizes, len(TEXT)]:
        packed += compressor.compress(TEXT[at : at + size])
        at += size
    assert packed + compressor.flush() == PACKED


def test_nothing_can_be_compressed_after_flush() -> None:
    compressor = LlmzCompressor()
    compressor.flush()
    with pytest.raises(ValueError, match="flushed"):
        compressor.compress(b"more")
    with pytest.raises(ValueError, match="flushed"):
        compressor.flush()


@pytest.mark.parametrize("packed", [PACKED, SEQUENCE, llmzip.compress(b"")])
@given(step=st.integers(1, 400), max_length=st.integers(-1, 90))
def test_any_pieces_in_and_any_pieces_out(packed: bytes, step: int, max_length: int) -> None:
    decompressor = LlmzDecompressor()
    text, at = b"", 0
    while not decompressor.eof:
        data = b""
        if decompressor.needs_input:
            data = packed[at : at + step]
            at += step
            assert data
        piece = decompressor.decompress(data, max_length)
        assert max_length < 0 or len(piece) <= max_length
        text += piece
        if max_length == 0 and at >= len(packed):
            return  # nothing may be returned, so nothing ends
    assert text == llmzip.decompress(packed)


def test_what_follows_the_member_is_unused_and_more_is_an_end_of_file_error() -> None:
    for packed in (PACKED, SEQUENCE):
        decompressor = LlmzDecompressor()
        text = decompressor.decompress(packed + BOGUS)
        assert TEXT.startswith(text)
        assert (decompressor.eof, decompressor.needs_input) == (True, False)
        assert decompressor.unused_data == BOGUS
        with pytest.raises(EOFError):
            decompressor.decompress(b"more")


def test_bad_input_is_a_format_error() -> None:
    with pytest.raises(FormatError):
        LlmzDecompressor().decompress(BOGUS)
    with pytest.raises(FormatError):
        LlmzDecompressor().decompress(SEQUENCE[:50] + b"?" + SEQUENCE[51:])


@pytest.mark.parametrize("level", [1, 5])
def test_text_through_a_model_in_pieces(tiny_gpt2_folder: Path, level: int) -> None:
    text = "".join(f"line {i} of a text for the model\n" for i in range(40)).encode()
    opened = Compressor(model=str(tiny_gpt2_folder), level=level)
    pushed = LlmzCompressor(compressor=opened)
    packed = pushed.compress(text[:300]) + pushed.compress(text[300:]) + pushed.flush()
    whole = io.BytesIO()
    opened.compress(io.BytesIO(text), whole)
    assert packed == whole.getvalue()
    decompressor = LlmzDecompressor(model=str(tiny_gpt2_folder))
    pieces = [decompressor.decompress(packed[i : i + 50]) for i in range(0, len(packed), 50)]
    assert b"".join(pieces) == text
    assert decompressor.eof
