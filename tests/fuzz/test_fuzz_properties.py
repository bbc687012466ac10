"""Properties of the rooms below the container: whatever the payload, a clean error or the truth."""

from __future__ import annotations

from dataclasses import replace

import rooms
from codec_samples import decode, encode, foretold
from document_fake import fake
from hypothesis import given
from hypothesis import strategies as st

from llmzip import mixing
from llmzip.codec.classical import decompress_lzma
from llmzip.codec.levels import plain
from llmzip.codec.lines import flags_of, restore
from llmzip.codec.spelling import take_spelling
from llmzip.container import Kind, Options
from llmzip.errors import CorruptError

assert rooms.TESTS.is_dir()


@given(st.binary(max_size=40), st.integers(1, 60))
def test_a_mixed_payload_is_refused_or_the_one_of_its_text(payload: bytes, n_bytes: int) -> None:
    try:
        text = mixing.decompress(payload, n_bytes)
    except CorruptError:
        return
    assert len(text) == n_bytes
    assert mixing.compress(text, 2 * n_bytes + 40) == payload


@given(st.binary(max_size=60), st.integers(1, 200))
def test_an_lzma_payload_is_refused_or_has_its_size(payload: bytes, n_bytes: int) -> None:
    # control bytes of chunks that are not compressed, so that some streams are whole
    for stream in (
        payload,
        b"\x01\0" + bytes([n_bytes - 1]) + payload.ljust(n_bytes)[:n_bytes] + b"\0",
    ):
        try:
            assert len(decompress_lzma(stream, n_bytes)) == n_bytes
        except CorruptError:
            assert stream is payload


@given(st.binary(max_size=20), st.lists(st.sampled_from([b"a", b"\n", b"\r"]), max_size=20))
def test_line_ends_are_refused_or_put_before_every_feed(payload: bytes, parts: list[bytes]) -> None:
    text = b"".join(parts)
    try:
        spelling, rest = take_spelling(Kind.LM_LINES, 100, payload)
        places = spelling.places
        assert places is not None
        restored = restore(text, flags_of(text, places))
    except CorruptError:
        return
    assert payload.endswith(rest)
    lines, found = text.split(b"\n"), restored.split(b"\n")
    bare = set(places)
    assert found == [
        line if i in bare or i == len(lines) - 1 else line + b"\r" for i, line in enumerate(lines)
    ]


@given(
    pieces=st.lists(st.one_of(st.binary(max_size=30), st.integers(1, 20)), max_size=6),
    chunk_tokens=st.integers(4, 40),
    learns=st.booleans(),
    group_bytes=st.integers(20, 200),
    n_lanes=st.integers(1, 5),
)
def test_any_bytes_come_back_whatever_the_layout(
    pieces: list[bytes | int], chunk_tokens: int, learns: bool, group_bytes: int, n_lanes: int
) -> None:
    """Numbers stand for so many tokens that the fake model foresees."""
    parts = [foretold(fake(), one) if isinstance(one, int) else one for one in pieces]
    level = plain(Options(chunk_tokens, 1024, 128, adaptive=learns))
    level = replace(level, group_bytes=group_bytes, n_lanes=n_lanes)
    data = b"".join(parts)
    assert decode(fake(), encode(fake(), data, level)) == data
