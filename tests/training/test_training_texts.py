"""Which texts are learnt from, what of them is held out, and in which windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmzip.tokens import ByteTokenizer
from llmzip.training.texts import Material, Sample, split, text_of


@given(st.text(max_size=400))
def test_a_text_is_cut_in_two_between_characters(text: str) -> None:
    data = text.encode()
    sample = split("a", data)
    assert sample.trained + sample.held_out == data
    sample.trained.decode()
    assert len(sample.held_out) <= len(data) // 10


def test_the_last_tenth_is_held_out_from_the_beginning_of_a_line() -> None:
    text = b"".join(b"line %d\n" % number for number in range(1_000))
    sample = split("a", text)
    assert sample.trained.endswith(b"\n")
    assert len(text) // 20 < len(sample.held_out) <= len(text) // 10


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\r\nb\n", b"a\nb\n"),
        (b"\xef\xbb\xbfmark", b"mark"),
        ("Grüße, viele Grüße von überall her".encode("utf-16-le"), None),
        (b"\x7fELF\x02\x01\x01\0\0\0", None),
        (b"\x01field\x08\x1b[1m" * 9, b"\x01field\x08\x1b[1m" * 9),
        (b"one line of a log\n" * 9 + b"\x99\n", b"one line of a log\n" * 9 + b"\x99\n"),
        (b"\x7f" + bytes(range(1, 256)), None),
        (b"", b""),
    ],
)
def test_what_is_text(data: bytes, text: bytes | None) -> None:
    if text is None and not data.startswith(b"\x7f"):
        text = data.decode("utf-16-le").encode()
    assert text_of(data) == text


def material(text: bytes, tokenizer_json: str, n_window: int = 17) -> Material:
    return Material([split("a", text)], ByteTokenizer(tokenizer_json), 0, n_window)


def test_windows_are_the_text_in_another_order(byte_tokenizer_json: str) -> None:
    tokenizer = ByteTokenizer(byte_tokenizer_json)
    text = b"".join(b"%d, " % number for number in range(2_000))
    tokens = tokenizer.encode(split("a", text).trained)
    batches = material(text, byte_tokenizer_json).batches(4, np.random.default_rng(1))
    rows = np.concatenate([next(batches) for _ in range(len(tokens) // (4 * 16))])
    assert (rows[:, 0] == 0).all()
    assert len({tuple(row) for row in rows}) == len(rows)  # none twice in a round
    spelt = tokenizer.decode(tokens) * 2
    assert all(tokenizer.decode(row[1:].astype(np.int32)) in spelt for row in rows)


def test_held_out_windows_are_of_held_out_text(byte_tokenizer_json: str) -> None:
    text = b"a" * 9_000 + b"b" * 1_000
    judged = material(text, byte_tokenizer_json).judged(5)
    tokenizer = ByteTokenizer(byte_tokenizer_json)
    assert len(judged.ids) == 5
    spelt = tokenizer.decode(judged.ids[:, 1:].reshape(-1).astype(np.int32))
    assert set(spelt) == {ord("b")}
    assert judged.n_bytes == len(spelt)


def test_a_text_smaller_than_a_window_fills_it(byte_tokenizer_json: str) -> None:
    tokenizer = ByteTokenizer(byte_tokenizer_json)
    small = Material([Sample("a", b"so short", b"x")], tokenizer, 0, 33)
    assert next(small.batches(2, np.random.default_rng(0))).shape == (2, 33)
