"""What only shows when a chunk is decoded, the documents' decoder refuses, as the product does."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from decoder import RefusedError, decode
from llmzip import decompress
from llmzip.container import Chunk, End, Group, Header, ModelRef, Reader, Wave, Writer
from llmzip.errors import LlmzipError
from tiny_files import Tiny, lines_of

N_WORDS = 40


def rewritten(
    file: bytes, chunk: Callable[[Chunk], Chunk], model: Callable[[ModelRef], ModelRef]
) -> bytes:
    """The same member with another chunk or model, every CRC right."""
    sink = io.BytesIO()
    records = list(Reader(io.BytesIO(file)))
    header = records[0]
    assert isinstance(header, Header)
    writer = Writer(sink, header.options)
    for record in records[1:]:
        match record:
            case ModelRef():
                writer.model(model(record))
            case Group():
                writer.group()
            case Wave():
                writer.wave([chunk(one) for one in record.chunks], b"?" * record.n_bytes)
            case End():
                writer.finish()
    return sink.getvalue()


def same_model(model: ModelRef) -> ModelRef:
    return model


def same_chunk(chunk: Chunk) -> Chunk:
    return chunk


DAMAGE: dict[str, Callable[[Chunk], Chunk]] = {
    "flipped": lambda c: replace(c, payload=bytes([c.payload[0] ^ 1]) + c.payload[1:]),
    "a zero more": lambda c: replace(c, payload=c.payload + b"\0"),
    "a byte more": lambda c: replace(c, payload=c.payload + b"\1"),
    "a byte less": lambda c: replace(c, payload=c.payload[:-1]),
    "empty": lambda c: replace(c, payload=b""),
    "beyond the first interval": lambda c: replace(c, payload=b"\xff" * 9),
    "a token less": lambda c: replace(c, n_tokens=c.n_tokens - 1),
    "a token more": lambda c: replace(c, n_tokens=c.n_tokens + 1),
    "a byte of text more": lambda c: replace(c, n_bytes=c.n_bytes + 1),
    "another checksum": lambda c: replace(c, checksum=b"abcd"),
    "a file of another checksum": same_chunk,
}


@pytest.mark.parametrize("level", [1, 5])
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("has_lines", [False, True])
def test_chunks_that_are_no_encoders(gpt2: Tiny, level: int, damage: str, has_lines: bool) -> None:
    text = gpt2.foreseen(N_WORDS)
    text = lines_of(text, b"\r\n") if has_lines else text
    file = gpt2.compress(text, level)
    altered = rewritten(file, DAMAGE[damage], same_model)
    if damage == "a file of another checksum" and not has_lines:
        assert altered == file  # a lone chunk's checksum is the file's
        return
    with pytest.raises(RefusedError):
        decode(altered, gpt2.model)
    with pytest.raises(LlmzipError):
        decompress(altered, model=gpt2.name)


@pytest.mark.parametrize("exceptions", [b"\1\x63", b"\2\0\x63", b"\x7f", b"\x81\0", b""])
def test_line_ends_that_are_not_there(gpt2: Tiny, exceptions: bytes) -> None:
    file = gpt2.compress(lines_of(gpt2.foreseen(N_WORDS), b"\r\n"), 5)

    def other(chunk: Chunk) -> Chunk:
        return replace(chunk, payload=exceptions + chunk.payload[1:])

    altered = rewritten(file, other, same_model)
    with pytest.raises(RefusedError):
        decode(altered, gpt2.model)
    with pytest.raises(LlmzipError):
        decompress(altered, model=gpt2.name)


@pytest.mark.parametrize("tail", [b"\0", b"\1", b"\0\0"])
def test_an_lzma_stream_that_ends_before_its_payload(tail: bytes) -> None:
    from llmzip.codec.classical import compress_lzma

    text = bytes(range(97)) * 9
    chunk = Chunk.lzma(text, compress_lzma(text))
    for payload in (chunk.payload + tail, chunk.payload[:-1], chunk.payload[:-4]):
        sink = io.BytesIO()
        writer = Writer(sink)
        writer.group()
        writer.wave([replace(chunk, payload=payload)], text)
        writer.finish()
        with pytest.raises(RefusedError):
            decode(sink.getvalue())
        with pytest.raises(LlmzipError):
            decompress(sink.getvalue())


def test_another_model(gpt2: Tiny, llama: Tiny) -> None:
    file = gpt2.compress(gpt2.foreseen(N_WORDS), 5)
    with pytest.raises(RefusedError, match=f"this model has {llama.model.fingerprint.hex()}"):
        decode(file, llama.model)
    with pytest.raises(RefusedError, match="needs a model"):
        decode(file)
    tied = rewritten(file, same_chunk, lambda ref: replace(ref, machine=b"machine!"))
    with pytest.raises(RefusedError, match="one machine only"):
        decode(tied, gpt2.model)


def test_another_dictionary(gpt2: Tiny, llama: Tiny) -> None:
    dictionary = gpt2.foreseen(20, 1)
    file = gpt2.compress(gpt2.foreseen(N_WORDS), 5, dictionary)
    with pytest.raises(RefusedError, match="give it"):
        decode(file, gpt2.model)
    with pytest.raises(RefusedError, match="another dictionary, or another model"):
        decode(file, gpt2.model, dictionary + b"\n")
    with pytest.raises(RefusedError, match="another dictionary, or another model"):
        decode(file, llama.model, dictionary)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "info.json"])
def test_a_folder_that_is_no_prepared_model(gpt2: Tiny, tmp_path: Path, name: str) -> None:
    """A part that is missing or damaged is told in one line."""
    for path in gpt2.folder.iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    file = gpt2.compress(gpt2.foreseen(N_WORDS), 5)
    for damaged in (None, b"", b"{}", bytes(20)):
        if damaged is not None:
            (tmp_path / name).write_bytes(damaged)
        with pytest.raises(RefusedError, match="not a prepared model") as caught:
            decode(file, tmp_path)
        assert "\n" not in str(caught.value)
