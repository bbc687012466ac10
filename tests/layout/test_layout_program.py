"""Programs of layouts: there and back, to the bytes that the document names, and no further."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from layout_samples import sample

from llmzip.errors import CorruptError
from llmzip.layout.program import (
    MAX_DISTANCE,
    MAX_OPS,
    MAX_PROGRAM_BYTES,
    Copy,
    Fill,
    Layout,
    Op,
    Supplied,
    Take,
    Tar,
    may_reach_before,
    pack_layout,
    supplied,
    unpack_layout,
)
from llmzip.layout.varints import pack_varints, unpack_varints

DOCUMENT = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text(encoding="utf-8")
EXAMPLE = Layout((3,), (Take(0, 3), Fill(0, 4), Copy(7, 3), Copy(3, 5)))
EVERY_OP = Layout(
    (10, 20, 300_000),
    (Take(0, 10), Fill(255, 5), Copy(MAX_DISTANCE, 7), Copy(3, 9), Tar(1, 3), Take(2, 300_000)),
)


def test_the_example_of_the_document_is_what_it_says() -> None:
    part = DOCUMENT[DOCUMENT.index("For example, `abc`, four zeros") :]
    part = part[: part.index("and the payload")]
    digits = [re.sub(r" {2,}.*", "", line.strip()) for line in part.splitlines() if "  " in line]
    assert bytes.fromhex("".join(digits)) == pack_layout(EXAMPLE)


@pytest.mark.parametrize("layout", [EXAMPLE, EVERY_OP, Layout((), (Fill(0, 1),))])
def test_a_layout_comes_back(layout: Layout) -> None:
    assert unpack_layout(pack_layout(layout)) == layout


def test_any_layout_comes_back() -> None:
    for seed in range(100):
        layout = sample(seed).layout
        assert unpack_layout(pack_layout(layout)) == layout


def test_columns_of_like_ops_are_small() -> None:
    copies = tuple(Copy(1_000_000 + i % 3, 100) for i in range(1000))
    assert len(pack_layout(Layout((), copies))) < 3 * 1000 + 10


@pytest.mark.parametrize("cut", [-1, 1])
def test_a_program_of_another_length_is_refused(cut: int) -> None:
    program = pack_layout(EXAMPLE)
    other = program[:cut] if cut < 0 else program + b"\0"
    with pytest.raises(CorruptError, match=r"too short for its fields|surplus bytes"):
        unpack_layout(other)


def program(streams: tuple[int, ...], *ops: Op) -> bytes:
    """Return a program of ops that need not be in range, with one op of each kind at most."""
    codes = [(Take, Fill, Copy, Tar).index(type(op)) for op in ops]
    fields = []
    for code in range(4):
        for op, own in zip(ops, codes, strict=True):
            if own == code:
                first, second = (getattr(op, name) for name in op.__slots__)
                fields += [2 * first if code == 2 else first, second]
    return pack_varints([len(streams), *streams, len(ops), *codes, *fields])


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (program((3,), Take(1, 3)), "cannot be: Take"),
        (program((3,), Take(0, 0)), "cannot be: Take"),
        (program((), Fill(256, 1)), "cannot be: Fill"),
        (program((), Fill(0, 0)), "cannot be: Fill"),
        (program((), Copy(0, 1)), "cannot be: Copy"),
        (program((), Copy(MAX_DISTANCE + 1, 1)), "cannot be: Copy"),
        (program((), Copy(1, 0)), "cannot be: Copy"),
        (program((3,), Tar(1, 1)), "cannot be: Tar"),
        (program((3,), Tar(0, 0)), "cannot be: Tar"),
        (program((0,), Fill(0, 1)), "streams that are empty"),
        (program((1 << 26, 1), Fill(0, 1)), "streams that are empty or too long"),
        (pack_varints([0, 0]), "unknown steps or none"),
        (pack_varints([0, 1, 4]), "unknown steps or none"),
        (pack_varints([0, MAX_OPS + 1]), "262,145 steps"),
        (pack_varints([65_537]), "65,537 streams"),
        (b"", "too short"),
        (b"\x80", "malformed number"),
        (b"\x80\x00", "malformed number"),
        (b"\xff" * 5 + b"\x01", "malformed number"),
        (bytes(MAX_PROGRAM_BYTES + 1), "4,194,305 bytes long"),
    ],
)
def test_what_cannot_be_is_refused(bad: bytes, words: str) -> None:
    with pytest.raises(CorruptError, match=words):
        unpack_layout(bad)


def test_what_would_be_refused_is_not_written() -> None:
    for op in (Take(0, 1), Fill(0, 0), Copy(MAX_DISTANCE + 1, 1), Copy(-1, 1), Tar(0, 1)):
        with pytest.raises(ValueError, match=r"cannot be|out of range"):
            pack_layout(Layout((), (op,)))


def test_varints_come_back() -> None:
    numbers = [0, 1, 127, 128, 16_383, 16_384, 2**28, 2**35 - 1]
    assert unpack_varints(pack_varints(numbers)).tolist() == numbers
    assert unpack_varints(b"").tolist() == []
    for bad in (-1, 2**35):
        with pytest.raises(ValueError, match="out of range"):
            pack_varints([bad])


def test_what_a_layout_supplies_is_told_apart() -> None:
    layout = Layout((3,), (Take(0, 3), Fill(0, 4), Copy(2, 7)))
    assert supplied(layout, 20) == Supplied(7, 4, 9)


def test_it_is_known_whether_a_group_stands_alone() -> None:
    assert not may_reach_before(Layout((3,), (Take(0, 3), Copy(3, 5))))
    assert may_reach_before(Layout((3,), (Take(0, 3), Copy(4, 5))))
    layouts = [sample(seed, b"").layout for seed in range(100)]
    plain = [one for one in layouts if not any(isinstance(op, Tar) for op in one.ops)]
    assert len(plain) > 20
    assert not any(map(may_reach_before, plain))
