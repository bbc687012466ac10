"""Which data is worth the model's time; and that whatever the guess, the runs are the data."""

from __future__ import annotations

import base64
import random
from itertools import pairwise

import pytest
from codec_samples import awkward, words
from hypothesis import given
from hypothesis import strategies as st

from llmzip.codec.segment import BLOCK_BYTES, Run, plan_runs, suits_model

NOISE = random.Random(3).randbytes(3 * BLOCK_BYTES)
TEXT = words(2 * BLOCK_BYTES)


@pytest.mark.parametrize(
    "data",
    [
        words(500),
        words(BLOCK_BYTES),
        "道可道非常道。名可名非常名。".encode() * 20,
        "naïve café, déjà vu: a page of Latin-1 ".encode("latin-1") * 5,
        b"a line of code\r\n\tindented\r\n" * 3,
        b"\x1b[31mred\x1b[0m terminal output " * 4,
        b"\x01".join([b"4", b"17", b"yes", b"no", b"x"]) * 30,
        b"B\x08Bo\x08ol\x08ld\x08d and u\x08_n\x08_d\x08_e\x08_r\x08_ " * 9,
        b"page\x0cafter\x0cpage\x1drecord\x1efield\x1f" * 20,
        b"-" * 64,
        b" " * 200,
    ],
)
def test_text_goes_to_the_model(data: bytes) -> None:
    assert suits_model(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        NOISE[:BLOCK_BYTES],
        NOISE[:1000],
        bytes(5000),
        b"a" * BLOCK_BYTES,
        awkward()["gzip file"],
        awkward()["utf-16"],  # as it is: plan_runs finds the encoding
        bytes([1, 0, 8, 0, 1, 1, 0, 8]) * 200,
    ],
)
def test_what_is_no_text_does_not(data: bytes) -> None:
    assert not suits_model(data)


def test_base64_of_noise_is_text_still() -> None:
    assert suits_model(base64.b64encode(NOISE)[:BLOCK_BYTES])


def test_neighbours_of_one_fate_are_one_run() -> None:
    assert plan_runs(TEXT) == [Run(0, 2 * BLOCK_BYTES, True)]
    assert plan_runs(TEXT + NOISE + TEXT[:20_000]) == [
        Run(0, 2 * BLOCK_BYTES, True),
        Run(2 * BLOCK_BYTES, 5 * BLOCK_BYTES, False),
        Run(5 * BLOCK_BYTES, 5 * BLOCK_BYTES + 20_000, True),
    ]


@given(
    pieces=st.lists(
        st.sampled_from([NOISE[:BLOCK_BYTES], NOISE[:777], TEXT[:BLOCK_BYTES], TEXT[:99], b"\0"]),
        max_size=5,
    )
)
def test_runs_cover_the_data_in_order_and_alternate(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    runs = plan_runs(data)
    assert [run.start for run in runs] == [0, *(run.stop for run in runs)][: len(runs)]
    assert (runs[-1].stop if runs else 0) == len(data)
    assert all(a.for_model != b.for_model for a, b in pairwise(runs))


def test_binary_data_within_a_text_is_told_apart_finely() -> None:
    binary = bytes(range(256)) * 96  # 24 KiB, less than a block
    data = TEXT[:40_960] + binary + TEXT[:40_960]
    start, stop = 40_960, 40_960 + len(binary)
    assert plan_runs(data) == [
        Run(0, start, True),
        Run(start, stop, False),
        Run(stop, len(data), True),
    ]


def test_zeros_after_a_text_are_told_apart_where_they_are_many() -> None:
    assert plan_runs(TEXT[:8192] * 3 + bytes(65_536))[-1] == Run(24_576, 90_112, False)


def test_a_little_binary_data_stays_with_the_text() -> None:
    few = bytes(range(256)) * 12
    data = (TEXT[:9000] + few + b"\0" * 500) * 4
    assert plan_runs(data) == [Run(0, len(data), True)]
