"""Texts that grow only by tokens that the tokenizer would make of them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from llmzip.tokens import ByteTokenizer
from llmzip.tokens.canonical import CanonicalText


@pytest.fixture(params=["byte_tokenizer_json", "gappy_tokenizer_json"])
def tokenizer(request: pytest.FixtureRequest) -> ByteTokenizer:
    return ByteTokenizer(request.getfixturevalue(request.param))


def spelling(tokenizer: ByteTokenizer, spelled: bytes) -> int:
    (token,) = tokenizer.encode(spelled).tolist()
    return int(token)


def test_a_complete_text_is_made_into_its_tokens(tokenizer: ByteTokenizer) -> None:
    plain = np.flatnonzero(tokenizer.table.is_plain).tolist()
    spaces = [token for token in plain if tokenizer.table[token].isspace()]
    for seed in range(10):
        chance, text, ids = random.Random(seed), CanonicalText(tokenizer), []
        for _ in range(60):
            few = chance.sample(plain, 20) + spaces
            token = chance.choice([token for token in few if text.may_grow_by(token)])
            text.append(token)
            ids.append(token)
            spelled = b"".join(tokenizer.table[token] for token in ids)
            assert text.is_complete == (tokenizer.encode(spelled).tolist() == ids)


def test_pieces_of_a_token_do_not_stand_for_it(tokenizer: ByteTokenizer) -> None:
    text = CanonicalText(tokenizer)
    assert tokenizer.encode(b" the").size == 1
    text.append(spelling(tokenizer, b" "))
    assert not text.may_grow_by(spelling(tokenizer, b"t"))


def test_any_text_grows_by_its_own_tokens(tokenizer: ByteTokenizer) -> None:
    data = b"One line.\n\nAnother one,  with 12 spaces:\n\n    and an end.\n\n\nx"
    text = CanonicalText(tokenizer)
    for token in tokenizer.encode(data).tolist():
        assert text.may_grow_by(token)
        text.append(token)
    assert text.is_complete


def test_plain_tokens_are_whole_characters_and_no_controls() -> None:
    from small_tokenizer import small_tokenizer_json

    table = ByteTokenizer(small_tokenizer_json()).table
    spelled = {table[token] for token in np.flatnonzero(table.is_plain).tolist()}
    assert spelled >= {b"\t", b"\n", b" ", b"~", b" the"}
    assert not spelled & {b"", b"\0", b"\r", b"\x1b", b"\x7f", b"\x80", b"\xc3"}
