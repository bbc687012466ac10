"""A damaged file, or a model that computes otherwise, is refused: wrong bytes never come out."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from codec_samples import FakeModel, Foreteller, awkward, chunks_of, decode, encode, foretold, words
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import uint64
from numpy.typing import NDArray

from llmzip.codec import decode_stream
from llmzip.codec.classical import compress_lzma, decompress_lzma
from llmzip.container import Chunk, Kind, Options, Writer
from llmzip.errors import CorruptError, FormatError, TruncatedError


@pytest.fixture(scope="module")
def model(gappy_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(gappy_tokenizer_json)


@pytest.fixture(scope="module", params=["one chunk", "many chunks", "stored", "lzma", "empty"])
def packed(request: pytest.FixtureRequest, model: FakeModel) -> bytes:
    match request.param:
        case "one chunk":
            return encode(model, foretold(model, 60))
        case "many chunks":
            return encode(model, foretold(model, 200), Options(chunk_tokens=30))
        case "stored":
            return encode(model, bytes(range(0, 250, 7)))
        case "lzma":
            return encode(model, bytes(300))
        case _:
            return encode(model, b"")


def test_every_flipped_byte_is_refused_before_a_model_is_opened(
    model: FakeModel, packed: bytes
) -> None:
    for i in range(len(packed)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = packed[:i] + bytes([packed[i] ^ flip]) + packed[i + 1 :]
            model.opened.clear()
            with pytest.raises(FormatError):
                decode(model, damaged)
            if len(chunks_of(packed)) == 1:
                assert model.opened == []


def test_every_cut_is_refused(model: FakeModel, packed: bytes) -> None:
    for n_kept in range(len(packed)):
        with pytest.raises(TruncatedError):
            decode(model, packed[:n_kept])


def test_bytes_after_the_end_are_refused(model: FakeModel, packed: bytes) -> None:
    for garbage in (b"\0", b"x", b"\n", bytes(100)):
        with pytest.raises(FormatError):
            decode(model, packed + garbage)


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_stream(io.BytesIO(data), io.BytesIO(), _no_model)


def test_a_model_that_computes_otherwise_is_noticed(model: FakeModel) -> None:
    class Other(Foreteller):
        def frequencies(self, context: list[int]) -> NDArray[uint64]:
            return super().frequencies([*context, 1])

    packed = encode(model, foretold(model, 80) + words(40))
    other = replace(model, predictor=Other(model.tokenizer))
    assert decode(model, packed)
    with pytest.raises(CorruptError):
        decode(other, packed)


def test_wrong_payload_under_right_checksums_is_noticed(model: FakeModel) -> None:
    text = foretold(model, 80)
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.model(model.ref)
    writer.group()
    writer.wave([Chunk.spelled(Kind.LM, text, 80, b"\x17 no encoder wrote this")], text)
    writer.finish()
    with pytest.raises(CorruptError):
        decode(model, sink.getvalue())


def test_damaged_lzma_payload_is_noticed_and_never_a_bomb() -> None:
    data = awkward()["gzip file"][:3000] + bytes(1000)
    payload = compress_lzma(data)
    assert decompress_lzma(payload, len(data)) == data
    bad = [payload[:-1], payload + b"\0", payload[:50], b"", b"\x03" + payload]
    for damaged in bad:
        with pytest.raises(CorruptError):
            decompress_lzma(damaged, len(data))
    for n_bytes in (0, 10, len(data) - 1, len(data) + 1):
        with pytest.raises(CorruptError):
            decompress_lzma(payload, n_bytes)


def test_lzma_chunk_of_the_longest_size_comes_back() -> None:
    data = bytes(1 << 24)
    assert decompress_lzma(compress_lzma(data), len(data)) == data


def test_wrong_lzma_bytes_fail_the_chunk_checksum(model: FakeModel) -> None:
    data, other = bytes(300), b"\1" * 300
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.group()
    good = Chunk.lzma(data, compress_lzma(data))
    writer.wave([replace(good, payload=compress_lzma(other))], data)
    writer.finish()
    assert [chunk.kind for chunk in chunks_of(sink.getvalue())] == [Kind.LZMA]
    with pytest.raises(CorruptError):
        decode(model, sink.getvalue())


def _no_model(*_: object) -> FakeModel:
    raise AssertionError("no model is wanted")
