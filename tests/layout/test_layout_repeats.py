"""Whether a text can repeat itself is told without a mistake that would lose a copy."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmzip.layout.repeats import has_repeat


@given(st.binary(max_size=300), st.integers(0, 300), st.sampled_from([1, 2, 8, 32]))
def test_all_windows_are_compared(data: bytes, start: int, n_bytes: int) -> None:
    text = data + data[start : start + n_bytes]
    windows = [text[at : at + n_bytes] for at in range(len(text) - n_bytes + 1)]
    assert has_repeat(text, n_bytes) == (len(set(windows)) < len(windows))


@pytest.mark.parametrize(("n_repeated", "may"), [(1023, False), (1024, True), (1025, True)])
def test_a_repeat_must_be_long_enough(n_repeated: int, may: bool) -> None:
    noise = random.Random(1).randbytes(5000)
    assert has_repeat(noise + noise[700 : 700 + n_repeated], 1024) is may
