"""Codewords: one for each message, the length included, next to nothing beyond its surprise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate, islice
from math import log2

from hypothesis import given
from hypothesis import strategies as st

from llmzip.messages.codewords import Path, Span

START = Span().narrowed(0, 255, 256)


def frequencies(tokens: Sequence[int], n_tokens: int = 40) -> list[int]:
    """Return those of the next token, others after each beginning, some of them very likely."""
    draw = random.Random(str(tokens))
    return [1 + int(2.0**28 * draw.random() ** 12) for _ in range(n_tokens)]


def encoded(tokens: Sequence[int]) -> tuple[bytes, float]:
    """Return a message's codeword, and its surprise in bits."""
    path, bits = Path(START), 0.0
    for at, token in enumerate(tokens):
        freq = frequencies(tokens[:at])
        path.go_on(sum(freq[:token]), freq[token], sum(freq))
        bits += log2(sum(freq) / freq[token])
    return path.codeword, bits


def decoded(codeword: bytes) -> list[int]:
    path, tokens = Path(START), list[int]()
    while path.codeword != codeword:
        freq = frequencies(tokens)
        target = path.span.target(codeword, sum(freq))
        ends = list(accumulate(freq))
        token = next(i for i, end in enumerate(ends) if end > target)
        path.go_on(ends[token] - freq[token], freq[token], ends[-1])
        tokens.append(token)
    return tokens


messages = st.lists(st.integers(0, 39), max_size=30)
likely = st.integers(0, 10**6).map(lambda seed: written(seed))


def written(seed: int) -> list[int]:
    """Return a message as the model would write it."""
    draw, tokens = random.Random(seed), list[int]()
    for _ in range(draw.randrange(60)):
        tokens += draw.choices(range(40), frequencies(tokens))
    return tokens


@given(st.one_of(messages, likely))
def test_a_message_comes_back(tokens: list[int]) -> None:
    assert decoded(encoded(tokens)[0]) == tokens


@given(st.binary(max_size=6).filter(lambda word: not word.startswith(b"\xff")))
def test_every_string_of_bytes_is_a_messages_codeword(codeword: bytes) -> None:
    assert encoded(decoded(codeword))[0] == codeword


def test_the_length_costs_less_than_half_a_byte() -> None:
    beyond = [8 * len(word) - bits for word, bits in (encoded(written(i)) for i in range(300))]
    assert sum(beyond) / len(beyond) < 4.0
    assert max(beyond) < 16.0


def test_the_empty_message_takes_nothing() -> None:
    assert encoded([])[0] == b""


@given(st.integers(0, 300), st.integers(1, 50), st.integers(351, 1000))
def test_codewords_are_all_there_are_in_order(low: int, width: int, whole: int) -> None:
    found = list(islice(Span(low, width, whole).codewords(), 60))
    assert found == sorted(set(found), key=lambda word: (len(word), word))
    longest = len(found[-1])
    all_of_two = [number.to_bytes(n) for n in range(3) for number in range(256**n)]
    within = [
        word
        for word in all_of_two
        if low << 8 * len(word) <= int.from_bytes(word) * whole < low + width << 8 * len(word)
    ]
    if longest > 2:
        assert [word for word in found if len(word) <= 2] == within


@given(st.one_of(messages, likely))
def test_each_beginning_takes_the_first_codeword_that_is_free(tokens: list[int]) -> None:
    """As FORMAT.md has it, and by looking at all of them, from the shortest on."""
    path, span, taken = Path(START), START, [next(START.codewords())]
    for at, token in enumerate(tokens):
        freq = frequencies(tokens[:at])
        step = sum(freq[:token]), freq[token], sum(freq)
        path.go_on(*step)
        span = span.narrowed(*step)
        taken.append(next(word for word in span.codewords() if word not in taken))
        assert path.codeword == taken[-1]


def test_a_long_message_takes_little_time() -> None:
    """Each token's search begins where the one before it ended; from the start it took minutes."""
    path, looked = Path(START), []
    for _ in range(1000):
        path.go_on(3, 1, 40)
        looked.append(path.shortest)
    assert looked == sorted(looked)
    assert looked[-1] > 600
