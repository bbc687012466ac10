"""What a layout comes to: as byte by byte, and no more than is known where something is lost."""

from __future__ import annotations

import tarfile
from random import Random

import pytest
from layout_samples import BLOCK, Sample, header, padded, sample, tar_of

from llmzip.errors import CorruptError
from llmzip.layout.history import History
from llmzip.layout.program import Copy, Fill, Layout, Op, Take, Tar
from llmzip.layout.text import Text
from llmzip.layout.weave import loans, weave

N_SAMPLES = 300


def past(data: bytes) -> History:
    history = History()
    history.append(data)
    return history


def woven(one: Sample) -> bytes:
    text = weave(one.layout, Text(one.content), len(one.text), len(one.before), past(one.before))
    assert text.is_whole
    return bytes(text.data)


@pytest.mark.parametrize("start", range(0, N_SAMPLES, 100))
def test_any_layout_comes_to_what_it_says(start: int) -> None:
    for seed in range(start, start + 100):
        one = sample(seed)
        assert woven(one) == one.text, seed


def test_the_samples_have_everything() -> None:
    layouts = [sample(seed).layout for seed in range(N_SAMPLES)]
    kinds = [{type(op) for op in layout.ops} for layout in layouts]
    assert sum(kind >= {Take, Fill, Copy, Tar} for kind in kinds) > 10
    assert any(not layout.streams for layout in layouts)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_real_tar_is_framed_by_one_op(form: int) -> None:
    files = {"one.txt": b"1" * 700, "long/" * 30 + "ü.txt": b"2" * 513, "none": b"", "last": b"3"}
    tar = tar_of(files, form)
    contents = b"".join(files.values())
    headers = tar
    for data in (data for data in files.values() if data):
        headers = headers.replace(padded(data), b"", 1)
    headers = headers.rstrip(b"\0") + bytes(-len(headers.rstrip(b"\0")) % BLOCK)
    n_end = len(tar) - len(headers) - sum(len(padded(data)) for data in files.values())
    layout = Layout(
        (len(headers), len(contents)), (Tar(0, len(files)), Take(1, len(contents)), Fill(0, n_end))
    )
    one = Sample(layout, headers + contents, b"", tar)
    assert woven(one) == tar


def refused(words: str, streams: list[bytes], n_bytes: int, *ops: Op, before: bytes = b"") -> None:
    layout = Layout(tuple(map(len, streams)), ops)
    with pytest.raises(CorruptError, match=words):
        weave(layout, Text(b"".join(streams)), n_bytes, len(before), past(before))


def test_what_does_not_come_out_even_is_refused() -> None:
    head, bad = header("a", 3), header("a", 3)[:124] + b"12x" + header("a", 3)[127:]
    refused("comes to 3 bytes instead of 4", [b"abc"], 4, Take(0, 3))
    refused("more than 2 bytes", [b"abc"], 2, Take(0, 3))
    refused("does not use all", [b"abc"], 2, Take(0, 2))
    refused("takes more than there is of stream 0", [b"abc"], 9, Take(0, 4))
    refused("not there", [], 3, Copy(4, 3), before=b"abc")
    refused("not there", [], 3, Copy(1, 3))
    refused("tar within a tar", [head * 2], 2 * BLOCK + 9, Tar(0, 1), Tar(0, 1))
    refused("before the headers", [head, b"ab"], BLOCK + 2, Tar(0, 2), Take(1, 2))
    refused("more than there is of stream 0", [head[:-1]], BLOCK, Tar(0, 1))
    refused("no size", [bad, b"abc"], 2 * BLOCK, Tar(0, 1), Take(1, 3))
    refused("comes to more", [head, b"abc"], 2 * BLOCK - 1, Tar(0, 1), Take(1, 3))
    endless = header("a", 1 << 80, b"L", base_256=True)
    refused("more than there is of stream 0", [endless], 1 << 20, Tar(0, 1))
    refused("comes to more", [], 1 << 20, Fill(0, 1 << 34))


def test_streams_must_be_all_that_is_there() -> None:
    with pytest.raises(CorruptError, match="streams of 3 bytes, and 2 are there"):
        weave(Layout((3,), (Take(0, 3),)), Text(b"ab"), 3, 0, History())


@pytest.mark.parametrize(
    ("field", "size"),
    [
        (b"00000000012\0", 10),
        (b"        12 \0", 10),
        (b"12\0\0\0\0\0\0\0\0\0\0", 10),
        (b"000000000012", 10),
        (b"\0" * 12, 0),
        (b" " * 12, 0),
        (b"\x80" + bytes(10) + b"\x0a", 10),
    ],
)
def test_sizes_are_read_as_tars_write_them(field: bytes, size: int) -> None:
    head = header("a", 0)[:124] + field + header("a", 0)[136:]
    streams = [head, b"x" * size] if size else [head]
    ops: tuple[Op, ...] = (Tar(0, 1), Take(1, size)) if size else (Tar(0, 1),)
    n_bytes = BLOCK + (BLOCK if size else 0)
    text = weave(
        Layout(tuple(map(len, streams)), ops), Text(b"".join(streams)), n_bytes, 0, past(b"")
    )
    assert bytes(text.data) == head + (padded(b"x" * size) if size else b"")


BAD_SIZES = [b"\xff" * 12, b"8" + b"0" * 11, b"-1\0" + bytes(9), b"\0x" + bytes(10)]


@pytest.mark.parametrize("field", BAD_SIZES)
def test_other_sizes_are_none(field: bytes) -> None:
    head = header("a", 0)[:124] + field + header("a", 0)[136:]
    if field[:1] == b"\0":  # it ends there
        assert weave(Layout((BLOCK,), (Tar(0, 1),)), Text(head), BLOCK, 0, past(b"")).is_whole
    else:
        refused("no size", [head], BLOCK, Tar(0, 1))


def test_what_is_known_of_a_damaged_group_is_right() -> None:
    n_known = n_bytes = 0
    for seed in range(N_SAMPLES):
        one, chance = sample(seed), Random(seed)
        if not one.content:
            continue
        start = chance.randrange(len(one.content))
        stop = min(len(one.content), start + chance.randrange(1, 30))
        damaged = bytearray(one.content)
        damaged[start:stop] = bytes(stop - start)
        content = Text(bytes(damaged), [(start, stop)])
        text = weave(one.layout, content, len(one.text), len(one.before), past(one.before))
        assert len(text.data) == len(one.text)
        is_lost = bytearray(len(one.text))
        for a, b in text.holes:
            is_lost[a:b] = b"\1" * (b - a)
        assert all(
            lost or own == right
            for lost, own, right in zip(is_lost, text.data, one.text, strict=True)
        )
        n_known += is_lost.count(0)
        n_bytes += len(one.text)
    assert n_known > 0.5 * n_bytes


def test_what_a_group_borrows_is_what_it_does_not_have() -> None:
    for seed in range(100):
        one = sample(seed)
        found, text = loans(one.layout, Text(one.content), len(one.text), len(one.before))
        for loan in found:
            n = loan.stop - loan.start
            assert one.before[loan.start : loan.stop] == one.text[loan.at : loan.at + n]
        for a, b in text.holes:
            assert found
            assert a < b
        if not found:
            assert bytes(text.data) == one.text
