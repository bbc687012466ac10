"""Which encoding a text seems to be in: right for a few sentences, nothing for what is no text."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foreign_texts import (
    CODECS,
    ENGLISH,
    FRENCH,
    GERMAN,
    JAPANESE,
    KOREAN,
    RUSSIAN,
    SIMPLIFIED,
    TEXTS,
    TRADITIONAL,
    written,
)
from llmzip.encodings.detect import Found, detect, is_plain, tells_nothing

NOISE = random.Random(11).randbytes(4096)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_sentence_is_enough(name: str) -> None:
    assert detect(written(name, 2)) == Found(name)
    assert detect(written(name, 30)) == Found(name)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_text_may_begin_anywhere(name: str) -> None:
    for n_cut in range(1, 4):
        cut = written(name, 4)[n_cut:]
        found = detect(cut)
        assert found is not None
        text = cut[found.n_before :].decode(CODECS[found.encoding], "replace")
        assert TEXTS[name] + "\n" + TEXTS[name] in text


@pytest.mark.parametrize(
    "text", [GERMAN, FRENCH, RUSSIAN, JAPANESE, SIMPLIFIED, TRADITIONAL, KOREAN]
)
def test_other_languages_in_wide_units(text: str) -> None:
    for codec in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        found = detect(text.encode(codec))
        assert found is not None
        assert found.encoding == codec.upper().replace("-LE", "LE").replace("-BE", "BE")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain text, nothing else " * 9,
        "größer, früher, 早上河面上有雾".encode() * 5,
        "größer, früher, 早上河面上有雾".encode()[1:] * 5,
        bytes(4096),
        bytes(range(256)) * 9,
        NOISE,
        b"one\0two\0three\0a/path/like/this\0" * 50,
        b"\x7fELF" + bytes(60) + NOISE[:500] + bytes(200),
        b"a few \xe9\xe8 only",
    ],
)
def test_what_is_utf_8_or_no_text_is_not_found(data: bytes) -> None:
    assert detect(data) is None


def test_a_few_rare_characters_do_not_matter() -> None:
    for codec in ("utf-16-le", "utf-16-be"):
        found = detect((ENGLISH + "\u9f98\u4dbf\ud7a0\u9f49").encode(codec))
        assert found == Found(codec.upper().replace("-LE", "LE").replace("-BE", "BE"))


CHANCE = np.random.default_rng(12)
NUMBERS: dict[str, NDArray[Any]] = {
    "float16, whole": np.arange(300, dtype=np.float16),
    "float16": (CHANCE.normal(size=3000) * 100).astype(np.float16),
    "float32": CHANCE.normal(size=3000).astype(np.float32),
    "as many as ideographs": CHANCE.integers(0x4E00, 0x9FFF, 3000).astype(np.uint16),
    "as many as letters": (1000 + CHANCE.normal(size=3000) * 30).astype(np.int16),
    "bytes": CHANCE.integers(0, 256, 3000).astype(np.int16),
    "counting": np.arange(3000, dtype=np.uint32),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_no_text(kind: str) -> None:
    """Those of 16 and 32 bits are what text in such units looks like."""
    for numbers in (NUMBERS[kind], NUMBERS[kind].byteswap()):
        assert detect(numbers.tobytes()) is None


def test_separators_do_not_matter() -> None:
    assert detect(written("WINDOWS-1252", 3).replace(b" ", b"\x01")) == Found("WINDOWS-1252")
    assert detect(written("KOI8-R", 3).replace(b" ", b"\x1b[0m")) == Found("KOI8-R")


def test_plain_text_may_be_cut_within_characters() -> None:
    text = "早上河面上有雾，".encode()
    assert all(is_plain(text[start:stop]) for start in range(4) for stop in range(12, 20))
    assert not is_plain(text + b"\xff")
    assert not is_plain(text + b"\0")
    assert is_plain(b"")


def test_few_bytes_beyond_ascii_tell_nothing() -> None:
    assert tells_nothing(b"caf\xe9, th\xe9")
    assert not tells_nothing(b"\xe9" * 8)
    assert not tells_nothing(b"\0")
