"""Line ends are taken away and put back, exceptions and all."""

from __future__ import annotations

import io
from array import array
from dataclasses import replace

import numpy as np
import pytest
from codec_samples import FakeModel, chunks_of, decode, encode, mostly_foretold
from hypothesis import given
from hypothesis import strategies as st

from llmzip.codec.lines import (
    flags_of,
    restore,
    unify,
)
from llmzip.codec.spelling import Spelling, take_spelling
from llmzip.container import Kind, Options, Writer
from llmzip.errors import CorruptError

lines = st.lists(
    st.tuples(st.binary(max_size=5), st.sampled_from([b"\r\n"] * 40 + [b"\n", b"\r", b"\r\r\n"]))
).map(lambda parts: b"".join(text + end for text, end in parts))


@given(st.one_of(lines, st.binary()))
def test_what_is_unified_is_restored(data: bytes) -> None:
    unified = unify(data)
    if unified is not None:
        assert unified.text.count(b"\r\n") <= data.count(b"\r\r\n")
        assert restore(unified.text, unified.is_bare) == data


@given(lines, st.binary())
def test_exceptions_come_back_with_the_rest(data: bytes, rest: bytes) -> None:
    unified = unify(data)
    if unified is not None:
        bare = array("I", np.flatnonzero(unified.is_bare).tolist())
        packed = Spelling(Kind.LM_LINES, len(data), bare).packed()
        found, left = take_spelling(Kind.LM_LINES, len(data), packed + rest)
        assert left == rest
        assert found.places is not None
        assert (flags_of(unified.text, found.places) == unified.is_bare).all()


def test_text_with_few_carriage_returns_is_left_as_it_is() -> None:
    assert unify(b"") is None
    assert unify(b"no line end") is None
    assert unify(b"one\ntwo\r\n") is None


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x80\x00", b"\xff" * 20])
def test_a_malformed_list_is_refused(payload: bytes) -> None:
    with pytest.raises(CorruptError):
        take_spelling(Kind.LM_LINES, 100, payload)


def test_exceptions_beyond_the_text_are_refused() -> None:
    with pytest.raises(CorruptError, match="not there"):
        flags_of(b"one\ntwo\n", [0, 2])


@pytest.fixture
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def test_text_with_carriage_returns_costs_hardly_more_than_without(model: FakeModel) -> None:
    plain = b"\n".join(mostly_foretold(model, 40, seed) for seed in range(20))
    mixed = plain.replace(b"\n", b"\r\n").replace(b"\r\n", b"\n", 1)
    packed = encode(model, mixed, Options(chunk_tokens=100))
    assert {chunk.kind for chunk in chunks_of(packed)} == {Kind.LM_LINES}
    assert len(packed) < len(encode(model, plain, Options(chunk_tokens=100))) + 40
    assert decode(model, packed) == mixed


def test_a_list_that_does_not_fit_the_text_is_damage(model: FakeModel) -> None:
    data = mostly_foretold(model, 60, seed=1) + b"\r\n" + mostly_foretold(model, 20, seed=2)
    (chunk,) = chunks_of(encode(model, data, Options(chunk_tokens=100)))
    assert chunk.kind is Kind.LM_LINES
    wrong = replace(chunk, payload=b"\x01\x09" + chunk.payload[1:])
    sink = io.BytesIO()
    writer = Writer(sink, Options(chunk_tokens=100))
    writer.model(model.ref)
    writer.group()
    writer.wave([wrong], data)
    writer.finish()
    with pytest.raises(CorruptError):
        decode(model, sink.getvalue())
