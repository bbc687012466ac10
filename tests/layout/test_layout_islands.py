"""Text, binary data and runs are told apart at a grain of some hundred bytes."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmzip.layout import islands
from llmzip.layout.dense import find_dense
from llmzip.layout.islands import BINARY, RUN, TEXT, find_islands

NOISE = random.Random(4).randbytes(1 << 16)
WORDS = b"It was the best of times, it was the worst of times; it was the age of wisdom.\n" * 400
BASE64 = base64.encodebytes(NOISE[:3000])


def test_text_and_noise_that_alternate_are_told_apart_to_a_few_bytes() -> None:
    parts = [WORDS[:700], NOISE[:300], WORDS[700:1300], NOISE[300:900], WORDS[1300:1700]]
    found = find_islands(b"".join(parts))
    assert [what for _, _, what in found] == [TEXT, BINARY, TEXT, BINARY, TEXT]
    at = 0
    for part, (start, _, _) in zip(parts, found, strict=True):
        assert abs(start - at) <= 8
        at += len(part)


def test_zeros_between_texts_are_runs() -> None:
    found = find_islands(WORDS[:500] + bytes(300) + WORDS[500:900] + bytes(5000))
    assert found == [(0, 500, TEXT), (500, 800, RUN), (800, 1200, TEXT), (1200, 6200, RUN)]


@pytest.mark.parametrize(
    "text",
    [
        WORDS.replace(b" ", b"\x01"),
        WORDS.replace(b"best", b"\x1b[1mbest\x1b[0m"),
        WORDS.replace(b"e", b"e\x08e"),
        WORDS.replace(b"best", b"b\xe9st"),
        WORDS.replace(b"wisdom", b"\0"),
        ("道可道非常道。名可名非常名。" * 300).encode(),
        WORDS[:5000] + NOISE[:10] + WORDS[:5000],
    ],
)
def test_odd_bytes_within_a_text_are_part_of_it(text: bytes) -> None:
    assert find_islands(text) == [(0, len(text), TEXT)]


@pytest.mark.parametrize(
    "data",
    [
        NOISE,
        bytes([1, 0, 8, 0, 1, 1, 0, 8]) * 200,
        b"".join(n.to_bytes(4, "little") for n in range(3000)),
        b"\0\0".join([b"name", b"value", b"\x7f\x02\x03", b"field"]) * 100,
    ],
)
def test_binary_data_is_not_cut_for_short_strings(data: bytes) -> None:
    assert find_islands(data) == [(0, len(data), BINARY)]


@given(st.lists(st.sampled_from([WORDS[:90], NOISE[:99], bytes(70), b"\xff" * 600, b"x", b"\xc3"])))
def test_what_is_found_covers_all_and_runs_are_of_one_byte(parts: list[bytes]) -> None:
    data = b"".join(parts)
    found = find_islands(data)
    assert [start for start, _, _ in found] == [0, *(stop for _, stop, _ in found)][: len(found)]
    assert (found[-1][1] if found else 0) == len(data)
    assert all(len(set(data[a:b])) == 1 for a, b, what in found if what == RUN)


@given(
    st.lists(st.sampled_from([WORDS[:90], NOISE[:999], bytes(70), "道 é".encode(), b"\xff" * 300]))
)
def test_compiled_and_interpreted_the_same_is_found(parts: list[bytes]) -> None:
    data = b"".join(parts)
    interpreted = find_islands(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(islands, "_SHORT_BYTES", -1)
        assert find_islands(data) == interpreted


def test_base64_is_found_to_its_last_whole_line() -> None:
    mail = WORDS[:400] + b"\n" + BASE64 + b"\n--part--\n" + WORDS[:400]
    ((start, stop),) = find_dense(mail)
    assert start == 401
    assert 401 + len(BASE64) - 80 <= stop <= 401 + len(BASE64)


@pytest.mark.parametrize(
    "text",
    [WORDS, b"", b"x" * 2000, b"word" * 500, b"some_camelCase(identifier);" * 99, BASE64[:400]],
)
def test_words_are_no_base64(text: bytes) -> None:
    assert find_dense(text) == []


def test_one_long_line_of_base64_is_found() -> None:
    packed = base64.b64encode(NOISE[:900])
    page = b'<img src="data:image/png;base64,' + packed + b'">'
    assert find_dense(page) == [(32, 32 + len(packed))]
