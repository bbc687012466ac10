"""What goes in comes out, for any bytes, any batch, any way of cutting the file."""

from __future__ import annotations

import io

import pytest
from codec_samples import (
    FakeModel,
    awkward,
    chunks_of,
    decode,
    encode,
    encode_with_stats,
    foretold,
    single_bytes,
    words,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmzip.codec import decode_stream, encode_stream
from llmzip.container import Kind, Options

SMALL_CHUNKS = Options(chunk_tokens=16)


@pytest.fixture(scope="module")
def model(gappy_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(gappy_tokenizer_json)


@pytest.mark.parametrize("name", awkward())
def test_awkward_input_comes_back_and_hardly_grows(model: FakeModel, name: str) -> None:
    data = awkward()[name]
    packed = encode(model, data)
    assert decode(model, packed) == data
    assert len(packed) <= len(data) * 1.001 + 64


def test_every_single_byte_comes_back_and_needs_no_model(model: FakeModel) -> None:
    model.opened.clear()
    for data in single_bytes():
        assert decode(model, encode(model, data)) == data
    assert model.opened == []


def test_every_single_byte_comes_back_from_the_model(model: FakeModel) -> None:
    text = foretold(model, 60)
    for value in range(256):
        data = text + bytes([value])
        packed = encode(model, data)
        assert [chunk.kind for chunk in chunks_of(packed)] == [Kind.LM]
        assert decode(model, packed) == data


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(max_size=40), max_size=8), n_lanes=st.integers(1, 9))
def test_any_bytes_between_foretold_text_come_back(
    model: FakeModel, pieces: list[bytes], n_lanes: int
) -> None:
    data = foretold(model, 120).join([b"", *pieces, b""])
    packed = encode(model, data, SMALL_CHUNKS)
    assert decode(model, packed, n_lanes) == data


@pytest.mark.parametrize("n_lanes", [1, 2, 3, 64])
def test_any_number_of_lanes_decodes_the_same(model: FakeModel, n_lanes: int) -> None:
    data = foretold(model, 900)
    packed = encode(model, data, Options(chunk_tokens=100))
    assert len(chunks_of(packed)) > 5
    assert decode(model, packed, n_lanes) == data


def test_chunks_are_no_longer_than_asked_and_about_equal(model: FakeModel) -> None:
    packed = encode(model, foretold(model, 1000), Options(chunk_tokens=300))
    sizes = [chunk.n_tokens for chunk in chunks_of(packed)]
    assert max(sizes) <= 300
    assert min(sizes) >= max(sizes) - 4


def test_concatenated_files_decode_as_one(model: FakeModel) -> None:
    parts = [foretold(model, 50), b"", words(300), b"x"]
    packed = b"".join(encode(model, part) for part in parts)
    assert decode(model, packed) == b"".join(parts)


def test_text_and_noise_side_by_side_each_get_their_own_kind(model: FakeModel) -> None:
    block = 1 << 16
    text = foretold(model, 3 * 1400)
    data = awkward()["100 kB random"][:block] + text
    packed = encode(model, data)
    assert [chunk.kind for chunk in chunks_of(packed)][:2] == [Kind.STORED, Kind.LM]
    assert decode(model, packed) == data


def test_a_stream_that_deals_out_single_bytes_gives_the_same_file(model: FakeModel) -> None:
    class Drip(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.data, self.at = data, 0

        def readable(self) -> bool:
            return True

        def read(self, n_bytes: int = -1) -> bytes:
            piece = self.data[self.at : self.at + min(n_bytes, 3)]
            self.at += len(piece)
            return piece

    data = foretold(model, 300)
    sink, out = io.BytesIO(), io.BytesIO()
    encode_stream(Drip(data), sink, model.open_to_encode)  # type: ignore[arg-type]
    assert sink.getvalue() == encode(model, data)
    decode_stream(Drip(sink.getvalue()), out, model.open_to_decode)  # type: ignore[arg-type]
    assert out.getvalue() == data


def test_an_input_with_nothing_to_give_is_an_error_not_an_end(model: FakeModel) -> None:
    class Dry(io.RawIOBase):
        def read(self, n_bytes: int = -1) -> bytes | None:
            return None

    with pytest.raises(BlockingIOError):
        encode_stream(Dry(), io.BytesIO(), model.open_to_encode)  # type: ignore[arg-type]


def test_the_model_is_opened_once_and_for_text_only(model: FakeModel) -> None:
    model.opened.clear()
    noise = awkward()["100 kB random"]
    assert decode(model, encode(model, noise)) == noise
    assert model.opened == []
    encode(model, foretold(model, 500), SMALL_CHUNKS)
    assert model.opened == [None]


def test_size_is_the_cross_entropy_and_a_little_for_each_chunk(model: FakeModel) -> None:
    data = foretold(model, 3000) + words(100)
    packed, stats = encode_with_stats(model, data, Options(chunk_tokens=200))
    assert stats.n_model_bytes == stats.n_bytes == len(data)
    assert stats.n_chunks == len(chunks_of(packed)) > 10
    assert len(packed) == stats.n_file_bytes
    assert len(packed) <= stats.model_bits / 8 * 1.001 + 24 * stats.n_chunks


def test_progress_climbs_to_the_end(model: FakeModel) -> None:
    data = foretold(model, 2000)
    seen: list[int] = []
    sink = io.BytesIO()
    encode_stream(io.BytesIO(data), sink, model.open_to_encode, SMALL_CHUNKS, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == len(data)
    seen.clear()
    packed = io.BytesIO(sink.getvalue())
    decode_stream(packed, io.BytesIO(), model.open_to_decode, 2, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == len(data)
