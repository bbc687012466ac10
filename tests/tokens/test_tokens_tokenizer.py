"""The tokeniser's other promises: real tokens for text, escapes, refusals, cuts."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_zoo import NAMES, changed, tokenizer_json
from tokenizers import Tokenizer

from llmzip.errors import CorruptError, ModelDamagedError, ModelUnsupportedError
from llmzip.tokens import ByteTokenizer

_GAPPY = ByteTokenizer(tokenizer_json("few_bytes"))
PANGRAM = b"The quick brown fox jumps over the lazy dog."


def test_plain_text_gets_the_tokenizers_own_ids(gappy_tokenizer_json: str) -> None:
    ids = ByteTokenizer(gappy_tokenizer_json).encode(PANGRAM)
    assert ids.tolist() == Tokenizer.from_str(gappy_tokenizer_json).encode(PANGRAM.decode()).ids


def test_long_text_gets_the_tokenizers_own_ids_while_other_threads_go_on() -> None:
    """A library that keeps the interpreter to itself would let the model wait for its tokens."""
    text = PANGRAM.decode() * 20_000
    tokenizer = ByteTokenizer(tokenizer_json("full_byte_level"))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(tokenizer.encode, PANGRAM * 1000).result()  # the library is loaded
        ids, n_turns = pool.submit(tokenizer.encode, text.encode()), 0
        while not ids.done():
            time.sleep(0.001)
            n_turns += 1
    assert n_turns > 50
    own = Tokenizer.from_str(tokenizer_json("full_byte_level")).encode(text).ids
    assert ids.result().tolist() == own


@pytest.mark.parametrize("name", NAMES)
def test_text_near_a_broken_byte_keeps_its_tokens(name: str) -> None:
    tokenizer = ByteTokenizer(tokenizer_json(name))
    alone, with_byte = tokenizer.encode(PANGRAM), tokenizer.encode(PANGRAM + b"\xff")
    assert np.array_equal(with_byte[: alone.size], alone)


def test_special_tokens_are_never_made_from_text() -> None:
    tokenizer = ByteTokenizer(tokenizer_json("full_byte_level"))
    assert 0 not in tokenizer.encode(b"<|endoftext|> and <|endoftext|>")


def test_missing_byte_costs_two_tokens(gappy_tokenizer_json: str) -> None:
    tokenizer = ByteTokenizer(gappy_tokenizer_json)
    assert tokenizer.encode(b"\x04").size == 2
    assert tokenizer.encode(b"\xff\xfe").size == 4


def test_bytes_with_tokens_need_no_escape(byte_tokenizer_json: str) -> None:
    ids = ByteTokenizer(byte_tokenizer_json).encode(bytes(range(128, 256)))
    assert ids.size == 128
    assert 0 not in ids


def test_long_tokens_are_whole() -> None:
    """A vocabulary may hold tokens of any length: SmolLM2's go up to 81 bytes."""
    spec = json.loads(tokenizer_json("full_byte_level"))
    vocab, merges = spec["model"]["vocab"], spec["model"]["merges"]
    for half in ("-" * 2**i for i in range(7)):
        vocab.setdefault(half + half, len(vocab))
        merges.append([half, half])
    tokenizer = ByteTokenizer(json.dumps(spec))
    ids = tokenizer.encode(b"-" * 128)
    assert ids.tolist() == [vocab["-" * 128]]
    assert tokenizer.decode(ids) == b"-" * 128


@given(st.lists(st.integers(0, _GAPPY.vocab_size - 1), max_size=20))
def test_any_ids_decode_or_are_refused(ids: list[int]) -> None:
    try:
        data = _GAPPY.decode(np.array(ids, dtype=np.int32))
    except CorruptError:
        return
    assert len(data) <= sum(len(_GAPPY.table[id_]) for id_ in ids) + len(ids)


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ([-1], "outside the vocabulary"),
        ([_GAPPY.vocab_size], "outside the vocabulary"),
        (_GAPPY.encode(b"\xff")[:-1].tolist(), "cut off"),
        ([0, 0, 1, 1, 1, 1, 1], "malformed"),
    ],
)
def test_broken_ids_are_refused(ids: list[int], reason: str) -> None:
    with pytest.raises(CorruptError, match=reason):
        _GAPPY.decode(np.array(ids, dtype=np.int32))


