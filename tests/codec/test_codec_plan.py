"""Groups as streams and a layout: what is joined; and that it always comes to the same text."""

from __future__ import annotations

import random
import time

import pytest
from codec_samples import words
from hypothesis import given, settings
from hypothesis import strategies as st

import tar_samples
from llmzip.codec.plan import plan_group
from llmzip.layout.planned import Planned, Repeat
from llmzip.layout.program import Copy, Fill, Take, Tar
from llmzip.layout.text import Text
from llmzip.layout.weave import weave

NOISE = random.Random(3).randbytes(1 << 16)
TEXT = words(1 << 17)
FOREIGN = "Grüße aus Zürich, schöne Straße über die Brücke. ".encode("cp1252") * 400
WIDE = TEXT[:20_000].decode().encode("utf-16-le")
BEFORE = TEXT[-5000:]
"""What stands before the group."""


class Past:
    """What stands before the group, to be copied from."""

    def read(self, start: int, stop: int) -> Text:
        return Text(BEFORE[start:stop])


def plan(data: bytes, copies: list[Repeat] | None = None) -> Planned:
    """Return the plan of a group, which comes to it."""
    planned = plan_group(data, copies or [])
    content = b"".join(stream.data for stream in planned.streams)
    text: bytes | bytearray | memoryview = content
    if planned.layout is not None:
        assert planned.layout.streams == tuple(len(stream.data) for stream in planned.streams)
        text = weave(planned.layout, Text(content), len(data), len(BEFORE), Past()).data
    assert bytes(text) == data
    return planned


def kinds(planned: Planned) -> list[str]:
    """Return what each stream is, and how its ops are."""
    return ["model" if s.for_model else "headers" if s.is_headers else "" for s in planned.streams]


@pytest.mark.parametrize(
    "data",
    [
        TEXT,
        TEXT[:20],
        FOREIGN + FOREIGN[:9] + b".",
        WIDE + WIDE[:20] + "!".encode("utf-16-le"),
        b"0",
        TEXT.replace(b" ", b"\x01"),
        b"name,value\r\n" * 20 + TEXT[:3000].replace(b"\n", b"\r\n"),
        b"".join(b"18:%02d request %d took %d ms\n" % (n % 60, n, n * n % 977) for n in range(999)),
    ],
)
def test_a_text_is_one_stream_without_a_layout(data: bytes) -> None:
    planned = plan(data)
    assert planned.layout is None
    assert [stream.data for stream in planned.streams] == [data]


def test_texts_between_noise_are_joined() -> None:
    parts = [TEXT[:5000], NOISE[:9000], TEXT[5000:8000], NOISE[9000:15_000], TEXT[8000:9000]]
    planned = plan(b"".join(parts))
    text, noise = planned.streams
    assert text.for_model
    assert not noise.for_model
    assert abs(len(text.data) - 9000) < 50
    assert planned.layout is not None
    assert all(isinstance(op, Take) for op in planned.layout.ops)


def test_a_text_and_what_follows_it_need_no_layout() -> None:
    planned = plan(TEXT[:5000] + NOISE[:9000])
    assert planned.layout is None
    assert kinds(planned) == ["model", ""]


def test_texts_of_an_archive_are_joined_whatever_they_are_in() -> None:
    texts = [TEXT[n * 400 : n * 400 + 300 + n] for n in range(30)]
    files = [(tar_samples.member(f"{n}.txt"), text) for n, text in enumerate(texts)]
    data = tar_samples.archive(files, "gnu")
    planned = plan(data)
    assert kinds(planned) == ["headers", "model"]
    assert planned.streams[1].data == b"".join(texts)
    assert planned.layout is not None
    framing, contents, rest = planned.layout.ops
    assert framing == Tar(0, 30)
    assert contents == Take(1, len(planned.streams[1].data))
    assert isinstance(rest, Fill)


