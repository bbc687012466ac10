"""Whatever the tokenizer and whatever the bytes, they come back."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_zoo import NAMES, TEXT, tokenizer_json

from llmzip.tokens import ByteTokenizer
from llmzip.tokens import tokenizer as module
from small_tokenizer import small_tokenizer_json

_TOKENIZERS = {name: ByteTokenizer(tokenizer_json(name)) for name in NAMES}

INPUTS = {
    "empty": b"",
    "every byte": bytes(range(256)),
    "text": "".join(TEXT).encode(),
    "broken utf-8": b"caf\xc3 \xe4\xb8 \xf0\x9f\x98 \xff\xfe end\xe2\x82",
    "overlong and surrogate": b"\xc0\x80 \xed\xa0\x80 \xed\xb2\x80 \xf4\x90\x80\x80",
    "utf-16": "Zwölf 中文\n".encode("utf-16"),
    "latin-1": "Zwölf Boxkämpfer ".encode("latin-1") * 9,
    "crlf": b"one\r\ntwo\r\n\r\n\rthree\n",
    "nul": b"\0\0a\0\0\0",
    "dashes": b"-" * 64,
    "spaces": b" " * 200,
    "spaces round text": b"  The  fox   \t\n ",
    "emoji": "\U0001f469\u200d\U0001f4bb \U0001f3f3\ufe0f\u200d\U0001f308 ok 🙂".encode(),
    "chinese": "中文也行。但是没有训练过。".encode(),
    "composed and not": "é e\u0301 ﬁ ① \uff21 \u00a0\u2003 İ".encode(),
    "special tokens as text": b"<|endoftext|><|sep|> <s></s><unk><0x41> <|endoftext|",
    "tokens of control as text": b"<bos><unused5> <start_of_turn>user\n\n\n\n<b>x</b>\t\t\t<0x41",
    "the space's mark": "a▁b ▁▁ \u2581".encode(),
    "added tokens": b"the  fox  and fox" + b" " * 8 + b"fox",
    "private and unassigned": "\U00040000\U000f0000\U0010ffff\ufffe".encode(),
}


@pytest.mark.parametrize("data", INPUTS.values(), ids=INPUTS.keys())
@pytest.mark.parametrize("name", NAMES)
def test_comes_back(name: str, data: bytes) -> None:
    tokenizer = _TOKENIZERS[name]
    ids = tokenizer.encode(data)
    assert ids.dtype == np.int32
    assert ids.ndim == 1
    assert not ids.size or (ids.min() >= 0 and ids.max() < tokenizer.vocab_size)
    assert tokenizer.decode(ids) == data


@given(st.binary(max_size=300))
@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_come_back(name: str, data: bytes) -> None:
    tokenizer = _TOKENIZERS[name]
    assert tokenizer.decode(tokenizer.encode(data)) == data


@given(st.text(max_size=300))
@pytest.mark.parametrize("name", NAMES)
def test_any_text_comes_back(name: str, text: str) -> None:
    tokenizer = _TOKENIZERS[name]
    assert tokenizer.decode(tokenizer.encode(text.encode())) == text.encode()


_FRAGMENTS = [
    *(
        "<0x41>",
        "<0x",
        "0A>",
        "<bos>",
        "<b",
        "os>",
        "<unused5>",
        "<start_of_turn>",
        "<|endoftext|>",
    ),
    *("\u2581", " ", "  ", "\n", "\n\n", "\t", "\0", "the", " the", "é", "中文", "\u0301", "<b>"),
]


@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=40))
@pytest.mark.parametrize("name", NAMES)
def test_text_that_reads_like_tokens_is_text(name: str, fragments: list[str]) -> None:
    tokenizer, data = _TOKENIZERS[name], "".join(fragments).encode()
    ids = tokenizer.encode(data)
    assert tokenizer.decode(ids) == data
    assert tokenizer.is_text[ids].all()


@pytest.mark.parametrize("unit", [b"a", b" ", b"\x04", b"\xff", b"a\xff", "é▁".encode()])
@pytest.mark.parametrize("name", NAMES)
def test_long_runs_come_back(name: str, unit: bytes) -> None:
    data = unit * (100_000 // len(unit))
    tokenizer = _TOKENIZERS[name]
    assert tokenizer.decode(tokenizer.encode(data)) == data


@pytest.mark.parametrize("name", NAMES)
def test_ids_do_not_depend_on_what_was_encoded_before(name: str) -> None:
    used = _TOKENIZERS[name]
    for data in INPUTS.values():
        used.encode(data)
    for data in INPUTS.values():
        fresh = ByteTokenizer(tokenizer_json(name))
        assert np.array_equal(fresh.encode(data), used.encode(data))


@pytest.mark.parametrize("name", NAMES)
def test_random_bytes_come_back(name: str) -> None:
    data = random.Random(20).randbytes(20_000)
    tokenizer = _TOKENIZERS[name]
    assert tokenizer.decode(tokenizer.encode(data)) == data


def parts_of_a_long_text(made: str, text: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """Cut a text as if 100 characters were many: the tokens are those of the whole."""
    whole, counts = ByteTokenizer(made).encode(text), []
    cut = module.cut_between_words

    def counted(text: str, size: int) -> list[str]:
        parts = cut(text, size)
        counts.append(len(parts))
        return parts

    monkeypatch.setattr(module, "_MANY_CHARS", 100)
    monkeypatch.setattr(module, "MOST_SHORT", 0)
    monkeypatch.setattr(module, "cut_between_words", counted)
    assert np.array_equal(ByteTokenizer(made).encode(text), whole)
    return max(counts, default=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_long_text_has_the_tokens_that_it_has_as_a_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of_a_long_text(tokenizer_json(name), "".join(TEXT).encode(), monkeypatch)


def test_a_long_text_is_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that its parts can be made into tokens at once."""
    assert parts_of_a_long_text(small_tokenizer_json(), b"of the " * 100, monkeypatch) > 3


def test_a_token_of_several_words_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = json.loads(small_tokenizer_json())
    added = {"id": 300, "content": "of the", "special": False, "single_word": False}
    spec["added_tokens"].append(added | {"lstrip": False, "rstrip": False, "normalized": False})
    assert parts_of_a_long_text(json.dumps(spec), b"of the " * 100, monkeypatch) == 1


@given(st.text(alphabet="ab \n.é", max_size=300), st.integers(1, 50))
def test_cuts_are_between_words(text: str, size: int) -> None:
    parts = module.cut_between_words(text, size)
    assert "".join(parts) == text
    assert all(part[0] == " " and part[1].isalpha() for part in parts[1:])
    assert all(part[-1].isalpha() for part in parts[:-1])
