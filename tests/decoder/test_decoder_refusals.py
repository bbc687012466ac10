"""What only shows when a chunk is decoded, the documents' decoder refuses, as the product does."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash

from decoder import RefusedError, decode
from llmzip import decompress
from llmzip.codec.classical import compress_lzma
from llmzip.container import Chunk, End, Group, Header, ModelRef, Reader, Wave, Writer, bodies
from llmzip.container.head import pack_header
from llmzip.container.limits import END_MARK
from llmzip.container.records import GroupEntry
from llmzip.container.wire import crc32, frame
from llmzip.errors import CorruptError, LlmzipError
from tiny_files import Tiny, lines_of

N_WORDS = 40


def same(chunk: Chunk) -> Chunk:
    return chunk


def signed(
    file: bytes, text: bytes, change: Callable[[Chunk], Chunk] = same, machine: bytes | None = None
) -> bytes:
    """The same member as a sequence of records, its chunks changed, all CRCs and sizes right."""
    out, model_at, groups = b"", 0, list[GroupEntry]()
    for record in Reader(io.BytesIO(file)):
        match record:
            case Header(options):
                out += pack_header(options)
            case ModelRef():
                model_at = len(out)
                ref = replace(record, name=record.name or "tiny", machine=machine)
                out += frame(bodies.TAG_MODEL, bodies.pack_model(ref))
            case Group():
                groups.append(GroupEntry(len(out), 0))
                out += frame(bodies.TAG_GROUP, bodies.pack_group(record))
            case Wave(chunks):
                changed = [change(chunk) for chunk in chunks]
                payloads = b"".join(chunk.payload for chunk in changed)
                out += frame(bodies.TAG_WAVE, bodies.pack_wave(changed)) + payloads
                out += crc32(payloads)
                n_bytes = groups[-1].n_bytes + sum(chunk.n_bytes for chunk in changed)
                groups[-1] = replace(groups[-1], n_bytes=n_bytes)
    whole = xxhash.xxh3_64_digest(text)
    end = End(sum(group.n_bytes for group in groups), whole, tuple(groups), model_at)
    tail = frame(bodies.TAG_END, bodies.pack_end(end, len(out)))
    return out + tail + len(tail).to_bytes(4, "little") + END_MARK


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
}


@pytest.mark.parametrize("level", [1, 5])
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("has_lines", [False, True])
def test_chunks_that_are_no_encoders(gpt2: Tiny, level: int, damage: str, has_lines: bool) -> None:
    text = gpt2.foreseen(N_WORDS)
    text = lines_of(text, b"\r\n") if has_lines else text
    file = gpt2.compress(text, level)
    altered = signed(file, text, DAMAGE[damage])
    with pytest.raises(RefusedError):
        decode(altered, gpt2.model)
    with pytest.raises(LlmzipError):
        decompress(altered, model=gpt2.name)


@pytest.mark.parametrize("exceptions", [b"\1\x63", b"\2\0\x63", b"\x7f", b"\x81\0", b""])
def test_line_ends_that_are_not_there(gpt2: Tiny, exceptions: bytes) -> None:
    text = lines_of(gpt2.foreseen(N_WORDS), b"\r\n")
    file = gpt2.compress(text, 5)

    def other(chunk: Chunk) -> Chunk:
        return replace(chunk, payload=exceptions + chunk.payload[1:])

    altered = signed(file, text, other)
    with pytest.raises(RefusedError):
        decode(altered, gpt2.model)
    with pytest.raises(LlmzipError):
        decompress(altered, model=gpt2.name)


def test_the_whole_has_a_checksum_too(gpt2: Tiny) -> None:
    text = gpt2.foreseen(N_WORDS)
    file = gpt2.compress(text, 5)
    assert decode(signed(file, text), gpt2.model) == text
    altered = signed(file, text + b"?")
    with pytest.raises(RefusedError, match="the file's checksum"):
        decode(altered, gpt2.model)
    with pytest.raises(CorruptError, match="the file's checksum"):
        decompress(altered, model=gpt2.name)


TEXT = bytes(random.Random(3).randbytes(300)) * 3
LZMA_DAMAGE = {
    "a zero more": (0, b"\0"),
    "a byte more": (0, b"\1"),
    "no end": (1, b""),
    "cut": (4, b""),
}


@pytest.mark.parametrize("damage", LZMA_DAMAGE)
def test_an_lzma_stream_that_does_not_end_where_its_payload_does(damage: str) -> None:
    n_less, more = LZMA_DAMAGE[damage]
    chunk = Chunk.lzma(TEXT, compress_lzma(TEXT))
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.group()
    writer.wave([chunk], TEXT)
    writer.finish()
    assert decode(sink.getvalue()) == TEXT
    payload = chunk.payload[: len(chunk.payload) - n_less] + more
    altered = signed(sink.getvalue(), TEXT, lambda c: replace(c, payload=payload))
    with pytest.raises(RefusedError):
        decode(altered)
    with pytest.raises(CorruptError):
        decompress(altered)


def test_another_model(gpt2: Tiny, llama: Tiny) -> None:
    text = gpt2.foreseen(N_WORDS)
    file = gpt2.compress(text, 5)
    with pytest.raises(RefusedError, match=f"this model has {llama.model.fingerprint.hex()}"):
        decode(file, llama.model)
    with pytest.raises(RefusedError, match="needs a model"):
        decode(file)
    with pytest.raises(RefusedError, match="one machine only"):
        decode(signed(file, text, machine=b"machine!"), gpt2.model)


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
