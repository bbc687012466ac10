"""What short texts are made into without the library is what the library makes of them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_zoo import NAMES, changed, tokenizer_json
from tokenizers import Tokenizer

from llmzip.tokens import ByteTokenizer, tokenizer
from llmzip.tokens.merges import MOST_LETTERS, Merges
from llmzip.tokens.parts import TokenizerParts
from llmzip.tokens.vocabulary import lossless_json
from small_tokenizer import small_tokenizer_json

SPECIFICATIONS = {
    "small": small_tokenizer_json(),
    "full": tokenizer_json("full_byte_level"),
    "few": tokenizer_json("few_bytes"),
}
MERGES = {name: Merges.of(json.loads(text)) for name, text in SPECIFICATIONS.items()}
PIECES = [
    *("the", " the", "'s", "'re", "'", "  ", "\n\n", " x", "   \n", " 12", "7", "aaaa", "====="),
    *("<|endoftext|>", "\t", "\r\n", "\x0b", "\x1c", "\x1f", "\x04", "\x7f", "A", "It's", "é"),
]


def library(name: str) -> Tokenizer:
    made = Tokenizer.from_str(lossless_json(json.loads(SPECIFICATIONS[name])))
    made.encode_special_tokens = True
    return made


LIBRARIES = {name: library(name) for name in SPECIFICATIONS}


def assert_same(name: str, text: str) -> None:
    merges = MERGES[name]
    assert merges is not None
    found = merges.tokens(text)
    if found is not None:
        assert found == LIBRARIES[name].encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_all_pairs_of_characters(name: str) -> None:
    for first in range(128):
        assert_same(name, "".join(f"a{chr(first)}{chr(second)}b" for second in range(128)))
        assert_same(name, chr(first))


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_texts_of_pieces(name: str) -> None:
    chance = random.Random(5)
    for _ in range(2000):
        assert_same(name, "".join(chance.choices(PIECES, k=chance.randrange(12))))
    assert_same(name, Path(__file__).read_text().encode("ascii", "ignore").decode())


@given(st.sampled_from(sorted(SPECIFICATIONS)), st.text(st.characters(max_codepoint=127)))
def test_any_text_of_ascii(name: str, text: str) -> None:
    assert_same(name, text)


def test_what_it_cannot_say_is_left_to_the_library() -> None:
    merges = MERGES["full"]
    assert merges is not None
    assert merges.tokens("it is") is not None
    assert merges.tokens("café") is None
    assert merges.tokens("x" * MOST_LETTERS) is not None
    assert merges.tokens("x" * (MOST_LETTERS + 1)) is None


@pytest.mark.parametrize("name", ["sentencepiece_like", "unigram", "meddling_byte_level"])
def test_of_other_tokenizers_there_are_none(name: str) -> None:
    assert Merges.of(json.loads(tokenizer_json(name))) is None


def test_tokenizers_that_do_something_else_have_none() -> None:
    words = [{"id": 0, "content": "the", "special": False}]
    assert Merges.of(json.loads(changed("full_byte_level", added_tokens=words))) is None
    cutter = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    assert Merges.of(json.loads(changed("full_byte_level", pre_tokenizer=cutter))) is None
    model = json.loads(tokenizer_json("full_byte_level"))["model"] | {"ignore_merges": True}
    assert Merges.of(json.loads(changed("full_byte_level", model=model))) is None


@pytest.mark.parametrize("name", NAMES)
def test_parts_come_back_from_arrays(name: str) -> None:
    text = tokenizer_json(name)
    own = ByteTokenizer(text)
    kept = ByteTokenizer.of(TokenizerParts.from_arrays(TokenizerParts.read(text).arrays()))
    assert kept.fingerprint_bytes() == own.fingerprint_bytes()
    assert (kept.is_text == own.is_text).all()
    for data in (b"", b"It was the best of times", bytes(range(256)), "Grüße, 世界".encode()):
        ids = own.encode(data)
        assert (kept.encode(data) == ids).all()
        assert kept.decode(ids) == data


def test_arrays_that_are_none_are_refused() -> None:
    good = TokenizerParts.read(SPECIFICATIONS["full"]).arrays()
    for bad in (
        good | {"ranks": good["ranks"][1:]},
        good | {"pairs": good["pairs"].astype(np.int64)},
        good | {"offsets": good["offsets"][:-1]},
    ):
        with pytest.raises(ValueError, match="table"):
            TokenizerParts.from_arrays(bad)
    with pytest.raises(KeyError):
        TokenizerParts.from_arrays({"blob": good["blob"]})


def test_long_texts_are_given_to_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "MOST_SHORT", 100)
    own = ByteTokenizer(SPECIFICATIONS["full"])
    own.encode(b"a" * 60)
    assert "_tokenizer" not in vars(own)
    own.encode(b"a" * 60)
    assert "_tokenizer" in vars(own)


def test_the_library_is_not_imported_for_a_short_text() -> None:
    code = (
        "import sys; from llmzip.tokens import ByteTokenizer; from pathlib import Path\n"
        "tokenizer = ByteTokenizer(sys.stdin.read())\n"
        "print(tokenizer.encode(b'A short text.').size > 0, 'tokenizers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=SPECIFICATIONS["full"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "False"]
