"""Texts in wrappings, through a model and back: archives, binary data between, whatever order."""

from __future__ import annotations

import base64
import io
import random

import pytest
from codec_samples import FakeModel, mostly_foretold
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_copies import NaiveFinder

import tar_samples
from llmzip.codec import decode_stream, encode_stream
from llmzip.codec.groups import FindCopies, no_copies
from llmzip.codec.levels import Level
from llmzip.container import Kind, Options, Reader, Wave

FROZEN = Level(Options(40, 1024, 128), 20_000, 64, 40)
LEARNING = Level(Options(40, 1024, 128, adaptive=True), 3000, 3, 40)
NOISE = random.Random(8).randbytes(3000)


@pytest.fixture(scope="module")
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def packed(
    model: FakeModel, data: bytes, level: Level, find_copies: FindCopies = no_copies
) -> bytes:
    sink = io.BytesIO()
    encode_stream(io.BytesIO(data), sink, model.open_to_encode, level, find_copies=find_copies)
    return sink.getvalue()


def unpacked(model: FakeModel, file: bytes) -> bytes:
    back = io.BytesIO()
    decode_stream(io.BytesIO(file), back, model.open_to_decode)
    return back.getvalue()


def texts(model: FakeModel) -> list[bytes]:
    """Return texts that the model foretells for the most part, and that end with a line."""
    return [mostly_foretold(model, 90, seed) for seed in range(6)]


def pieces(model: FakeModel) -> list[bytes]:
    """Return what an input may be made of."""
    own = texts(model)
    files = [(tar_samples.member(f"{n}.txt", mtime=n), text) for n, text in enumerate(own[:3])]
    mixed = [*files, (tar_samples.member("noise"), NOISE[:99]), (tar_samples.member("none"), b"")]
    return [
        *own,
        NOISE[:300],
        NOISE[300:999],
        bytes(700),
        b"\xc3",
        b"\xff" * 40,
        own[0].decode("latin-1").encode("utf-16-le"),
        base64.encodebytes(NOISE[:900]),
        tar_samples.archive(files, "gnu"),
        tar_samples.archive(mixed, "pax")[: -512 * 7],
        tar_samples.headers_of("ustar"),
    ]


@settings(max_examples=15)
@given(data=st.data(), is_learning=st.booleans())
def test_whatever_is_put_together_comes_back(
    model: FakeModel, data: st.DataObject, is_learning: bool
) -> None:
    parts = data.draw(st.lists(st.sampled_from(pieces(model)), max_size=7))
    n_cut = data.draw(st.integers(0, 600))
    text = b"".join(parts)[n_cut:]
    file = packed(model, text, LEARNING if is_learning else FROZEN, NaiveFinder())
    assert unpacked(model, file) == text


def test_the_texts_of_an_archive_are_the_models(model: FakeModel) -> None:
    own = texts(model)
    files = [(tar_samples.member(f"{n}.txt"), text) for n, text in enumerate(own)]
    data = tar_samples.archive(files)
    file = packed(model, data, FROZEN)
    chunks = [
        chunk
        for record in Reader(io.BytesIO(file))
        if isinstance(record, Wave)
        for chunk in record.chunks
    ]
    assert [chunk.kind for chunk in chunks[:2]] == [Kind.LAYOUT, Kind.TAR_HEADERS]
    assert sum(chunk.n_bytes for chunk in chunks[2:]) == sum(map(len, own))
    assert all(chunk.kind is Kind.LM for chunk in chunks[2:])
    assert unpacked(model, file) == data
