"""Which data is worth the model's time; and that whatever the guess, the runs are the data."""

from __future__ import annotations

import base64
import random
from itertools import pairwise

import pytest
from codec_samples import awkward, words
from hypothesis import given, settings
from hypothesis import strategies as st

from llmzip.codec.segment import BLOCK_BYTES, Fate, Run, plan_runs
from llmzip.encodings.detect import Found

NOISE = random.Random(3).randbytes(3 * BLOCK_BYTES)
TEXT = words(2 * BLOCK_BYTES)
TABLE = b"".join(bytes([n % 7, 0, 255, n * n % 11]) for n in range(6144))  # 24 KiB of records


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
    assert [run.fate for run in plan_runs(data)] == [Fate.MODEL]


@pytest.mark.parametrize(
    ("data", "fate"),
    [
        (NOISE[:BLOCK_BYTES], Fate.NOISE),
        (NOISE[:1000], Fate.NOISE),
        (b"a" * BLOCK_BYTES, Fate.REDUNDANT),
        (awkward()["gzip file"], Fate.NOISE),
        (bytes([1, 0, 8, 0, 1, 1, 0, 8]) * 200, Fate.BINARY),
        (TABLE, Fate.BINARY),
        (base64.encodebytes(NOISE)[:BLOCK_BYTES], Fate.DENSE),
        (NOISE[:1000].hex().encode(), Fate.DENSE),
        (bytes(100_000), Fate.RUN),
    ],
)
def test_what_is_no_text_does_not(data: bytes, fate: Fate) -> None:
    most = max(plan_runs(data), key=lambda run: run.stop - run.start)
    assert most.fate is fate
    assert most.stop - most.start > 0.9 * len(data)


def test_nothing_has_no_runs() -> None:
    assert plan_runs(b"") == []


def test_neighbours_of_one_fate_are_one_run() -> None:
    assert plan_runs(TEXT) == [Run(0, 2 * BLOCK_BYTES, Fate.MODEL)]
    fates = [run.fate for run in plan_runs(TEXT + NOISE + TEXT[:20_000])]
    assert fates == [Fate.MODEL, Fate.NOISE, Fate.MODEL]


@settings(max_examples=25)
@given(
    pieces=st.lists(
        st.sampled_from(
            [NOISE[:BLOCK_BYTES], NOISE[:777], TEXT[:BLOCK_BYTES], TEXT[:99], b"\0", bytes(9999)]
        ),
        max_size=5,
    )
)
def test_runs_cover_the_data_in_order_and_alternate(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    runs = plan_runs(data)
    assert [run.start for run in runs] == [0, *(run.stop for run in runs)][: len(runs)]
    assert (runs[-1].stop if runs else 0) == len(data)
    assert all(a.fate != b.fate for a, b in pairwise(runs))


def test_binary_data_within_a_text_is_told_apart_finely() -> None:
    data = TEXT[:4000] + TABLE + TEXT[:4000]
    first, middle, last = plan_runs(data)
    assert [first.fate, middle.fate, last.fate] == [Fate.MODEL, Fate.BINARY, Fate.MODEL]
    assert abs(first.stop - 4000) < 9
    assert abs(last.start - 4000 - len(TABLE)) < 9


def test_a_part_of_a_run_begins_within_a_character() -> None:
    wide = TEXT[:30_000].decode().encode("utf-16-le")
    (run,) = plan_runs(wide)
    assert run.found == Found("UTF-16LE", 0)
    assert run.part(7, 1000).found == Found("UTF-16LE", 1)
    assert run.part(8, 1000).found == Found("UTF-16LE", 0)
