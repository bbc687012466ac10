"""Shortlists: which tokens they have, and that every text is spelled by each of them."""

from __future__ import annotations

import json
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.shortlists import shortlist
from decoder.tokens import Tokens
from llmzip.container.limits import SHORTLISTS
from llmzip.tokens import ByteTokenizer
from llmzip.tokens.shortlists import NUMBERS, ListedTokenizer, shortlists
from small_tokenizer import MISSING, SCRIPTS, small_tokenizer_json

BOS = 0
TEXTS = ["was there", "это было", "не they", "日本語の", "कि था", "中\x04x", "▁é", ""]


def json_of(missing: frozenset[int] = frozenset()) -> str:
    return small_tokenizer_json(374, missing, SCRIPTS)


@cache
def tokenizer(missing: frozenset[int] = frozenset()) -> ByteTokenizer:
    return ByteTokenizer(json_of(missing))


@cache
def lists(missing: frozenset[int] = frozenset()) -> dict[int, ListedTokenizer]:
    return shortlists(tokenizer(missing), [BOS])


either = pytest.mark.parametrize("missing", [frozenset[int](), MISSING], ids=["all", "gappy"])


@either
def test_the_documents_have_the_same_lists(missing: frozenset[int]) -> None:
    tokens = Tokens(json_of(missing))
    assert [*lists(missing)] == [*NUMBERS] == [*range(1, len(SHORTLISTS))]
    for number, own in lists(missing).items():
        assert own.ids.tolist() == shortlist(tokens, number, BOS)
        assert own.ids.dtype == np.int32
        assert BOS in own.ids


def test_each_script_is_in_its_lists_and_no_others() -> None:
    table = tokenizer().table
    has = {number: {table[i] for i in own.ids.tolist()} for number, own in lists().items()}
    words = {1: " there", 2: " бы", 3: " 日", 4: " क"}
    for number, word in words.items():
        of = [one for one, texts in has.items() if word.encode() in texts]
        assert of == ([1, 5, 6, 7] if number == 1 else [number, number + 3])
    assert all(b" th" in texts for texts in has.values())  # three letters
    broken = " бы".encode()[:2]
    assert broken in {table[i] for i in range(len(table))}
    assert not any(broken in texts for texts in has.values())
    assert all({bytes([byte]) for byte in range(256)} <= texts for texts in has.values())


def test_every_character_is_of_the_kind_that_the_documents_say() -> None:
    chars = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    picked = [*chars[: 1 << 16 : 5], *chars[1 << 16 :: 997]]
    edges = [0x24F, 0x250, 0x36F, 0x370, 0x77F, 0x780, 0xFE6F, 0xFE70, 0xFFFF, 0x10000, 0x10FFFF]
    tokens = sorted(
        {*picked, *map(chr, edges), "ab", "abc", "abcd", "abñ中", "ab中"} - {*map(chr, range(256))}
    )
    vocab = [
        ["<unk>", 0],
        *([f"<0x{byte:02X}>", 0] for byte in range(256)),
        *([t, 0] for t in tokens),
    ]
    spec = json.dumps(
        {
            "added_tokens": [],
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"},
            "decoder": None,
            "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": True},
        }
    )
    found, documented = ByteTokenizer(spec), Tokens(spec)
    for number, own in shortlists(found, [BOS]).items():
        assert own.ids.tolist() == shortlist(documented, number, BOS)


def comes_back(data: bytes, missing: frozenset[int]) -> None:
    whole = tokenizer(missing).encode(data)
    for own in lists(missing).values():
        ids = own.encode(data)
        assert (ids == own.respelled(whole)).all()
        assert own.decode(ids) == data
        assert own.lengths(ids).sum() == len(data)
        assert ids.size == 0 or (ids.min() >= 0 and ids.max() < len(own.ids))
        assert own.is_text[ids].all()
        assert b"".join(map(own.decode, own.split(ids, 5))) == data
        if not own.outside(whole).size:
            assert (own.ids[ids] == whole).all()


@either
@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back(text: str, missing: frozenset[int]) -> None:
    comes_back(text.encode(), missing)


@either
@given(data=st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode)))
def test_any_bytes_come_back(data: bytes, missing: frozenset[int]) -> None:
    comes_back(data, missing)


def test_what_a_list_lacks_is_spelled_by_the_longest_that_it_has() -> None:
    whole = tokenizer().encode(b" there")
    own = lists()[2]
    assert whole.size == 1
    ids = own.respelled(whole)
    assert [own.decode(ids[i : i + 1]) for i in range(ids.size)] == [b" th", b"e", b"r", b"e"]
