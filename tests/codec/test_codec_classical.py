"""What needs no model comes back, is never longer than what went in, and damage is refused."""

from __future__ import annotations

import hashlib
import random

import pytest
from codec_samples import awkward, words
from hypothesis import given, settings
from hypothesis import strategies as st

from llmzip import mixing
from llmzip.codec.classical import (
    EASY_RATIO,
    MIN_EASY_BYTES,
    MIN_SAMPLED_BYTES,
    classical_chunk,
    compress_lzma,
    decompress_classical,
    least_size,
    says_least,
)
from llmzip.container import Kind
from llmzip.errors import CorruptError
from llmzip.mixing import tables

TABLE = "".join(f"{i},{i * i % 97},{i * 7 % 31}.5\n" for i in range(2000)).encode()


@pytest.mark.parametrize("data", [d for d in awkward().values() if d])
def test_awkward_data_comes_back(data: bytes) -> None:
    chunk = classical_chunk(data)
    assert decompress_classical(chunk) == data
    easy = EASY_RATIO * len(data) if len(data) >= MIN_EASY_BYTES else 0
    assert len(chunk.payload) <= min(len(data), max(easy, len(compress_lzma(data))))


@given(st.binary(min_size=1, max_size=300))
@settings(deadline=None)
def test_any_bytes_come_back_from_mixing(data: bytes) -> None:
    payload = mixing.compress(data, 2 * len(data) + 9)
    assert payload is not None
    assert mixing.decompress(payload, len(data)) == data


def test_text_and_tables_are_mixed_noise_is_stored() -> None:
    for data in (words(20_000), TABLE):
        chunk = classical_chunk(data)
        assert chunk.kind is Kind.MIXED
        assert len(chunk.payload) < 0.9 * len(compress_lzma(data))
    assert classical_chunk(random.Random(1).randbytes(5000)).kind is Kind.STORED


def test_no_more_is_written_than_may_be() -> None:
    payload = mixing.compress(TABLE, len(TABLE))
    assert payload is not None
    assert mixing.compress(TABLE, len(payload)) == payload
    for most in (len(payload) - 1, 1, 0):
        assert mixing.compress(TABLE, most) is None


def test_every_other_payload_is_refused_or_decodes_to_other_bytes() -> None:
    """A text has one payload: what differs from it is malformed or stands for another text."""
    data = words(400)
    payload = mixing.compress(data, len(data))
    assert payload is not None
    others = [payload[:-1], payload + b"\0", payload + b"\1", payload[:9], b"", b"\0"]
    others += [payload[:i] + bytes([payload[i] ^ 1]) + payload[i + 1 :] for i in range(60)]
    others += [random.Random(i).randbytes(len(payload)) for i in range(40)]
    for other in others:
        try:
            assert mixing.decompress(other, len(data)) != data
        except CorruptError:
            continue


def test_the_numbers_are_the_same_everywhere() -> None:
    """A change here makes another format."""
    made = hashlib.sha256()
    for table in (
        tables.squash_table(),
        tables.stretch_table(),
        tables.next_histories(),
        tables.first_chances(),
    ):
        made.update(table.astype("<i4").tobytes())
    assert made.hexdigest()[:16] == "24306ea008d6a2cc"
    payload = mixing.compress(TABLE + words(3000), 1 << 20)
    assert payload is not None
    assert hashlib.sha256(payload).hexdigest()[:16] == "cbedab172ac2f346"


@pytest.mark.parametrize("text", [words(200_000), TABLE * 4, bytes(200_000)])
def test_texts_hardly_get_smaller_than_is_foreseen(text: bytes) -> None:
    text = (text * 4)[:MIN_SAMPLED_BYTES]
    payload = classical_chunk(text).payload
    assert least_size(text) <= len(payload) + 64


@pytest.mark.parametrize("n_bytes", [1, 30, 200, 1000, 4096])
@pytest.mark.parametrize("text", [words(4096), TABLE * 400, b"abc" * 2000, bytes(4096)])
def test_short_texts_do_not_get_smaller_than_is_foreseen(text: bytes, n_bytes: int) -> None:
    text = text[:n_bytes]
    assert says_least(text)
    assert least_size(text) <= len(classical_chunk(text).payload)
