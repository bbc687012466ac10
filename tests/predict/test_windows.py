"""Windows: what the model sees when a chunk is longer than its window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmzip.predict.windows import Window

BOS = -1


@st.composite
def windows(draw: st.DrawFn) -> Window:
    size = draw(st.integers(1, 40))
    return Window(size, draw(st.integers(0, size // 2)), BOS)


@given(window=windows(), n_tokens=st.integers(1, 200))
def test_encoder_and_decoder_cut_alike(window: Window, n_tokens: int) -> None:
    """The inputs by which a chunk is cut are those by which it is fed token by token."""
    ids = np.arange(n_tokens, dtype=np.int64)
    n_predicted = 0
    for inputs, n_context in window.cut(ids):
        for row in range(n_context, len(inputs)):
            seen = ids[:n_predicted]
            assert (window.inputs(seen) == inputs[: row + 1]).all()
            assert window.begins(len(seen)) == (row == n_context)
            n_predicted += 1
    assert n_predicted == n_tokens


@given(window=windows(), n_seen=st.integers(0, 500))
def test_the_window_is_never_longer_than_the_model_allows(window: Window, n_seen: int) -> None:
    inputs = window.inputs(np.arange(n_seen, dtype=np.int64))
    assert 1 <= len(inputs) <= window.size
    assert inputs[0] == BOS


@given(window=windows(), n_seen=st.integers(0, 500))
def test_a_window_shows_the_tokens_just_before(window: Window, n_seen: int) -> None:
    """All of them while they fit, and at least what is carried over from then on."""
    inputs = window.inputs(np.arange(n_seen, dtype=np.int64))
    shown = len(inputs) - 1
    assert (inputs[1:] == np.arange(n_seen - shown, n_seen)).all()
    assert shown >= min(n_seen, window.carry)
    if n_seen < window.size:
        assert shown == n_seen


@given(window=windows(), n_seen=st.integers(0, 500))
def test_between_beginnings_a_window_grows_by_the_token_found(window: Window, n_seen: int) -> None:
    seen = np.arange(n_seen + 1, dtype=np.int64)
    if not window.begins(n_seen + 1):
        before = window.inputs(seen[:-1])
        assert (window.inputs(seen) == np.append(before, n_seen)).all()


@pytest.mark.parametrize(
    ("asked", "n_positions", "expected"),
    [
        ((1024, 512), 8192, (1024, 512)),
        ((1024, 512), 128, (128, 64)),
        ((8, 7), 128, (8, 4)),
        ((1, 1), 128, (1, 0)),
    ],
)
def test_a_window_is_cut_to_what_the_model_has(
    asked: tuple[int, int], n_positions: int, expected: tuple[int, int]
) -> None:
    window = Window.fit(*asked, n_positions, BOS)
    assert (window.size, window.carry) == expected


@given(window=windows(), n_seen=st.lists(st.integers(0, 500), max_size=20))
def test_many_lanes_are_told_what_each_is(window: Window, n_seen: list[int]) -> None:
    many = np.array(n_seen, dtype=np.int64)
    assert window.starts_of(many).tolist() == [window.start_of(n) for n in n_seen]
    assert window.begin(many).tolist() == [window.begins(n) for n in n_seen]
