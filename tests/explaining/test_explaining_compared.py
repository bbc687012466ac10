"""Token by token where they align: which tokens of two explanations stand for each other."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_samples import HOSTILE, explained, single_bytes, words

from llmzip.explaining import matching
from llmzip.explaining.comparing import compared, stretch_bits
from llmzip.explaining.explanation import Comparison, Explanation, Unscored
from llmzip.explaining.lcs import longest_common
from llmzip.explaining.matching import matched
from llmzip.explaining.places import token_ends

TEXTS = st.binary(max_size=40) | st.text("ab \n", max_size=60).map(str.encode)


def spans(one: Explanation, starts: np.ndarray) -> list[bytes]:
    """Return the bytes of each stretch."""
    ends, offsets = token_ends(one), one.tokens.offsets
    return [
        b"".join(one.data[offsets[k] : ends[k]] for k in range(i, j))
        for i, j in pairwise(starts.tolist())
    ]


def check(found: Comparison) -> None:
    """Check that stretches cover both, in order, and say the truth about what is aligned."""
    for one, starts in (found.first, found.first_starts), (found.second, found.second_starts):
        assert starts[0] == 0
        assert starts[-1] == one.tokens.ids.size
        assert (np.diff(starts) >= 0).all()
        assert starts.size == found.aligned.size + 1
    steps = np.diff(found.first_starts) + np.diff(found.second_starts)
    assert (steps > 0).all()
    texts = spans(found.first, found.first_starts), spans(found.second, found.second_starts)
    for mine, yours, aligned in zip(*texts, found.aligned, strict=True):
        only_one_reads = found.first.data == found.second.data and not (mine and yours)
        assert not aligned or mine == yours or only_one_reads


@given(TEXTS, TEXTS)
def test_different_texts_are_covered(first: bytes, second: bytes) -> None:
    check(compared(explained(first), explained(second)))
    check(compared(explained(first), explained(second, single_bytes, model="other")))


@given(TEXTS)
def test_one_text_by_two_models_aligns_fully_and_finely(data: bytes) -> None:
    found = compared(explained(data), explained(data, single_bytes, model="other"))
    check(found)
    assert found.aligned.all()
    assert found.aligned.size == len(words(data))


@given(TEXTS)
def test_a_text_aligns_with_itself_token_by_token(data: bytes) -> None:
    found = compared(explained(data), explained(data))
    assert found.aligned.all()
    assert (found.first_starts == np.arange(len(words(data)) + 1)).all()
    assert (found.second_starts == found.first_starts).all()


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_changed_byte_shows_where_it_is(data: bytes, draw: st.DataObject) -> None:
    ascii_data = bytes(byte % 128 for byte in data)
    place = draw.draw(st.integers(0, len(data) - 1))
    changed = bytearray(ascii_data)
    changed[place] ^= 1
    found = compared(explained(ascii_data, single_bytes), explained(bytes(changed), single_bytes))
    assert found.aligned.tolist() == [i != place for i in range(len(data))]
    assert (found.first_starts == found.second_starts).all()


def test_a_character_is_the_same_only_as_a_whole() -> None:
    found = compared(explained("漢".encode(), single_bytes), explained("漣".encode(), single_bytes))
    check(found)
    assert not found.aligned[0]


@pytest.mark.parametrize("data", [b"", b"\0\1\2"])
def test_texts_without_tokens(data: bytes) -> None:
    unscored = [Unscored(0, len(data), None)] if data else []
    none = explained(data, unscored=unscored)
    check(compared(none, none))
    check(compared(none, explained(b"some words")))
    check(compared(none, explained(data, single_bytes, model="reads it")))


def test_what_only_one_model_reads_is_aligned_with_nothing() -> None:
    part = explained(HOSTILE, unscored=[Unscored(0, 20, None)])
    found = compared(part, explained(HOSTILE, single_bytes, model="other"))
    assert found.first_starts[1] == 0
    assert found.second_starts[1] == 20


def test_bits_of_stretches_come_to_all_of_them() -> None:
    found = compared(explained(b"one two three"), explained(b"one too three four"))
    first, second = stretch_bits(found)
    assert first.sum() == pytest.approx(found.first.total_bits)
    assert second.sum() == pytest.approx(found.second.total_bits)
    assert first[~found.aligned].tolist() == [4.25, 0.0]


@given(st.lists(st.integers(0, 3), max_size=25), st.lists(st.integers(0, 3), max_size=25))
def test_no_common_subsequence_is_longer(first: list[int], second: list[int]) -> None:
    lengths = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, mine in enumerate(first):
        for j, yours in enumerate(second):
            one_less = max(lengths[i][j + 1], lengths[i + 1][j])
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if mine == yours else one_less
    pairs = longest_common(first, second)
    assert len(pairs) == lengths[-1][-1]
    check_pairs(np.array(first), np.array(second), np.array(pairs, dtype=np.int64).reshape(-1, 2))


@given(st.lists(st.integers(0, 40), max_size=90), st.lists(st.integers(0, 40), max_size=90))
def test_large_blocks_are_matched_in_order(first: list[int], second: list[int]) -> None:
    mine, yours = np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "_EXACT_CELLS", 16)
        patch.setattr(matching, "_RUNS", (3, 1))
        check_pairs(mine, yours, matched(mine, yours))


def check_pairs(first: np.ndarray, second: np.ndarray, pairs: np.ndarray) -> None:
    assert (np.diff(pairs, axis=0) > 0).all()
    assert (first[pairs[:, 0]] == second[pairs[:, 1]]).all()


def test_few_changes_in_a_long_text_are_found_fast() -> None:
    first = np.random.default_rng(1).zipf(1.3, 250_000).astype(np.int64) % 5000
    second = np.delete(first, np.arange(77, 250_000, 5000))
    begin_s = time.process_time()
    pairs = matched(first, second)
    assert time.process_time() - begin_s < 5
    assert len(pairs) == second.size


def test_a_long_text_that_repeats_itself_is_bounded() -> None:
    line = re.findall(".", "a line, and again ")
    numbers = np.array([ord(c) for c in line] * 3000, dtype=np.int64)
    second = np.delete(numbers, np.arange(77, numbers.size, 100))
    begin_s = time.process_time()
    check_pairs(numbers, second, matched(numbers, second))
    assert time.process_time() - begin_s < 10
