"""Texts that go on as they began: two numbers in the file, a layout to whoever reads it."""

from __future__ import annotations

import io

import pytest
from container_samples import SMOLLM2, Item, lm, lzma, read, stored
from hypothesis import given
from hypothesis import strategies as st

from llmzip.container import ADAPTIVE_OPTIONS, Chunk, Kind, Wave, Writer, chunk_checksum
from llmzip.layout.program import Copy, Fill, Layout, Op, Take, pack_layout


def file_of(text: bytes, ops: tuple[Op, ...], *items: Item) -> tuple[bytes, tuple[Chunk, ...]]:
    """Return a member of one group, and its chunks."""
    data = b"".join(own for _, own in items)
    program = pack_layout(Layout((len(data),) if data else (), ops))
    payload = chunk_checksum(program) + b"\0" + program
    chunks = (Chunk.layout(len(text) - len(data), text, payload), *(chunk for chunk, _ in items))
    sink = io.BytesIO()
    writer = Writer(sink, ADAPTIVE_OPTIONS)
    writer.model(SMOLLM2)
    writer.group(text=text)
    writer.wave(chunks, data)
    writer.finish()
    return sink.getvalue(), chunks


def chunks_in(file: bytes) -> tuple[Chunk, ...]:
    (wave,) = [record for record in read(file) if isinstance(record, Wave)]
    return wave.chunks


def repeated(data: bytes, skip: int, more: int) -> bytes:
    unit = data[skip:]
    return data + (unit * (more // len(unit) + 1))[:more]


@given(
    st.lists(
        st.builds(
            lambda make, data: make(data),
            st.sampled_from([stored, lm, lzma]),
            st.binary(min_size=3, max_size=9),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 2),
    st.integers(1, 300),
)
def test_the_same_chunks_come_back(items: list[Item], skip: int, more: int) -> None:
    data = b"".join(own for _, own in items)
    text = repeated(data, skip, more)
    ops = (Take(0, len(data)), Copy(len(data) - skip, more))
    file, chunks = file_of(text, ops, *items)
    assert file[3] >> 4 == 10
    assert chunks_in(file) == chunks
    is_lone = len(items) == 1 and items[0][0].kind is Kind.STORED
    assert (file[3] & 8 == 0) == is_lone


@pytest.mark.parametrize("n_bytes", [2, 1000, 1 << 24])
def test_a_run_is_a_byte_that_goes_on(n_bytes: int) -> None:
    file, chunks = file_of(b"7" * n_bytes, (Fill(ord("7"), n_bytes),))
    assert chunks_in(file) == chunks
    assert len(file) <= 17


@pytest.mark.parametrize(
    ("text", "ops", "data"),
    [
        (b"7", (Fill(ord("7"), 1),), b""),
        (b"aaaa", (Take(0, 1), Copy(1, 3)), b"a"),
        (b"abab.", (Take(0, 2), Copy(2, 2), Take(0, 1)), b"ab."),
        (b"ababa", (Take(0, 2), Copy(2, 2), Fill(97, 1)), b"ab"),
    ],
)
def test_other_layouts_are_written_as_they_are(
    text: bytes, ops: tuple[Op, ...], data: bytes
) -> None:
    file, chunks = file_of(text, ops, *([stored(data)] if data else []))
    assert file[3] >> 4 == 2
    assert chunks_in(file) == chunks
