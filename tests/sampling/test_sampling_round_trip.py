"""Bits become text, and the text bits; what was not written so is refused."""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_samples import tokenizer, walk

from llmzip.errors import LimitError, SamplingError
from llmzip.sampling import Rule, bits_of, payload_of, text_of_payload, text_of_seed
from llmzip.sampling.bits import seed_bits, unframed, whitened
from llmzip.sampling.walk import _tempered
from llmzip.tokens.table import CONTROLS

GOLDEN = "^_ wasw7 thi  the a n f b~ inF o[\\0 wasqi th by`POe at n\n0 be{ n in^"
"""What the fake predictor writes of b"payload"."""


def written(payload: bytes, seed: int = 0, prompt: str = "", rule: Rule | None = None) -> str:
    return text_of_payload(walk(prompt, rule), tokenizer(), payload, seed, None)


def read(text: str, seed: int = 0, prompt: str = "", rule: Rule | None = None) -> bytes:
    return payload_of(*bits_of(walk(prompt, rule), tokenizer(), text.encode()), seed)


def test_a_thousand_seeds_give_text_that_codes_back_to_their_bits() -> None:
    n_bytes = 0
    for seed in range(1000):
        text = text_of_seed(walk(), tokenizer(), seed, 4)
        bits, refusal = bits_of(walk(), tokenizer(), text.encode())
        assert (bits, refusal) == (seed_bits(seed, len(bits)), "")
        n_bytes += len(bits)
    assert n_bytes > 800


def test_a_hundred_payloads_come_back() -> None:
    chance = random.Random(1)
    for size in range(100):
        payload = chance.randbytes(size // 12)
        assert read(written(payload, size), size) == payload


@pytest.mark.parametrize("payload", [bytes(150), b"\xff" * 150, b"", b"\0", b"\xff"])
def test_zeros_and_ones(payload: bytes) -> None:
    assert read(written(payload)) == payload


@given(
    st.binary(max_size=12),
    st.integers(0, (1 << 64) - 1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    st.sampled_from(["0.5", "1", "1.3"]),
    st.integers(3, 12),
)
@settings(max_examples=15)
def test_whatever_it_is_written_with(
    payload: bytes, seed: int, prompt: str, temperature: str, top_k: int
) -> None:
    rule = Rule(Decimal(temperature), top_k)
    text = written(payload, seed, prompt, rule)
    assert read(text, seed, prompt, rule) == payload
    assert CONTROLS.isdisjoint(text)


def test_the_text_of_a_seed_stays_what_it_is() -> None:
    stream = "c1ed6c6e9b090ab04c15db5d0007d047accb342b14663fd7b7e7918eb5ed8f947a90a0f0b66800cd"
    assert seed_bits(0, 40).hex() == stream
    assert text_of_seed(walk(), tokenizer(), 1, 12) == "*=O b and ar!\n+v by on"
    assert written(b"payload") == GOLDEN


def test_what_was_not_written_so_is_refused_with_where() -> None:
    text = written(b"payload")
    for other in ("another prompt", "x"):
        with pytest.raises(SamplingError):
            read(text, prompt=other)
    with pytest.raises(SamplingError, match="holds no payload"):
        read(text, seed=1)
    with pytest.raises(SamplingError):
        read(text[: len(text) // 2])
    with pytest.raises(SamplingError, match=r"not have written ' t\\rhi .*at byte 8 \(line 1\)"):
        read(text[:10] + "\r" + text[10:])
    with pytest.raises(SamplingError, match="holds no payload"):
        read("")


def test_what_follows_does_not_matter() -> None:
    text = written(b"payload")
    assert read(text + "\r\0 and more") == b"payload"


def test_a_limit_is_kept() -> None:
    with pytest.raises(LimitError, match="100 bytes of the payload take more than 20 tokens"):
        text_of_payload(walk(), tokenizer(), bytes(100), 0, 20)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_frame_are_refused_or_hold_a_checksum(data: bytes) -> None:
    try:
        payload = unframed(data)
    except SamplingError:
        return
    assert len(data) >= len(payload) + 5


def test_whitening_twice_is_nothing() -> None:
    assert whitened(whitened(b"\0\0 payload", 3), 3) == b"\0\0 payload"
    assert whitened(b"", 3) == b""


def test_temperatures_are_powers_in_whole_numbers() -> None:
    weights = np.array([1 << 40, 1 << 39, 12345, 1], dtype=np.uint64)
    assert _tempered(weights, Decimal(1)) is weights
    assert _tempered(weights, Decimal(2)).tolist() == [1 << 32, 3037000499, 455098, 4095]
    assert _tempered(weights, Decimal("0.5")).tolist() == [1 << 32, 1 << 30, 1, 1]
