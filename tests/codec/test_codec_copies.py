"""Texts that repeat themselves, in whatever they are written and however they are wrapped."""

from __future__ import annotations

import io
import random
import tarfile
from dataclasses import replace

import pytest
from codec_samples import FakeModel, decode, foretold
from hypothesis import given, settings
from hypothesis import strategies as st

from llmzip.codec import encode_stream, resume_encoding
from llmzip.codec.copying import finding_copies
from llmzip.codec.levels import LEVELS, Copies, Level
from llmzip.container import Kind, Reader, Wave
from llmzip.layout.copies import CopyFinder
from llmzip.layout.earlier import Reread

SMALL = replace(LEVELS[5], group_bytes=4000, target_tokens=200)


@pytest.fixture(scope="module")
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def encode(model: FakeModel, text: bytes, level: Level = SMALL, *, is_piped: bool = False) -> bytes:
    sink, source = io.BytesIO(), io.BytesIO(text)
    find_copies = finding_copies(level, source=None if is_piped else source)
    encode_stream(source, sink, model.open_to_encode, level, find_copies=find_copies)
    return sink.getvalue()


def mixture(model: FakeModel, seed: int) -> bytes:
    """Return pieces of many kinds, cut anywhere, some of them again and again."""
    chance = random.Random(seed)
    text = foretold(model, 700)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for number in range(3):
            info = tarfile.TarInfo(f"folder/{number}.txt")
            info.size = 600 + 7 * number
            tar.addfile(info, io.BytesIO(text[number * 500 :]))
    kinds = [
        text,
        text.decode().encode("utf-16-le"),
        "Größe und Übermaß, überall gleich schön. ".encode() * 30,
        chance.randbytes(3000),
        bytes(2500),
        archive.getvalue(),
    ]
    made = b""
    for _ in range(8):
        kind = chance.choice(kinds)
        start = chance.randrange(len(kind))
        made += kind[start : start + chance.randrange(1, 3000)]
    return made


@pytest.mark.parametrize("seed", range(12))
def test_mixtures_come_back(model: FakeModel, seed: int) -> None:
    text = mixture(model, seed)
    packed = encode(model, text)
    assert decode(model, packed) == text
    assert encode(model, text, is_piped=True) == packed
    assert decode(model, encode(model, text, SMALL.independent())) == text


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([900, 1200, 9000]), st.integers(1, 9500), st.integers(0, 2)),
        max_size=5,
    ),
    st.sampled_from([3000, 40_000]),
    st.sampled_from([LEVELS[5], LEVELS[5].independent()]),
)
def test_looking_first_whether_there_may_be_any_changes_no_copy(
    pieces: list[tuple[int, int, int]], group_bytes: int, level: Level
) -> None:
    sources = [random.Random(seed).randbytes(10_000) for seed in range(3)]
    text = b"".join(sources[which][at : at + n] for n, at, which in pieces)
    groups = [text[at : at + group_bytes] for at in range(0, len(text), group_bytes)]
    find_copies = finding_copies(level, source=io.BytesIO(text))

    independent = level.copies is not Copies.ACROSS
    finder = CopyFinder(Reread(io.BytesIO(text)), independent=independent)
    by_finder = [finder.feed(group) for group in groups]

    assert [list(find_copies(group)) for group in groups] == by_finder


def test_what_was_there_costs_next_to_nothing(model: FakeModel) -> None:
    text = random.Random(1).randbytes(9000)
    once, twice = encode(model, text), encode(model, text + text)
    assert len(twice) < len(once) + 200
    assert decode(model, twice) == text + text
    n_copied = sum(
        chunk.n_bytes
        for record in Reader(io.BytesIO(twice))
        if isinstance(record, Wave)
        for chunk in record.chunks
        if chunk.kind is Kind.LAYOUT
    )
    assert n_copied > len(text) - 600


def test_a_run_that_was_broken_off_finds_the_same_copies(model: FakeModel) -> None:
    text = foretold(model, 1500) * 2
    packed = encode(model, text)
    for n_bytes in range(0, len(packed), len(packed) // 5):
        unfinished, source = io.BytesIO(), io.BytesIO(text)
        unfinished.write(packed[:n_bytes])
        find_copies = finding_copies(SMALL, source=source)
        resume_encoding(source, unfinished, model.open_to_encode, SMALL, find_copies=find_copies)
        assert unfinished.getvalue() == packed