def test_special_token_in_coded_text_is_refused() -> None:
    tokenizer = ByteTokenizer(tokenizer_json("full_byte_level"))
    with pytest.raises(CorruptError, match="special token"):
        tokenizer.decode(np.array([0], dtype=np.int32))


@given(st.binary(max_size=200), st.integers(4, 40))
def test_pieces_are_balanced_and_decode_by_themselves(data: bytes, n_tokens: int) -> None:
    ids = _GAPPY.encode(data)
    pieces = _GAPPY.split(ids, n_tokens)
    assert b"".join(_GAPPY.decode(piece) for piece in pieces) == data
    assert np.array_equal(np.concatenate([np.zeros(0, np.int32), *pieces]), ids)
    sizes = [piece.size for piece in pieces]
    assert not sizes or (min(sizes) >= 1 and max(sizes) <= n_tokens)
    assert not sizes or max(sizes) - min(sizes) <= 2 * 4


def test_piece_too_small_for_an_escape_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold"):
        _GAPPY.split(_GAPPY.encode(b"\xff"), 1)


def test_what_fits_is_one_piece_though_no_escape_would() -> None:
    (piece,) = _GAPPY.split(_GAPPY.encode(b"a"), 1)
    assert _GAPPY.decode(piece) == b"a"


@pytest.mark.parametrize("text", [b"", b"text", b"\x04", b"a\xff\xffb\x04", "naïve\n".encode()])
def test_lengths_come_to_the_text(text: bytes) -> None:
    ids = _GAPPY.encode(text)
    lengths = _GAPPY.lengths(ids)
    assert lengths.shape == ids.shape
    assert lengths.sum() == len(text)
    for stop in range(len(ids) + 1):
        if stop == len(ids) or lengths[stop - 1 : stop].all():
            assert len(_GAPPY.decode(ids[:stop])) == lengths[:stop].sum()


def test_fingerprint_is_of_what_decoding_depends_on() -> None:
    full = json.loads(tokenizer_json("full_byte_level"))
    prints = ByteTokenizer(json.dumps(full)).fingerprint_bytes()
    assert ByteTokenizer(json.dumps(full, indent=1)).fingerprint_bytes() == prints
    vocab = full["model"]["vocab"]
    vocab["a"], vocab["b"] = vocab["b"], vocab["a"]
    assert ByteTokenizer(json.dumps(full)).fingerprint_bytes() != prints


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"model": {}}'])
def test_what_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(ModelDamagedError, match=r"tokenizer\.json cannot be read"):
        ByteTokenizer(text)


def test_unloadable_merges_are_refused_in_one_line() -> None:
    spec = json.loads(tokenizer_json("full_byte_level"))
    spec["model"]["merges"] = [["no such", "tokens"]]
    with pytest.raises(ModelDamagedError) as caught:
        ByteTokenizer(json.dumps(spec)).encode(b"text")
    assert "\n" not in str(caught.value)


def test_tokenizers_that_lose_text_are_refused() -> None:
    word_piece = {"type": "WordPiece", "vocab": {"a": 0}}
    plain = {"pre_tokenizer": {"type": "Whitespace"}, "decoder": None}
    for text in (changed("few_bytes", model=word_piece), changed("few_bytes", **plain)):
        with pytest.raises(ModelUnsupportedError, match="byte-level"):
            ByteTokenizer(text)


def test_missing_bytes_without_a_special_token_are_refused() -> None:
    with pytest.raises(ModelUnsupportedError, match="escape"):
        ByteTokenizer(changed("few_bytes", added_tokens=[_as_text("<|endoftext|>")]))


def _as_text(content: str) -> dict[str, object]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return {"id": 0, "content": content} | flags