def test_files_of_an_archive_go_where_they_belong() -> None:
    contents = [TEXT[:700], NOISE[:800], b"", TEXT[700:900], FOREIGN, WIDE[:-1], WIDE, NOISE[:7]]
    files = [(tar_samples.member(f"{n}"), content) for n, content in enumerate(contents)]
    planned = plan(tar_samples.archive(files, "pax"))
    found = {stream.found and stream.found.encoding: stream.data for stream in planned.streams}
    assert found["WINDOWS-1252"] == FOREIGN
    assert found["UTF-16LE"] == WIDE[:-2] + WIDE


def test_crlf_texts_are_a_stream_of_their_own() -> None:
    other = TEXT.replace(b" ", b"\r\n")
    parts = [TEXT[:900], other[:900], TEXT[900:1800], other[900:1800]]
    files = [(tar_samples.member(f"{n}"), part) for n, part in enumerate(parts)]
    planned = plan(tar_samples.archive(files))
    assert kinds(planned) == ["headers", "model", "model"]


def test_nothing_but_zeros_is_nothing_but_a_step() -> None:
    planned = plan(bytes(1 << 20))
    assert planned.layout is not None
    assert planned.layout.ops == (Fill(0, 1 << 20),)
    assert not planned.streams


def test_copies_are_steps_and_headers_within_them_are_no_headers() -> None:
    files = [(tar_samples.member(f"{n}"), TEXT[n * 900 : n * 900 + 700]) for n in range(20)]
    once = tar_samples.archive(files)
    twice = plan(once + once, [Repeat(len(once), 2 * len(once), len(once))])
    assert twice.layout is not None
    assert twice.layout.ops[-1] == Copy(len(once), len(once))
    assert twice.streams == plan(once).streams


def test_copies_end_at_the_headers_that_they_do_not_hold() -> None:
    files = [(tar_samples.member(f"{n}"), TEXT[:3000]) for n in range(3)]
    data = tar_samples.archive(files)
    copies = [Repeat(start, start + 3000, 3584) for start in (512 + 3584, 512 + 2 * 3584)]
    longer = [Repeat(copy.start - 100, copy.stop + 200, 3584) for copy in copies]
    assert data[longer[1].start : longer[1].stop] != data[longer[0].start : longer[0].stop]
    planned = plan(data, copies)
    assert planned.layout is not None
    assert [op for op in planned.layout.ops if isinstance(op, Copy)] == [Copy(3584, 3000)] * 2
    assert planned.streams[1].data == TEXT[:3000]


PIECES = [
    TEXT[:900],
    TEXT[900:1000],
    NOISE[:700],
    NOISE[700:5000],
    bytes(900),
    FOREIGN,
    WIDE,
    WIDE[:-1],
    b"\xff",
    bytes(range(256)) * 3,
    tar_samples.archive([(tar_samples.member("a"), TEXT[:99]), (tar_samples.member("b"), WIDE)]),
    tar_samples.archive([(tar_samples.member("a"), b""), (tar_samples.member("b"), NOISE[:9])]),
    tar_samples.headers_of("gnu"),
]
steps = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.tuples(st.integers(1, 9000), st.integers(1, 3000)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(steps, st.integers(0, 700))
def test_any_group_comes_back(steps: list[bytes | tuple[int, int]], n_cut: int) -> None:
    data, copies = b"", []
    for step in steps:
        if isinstance(step, bytes):
            data += step
            continue
        distance = min(step[0], len(BEFORE) + len(data))
        start = len(data)
        for _ in range(step[1]):
            data += (BEFORE + data)[-distance:][:1]
        copies.append(Repeat(start, len(data), distance))
    stop = max(1, len(data) - n_cut)
    kept = [Repeat(c.start, min(c.stop, stop), c.distance) for c in copies if c.start < stop]
    plan(data[:stop], kept)


def test_planning_takes_little_time() -> None:
    begin_s = time.process_time()
    plan_group(TEXT * 16)
    assert time.process_time() - begin_s < 0.5  # 2 MiB
