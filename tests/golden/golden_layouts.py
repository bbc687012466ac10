"""Golden files of groups with layouts, made by hand: which program each has, and of what.

    python tests/golden/golden_layouts.py    # pins those that are not there yet

What is pinned stays, as with make.py.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layout"))

from bad_files import SUM, load, lone, table
from container_samples import by_hand, with_crc
from layout_samples import header, padded, tar_of

from llmzip import mixing
from llmzip.codec.classical import compress_lzma
from llmzip.codec.reference import reference_of
from llmzip.container import (
    ADAPTIVE_OPTIONS,
    DEFAULT_OPTIONS,
    Chunk,
    End,
    FileChecksum,
    GroupEntry,
    Options,
    Wave,
    Writer,
    bodies,
    chunk_checksum,
)
from llmzip.container.compact import Compact, pack_compact
from llmzip.container.limits import END_MARK, SIGNATURE
from llmzip.container.wire import frame, varint
from llmzip.layout.program import Copy, Fill, Layout, Take, Tar, pack_layout

FILES = Path(__file__).with_name("layouts")
REFERENCE = b"What both sides hold: the text before this one.\n"


@dataclass(frozen=True)
class Group:
    """A group: its text, and the chunks of each wave, stored. program: its layout's."""

    text: bytes
    waves: Sequence[Sequence[bytes]]
    program: bytes | None = None
    how: int = 0

    @property
    def layout(self) -> Chunk:
        assert self.program is not None
        n_supplied = len(self.text) - sum(len(data) for wave in self.waves for data in wave)
        return Chunk.layout(n_supplied, self.text, payload(self.program, self.how))


def payload(program: bytes, how: int = 0) -> bytes:
    """Return the payload of a layout, its program coded in one of the three ways."""
    start = chunk_checksum(program) + bytes([how])
    if how == 0:
        return start + program
    coded = compress_lzma(program) if how == 1 else mixing.compress(program, len(program))
    assert coded is not None
    return start + varint(len(program)) + coded


def laid(text: bytes, layout: Layout, *waves: Sequence[bytes], how: int = 0) -> Group:
    return Group(text, waves or [[]], pack_layout(layout), how)


@dataclass(frozen=True)
class Case:
    """A file. text: None where it must be refused, in the words that `says` ends with."""

    says: str
    file: bytes
    text: bytes | None
    reference: bytes | None = None
    portable: bool = True


def member(
    groups: Sequence[Group], options: Options = DEFAULT_OPTIONS, reference: bytes | None = None
) -> bytes:
    """Return a member of these groups, as the Writer writes it."""
    sink = io.BytesIO()
    writer = Writer(sink, options)
    if reference is not None:
        writer.reference(reference_of(io.BytesIO(reference)))
    for group in groups:
        writer.group(text=None if group.program is None else group.text)
        for number, wave in enumerate(group.waves):
            chunks = [Chunk.stored(data) for data in wave]
            if number == 0 and group.program is not None:
                chunks.insert(0, group.layout)
            writer.wave(chunks, b"".join(wave))
    writer.finish()
    return sink.getvalue()


EVERY = Layout(
    (6, 5), (Take(0, 4), Fill(0, 3), Copy(7, 5), Take(1, 5), Copy(2, 9), Take(0, 2), Fill(255, 1))
)
EVERY_TEXT = b"abcd\0\0\0abcd\0-----" + b"-" * 9 + b"ef\xff"
ONE_OF_EACH = laid(EVERY_TEXT, EVERY, [b"abcdef", b"-----"])


def _tar_group() -> tuple[Group, bytes]:
    """A tar of a folder, a link, an empty file, a long name and a base-256 size, whole."""
    long = header("././@LongLink", 120, b"L") + padded(b"n" * 119 + b"\0")
    pax = header("pax", 30, b"x") + padded(b"30 comment=says something new\n")
    heads = [
        header("folder/", 0, b"5"),
        header("link", 9, b"2"),
        long + header("long", 700),
        header("empty", 0),
        pax + header("large", 512, base_256=True),
    ]
    first, second = b"a" * 300 + b"b" * 400, b"c" * 512
    text = heads[0] + heads[1] + heads[2] + padded(first) + heads[3] + heads[4] + second
    text += bytes(1024)
    headers, n = b"".join(heads), len(b"".join(heads))
    layout = Layout((n, 900), (Tar(0, 5), Take(1, 900), Copy(200, 312), Fill(0, 1024)))
    return laid(text, layout, [headers, first + second[:200]]), text


def _unfinished() -> tuple[list[Group], bytes]:
    """A tar whose file goes on in the next group, which begins with the rest of it."""
    data = bytes(range(1, 251)) * 4
    text = tar_of({"one": data, "two": b"2" * 10})
    head, cut = text[:512], 512 + 600
    second_header = text[512 + 1024 : 512 + 1024 + 512]
    first = laid(
        text[:cut],
        Layout((512, 250), (Tar(0, 1), Take(1, 250), Copy(250, 350))),
        [head, data[:250]],
    )
    rest = len(text) - cut - 400 - 24 - 512 - 512
    second = laid(
        text[cut:],
        Layout((10, 512), (Copy(500, 400), Fill(0, 24), Tar(1, 1), Take(0, 10), Fill(0, rest))),
        [b"2" * 10, second_header],
    )
    return [first, second], text


def _good() -> dict[str, Case]:
    tar, tar_text = _tar_group()
    halves, halves_text = _unfinished()
    plain = Group(b"plain text before. ", [[b"plain text "], [b"before. "]])
    chain = [
        plain,
        laid(b"plain text!", Layout((1,), (Copy(19, 10), Take(0, 1))), [b"!"]),
        laid(b"text!text!text! t", Layout((), (Copy(5, 15), Copy(40, 2)))),
    ]
    chain_text = b"".join(group.text for group in chain)
    waves = laid(
        b"one two three one two three",
        Layout((4, 9), (Take(0, 4), Take(1, 9), Fill(32, 1), Copy(14, 13))),
        [b"one "],
        [b"two th", b"re"],
        [b"e"],
    )
    nothing = laid(bytes(1 << 12), Layout((), (Fill(0, 1 << 12),)))
    named = [Chunk.stored(b"name,"), Chunk.stored(b"1,2;")]
    rows = b"name," + b"1,2;" * 100 + b"1"
    going_on = Layout((9,), (Take(0, 9), Copy(4, 397)))
    many = Layout((400,), tuple(op for i in range(200) for op in (Take(0, 2), Fill(i % 3, 5))))
    many_text = b"".join(b"xy" + bytes([i % 3]) * 5 for i in range(200))
    start = REFERENCE.index(b"hold")
    distance = len(REFERENCE) - start
    text = b"hold: this hold"
    group = laid(
        text, Layout((5,), (Copy(distance, 6), Take(0, 5), Copy(distance + 11, 4))), [b"this "]
    )
    return {
        "good-every-op": Case("every op but a tar, compact", member([ONE_OF_EACH]), EVERY_TEXT),
        "good-every-op-learning": Case(
            "the same in version 2", member([ONE_OF_EACH], ADAPTIVE_OPTIONS), EVERY_TEXT
        ),
        "good-tar": Case("a tar with all kinds of headers", member([tar]), tar_text),
        "good-tar-unfinished": Case(
            "a tar that goes on in the next group", member(halves), halves_text
        ),
        "good-chain": Case("copies of copies, across groups", member(chain), chain_text),
        "good-chain-learning": Case(
            "the same in version 2", member(chain, ADAPTIVE_OPTIONS), chain_text
        ),
        "good-waves": Case("content in three waves", member([waves]), waves.text),
        "good-nothing": Case("a run, and no content", plainly(nothing), nothing.text),
        "good-run": Case("a run, as a lone byte that goes on", member([nothing]), nothing.text),
        "good-goes-on": Case(
            "two bytes that go on, learning",
            member(
                [laid(b"yes" * 99, Layout((3,), (Take(0, 3), Copy(3, 294))), [b"yes"])],
                ADAPTIVE_OPTIONS,
            ),
            b"yes" * 99,
        ),
        "good-goes-on-later": Case(
            "two chunks, the second of which goes on",
            by_force([Chunk.layout(397, rows, payload(pack_layout(going_on))), *named], rows),
            rows,
        ),
        "good-members": Case(
            "two members, each with a past of its own", member(chain) * 2, chain_text * 2
        ),
        "good-reference": Case(
            "copies from a reference", member([group], reference=REFERENCE), text, REFERENCE
        ),
        "good-program-lzma": Case(
            "a program in LZMA",
            member([laid(many_text, many, [b"xy" * 200], how=1)]),
            many_text,
            portable=False,
        ),
        "good-program-mixed": Case(
            "a mixed program", member([laid(many_text, many, [b"xy" * 200], how=2)]), many_text
        ),
    }


def by_force(chunks: Sequence[Chunk], text: bytes) -> bytes:
    """Return a compact member of any chunks, all sums right but those of the layout."""
    whole = FileChecksum()
    whole.update(text)
    return pack_compact(Compact(DEFAULT_OPTIONS, None, Wave(tuple(chunks)), whole.digest()[:4]))


def plainly(group: Group) -> bytes:
    """Return a compact member of nothing but a layout that is written out."""
    head = b"\x20" + bodies.pack_sizes(group.layout)
    return table(0x18, b"\1", head, group.layout.checksum, payload=group.layout.payload)


def goes_on(more: int, skip: int, *, form: int = 0x91, chunk: bytes = b"ab") -> bytes:
    """Return a lone chunk that goes on, both sums of what they are sums of."""
    text = chunk + (chunk[skip:] * (more + 1))[:more]
    head = varint(more) + varint(skip) + varint(len(chunk)) + chunk_checksum(text)
    return lone(form, head, chunk)


def _bad_repetitions() -> dict[str, Case]:
    head = bodies.pack_sizes(Chunk.layout(4, b"abab", payload(b"\1")))
    in_table = b"\1\0\1" + b"\x20" + head + chunk_checksum(b"abab")
    return {
        "bad-goes-on-not": Case("goes on for no bytes", goes_on(0, 0), None),
        "bad-goes-on-nothing": Case("that it does not have", goes_on(3, 2), None),
        "bad-goes-on-bomb": Case(
            "of more than 64 MiB", lone(0x91, varint((1 << 26) - 1) + b"\0\2" + SUM, b"ab"), None
        ),
        "bad-goes-on-layout": Case(
            "a layout that goes on", table(0x98, in_table, payload=payload(b"\1")), None
        ),
        "bad-goes-on-sum": Case("fails its checksum", lone(0x91, b"\3\0\2" + SUM, b"ab"), None),
        "bad-goes-on-kind": Case("not known here", goes_on(3, 0, form=0x93), None),
        "bad-goes-on-records": Case("not known here", SIGNATURE + b"\x90" + bytes(9), None),
    }


def _bent(says: str, program: bytes, content: bytes, text: bytes, n_bytes: int) -> Case:
    """A file whose layout comes with a program that need not be one."""
    layout = Chunk.layout(n_bytes, text, payload(program))
    chunks = [layout, *([Chunk.stored(content)] if content else [])]
    return Case(says, by_force(chunks, text), None)


def _bad() -> dict[str, Case]:
    good = pack_layout(EVERY)
    content, text = b"abcdef-----", EVERY_TEXT
    n = len(text) - len(content)
    layout = Chunk.layout(n, text, payload(good))
    wrong_sum = Chunk.layout(n, text[::-1], payload(good))
    wrong_program = Chunk.layout(n, text, b"\0\0\0\0\0" + good)
    unknown = Chunk.layout(n, text, chunk_checksum(good) + b"\3\1" + good)
    claims = Chunk.layout(n, text, chunk_checksum(good) + b"\1" + varint(1 << 22) + good)
    stored = Chunk.stored(content)
    head = header("a", 3)
    tar = head + padded(b"abc")
    broken = head[:124] + b"nine" + head[128:]
    in_tar = pack_layout(Layout((512, 3), (Tar(0, 1), Take(1, 3))))
    two_tars = pack_layout(Layout((1024, 3), (Tar(0, 1), Tar(0, 1), Take(1, 3))))
    missing = pack_layout(Layout((512, 3), (Tar(0, 2), Take(1, 3))))
    beyond = pack_layout(Layout((2,), (Take(0, 2), Copy(3, 2))))
    longer = pack_layout(Layout((2,), (Take(0, 2), Fill(0, 3))))
    unused = pack_layout(Layout((2,), (Take(0, 1), Fill(0, 2))))
    return {
        "bad-sum": Case("fails its checksum", by_force([wrong_sum, stored], text), None),
        "bad-program-sum": Case(
            "layout of a group fails its checksum", by_force([wrong_program, stored], text), None
        ),
        "bad-program-coding": Case(
            "coded in an unknown way, 3", by_force([unknown, stored], text), None
        ),
        "bad-program-claim": Case(
            "program claims to be 4,194,304 bytes long", by_force([claims, stored], text), None
        ),
        "bad-program-surplus": _bent("surplus bytes", good + b"\0", content, text, n),
        "bad-program-cut": _bent("too short for its fields", good[:-1], content, text, n),
        "bad-program-overlong": _bent("malformed number", b"\x80\0", content, text, n),
        "bad-distance": _bent("not there", beyond, b"ab", b"abab", 2),
        "bad-longer": _bent("comes to more than 4 bytes", longer, b"ab", b"abab", 2),
        "bad-shorter": _bent("comes to 5 bytes instead of 6", longer, b"ab", b"ababab", 4),
        "bad-unused": _bent("does not use all", unused, b"ab", b"aba", 1),
        "bad-streams": Case(
            "fewer chunks than its layout takes",
            by_force([layout, Chunk.stored(b"abc")], text),
            None,
        ),
        "bad-surplus-chunk": Case(
            "more chunks than its layout takes",
            by_force([layout, stored, Chunk.stored(b"x")], text),
            None,
        ),
        "bad-tar-size": _bent("has no size", in_tar, broken + b"abc", tar, 509),
        "bad-tar-in-tar": _bent("a tar within a tar", two_tars, head * 2 + b"abc", tar * 2, 1533),
        "bad-tar-missing": _bent("more than there is of stream", missing, head + b"abc", tar, 509),
        "bad-reference-missing": Case(
            "made from another one of 48 bytes", _good()["good-reference"].file, None
        ),
        "bad-reference-other": Case(
            "than the one given", _good()["good-reference"].file, None, REFERENCE[:-1] + b"!"
        ),
        "bad-past-group": Case("not there", _past_the_start(), None),
    }


def _past_the_start() -> bytes:
    """A second group that copies from one byte before the member."""
    first, text = b"first", b"f"
    layout = Chunk.layout(1, text, payload(pack_layout(Layout((), (Copy(6, 1),)))))
    parts: list[tuple[int, bytes] | bytes] = []
    offsets, at = [], len(by_hand())
    for chunk in (Chunk.stored(first), layout):
        offsets.append(at)
        body = chunk.payload
        parts += [(2, b"\0"), (3, bodies.pack_wave([chunk])), with_crc(body)]
        at = len(by_hand(*parts))
    whole = FileChecksum()
    whole.update(first + text)
    groups = [GroupEntry(offsets[0], 5), GroupEntry(offsets[1], 1)]
    end = frame(4, bodies.pack_end(End(6, whole.digest(), groups), at))
    return by_hand(*parts) + end + len(end).to_bytes(4, "little") + END_MARK


CASES: dict[str, Case] = {**_good(), **_bad(), **_bad_repetitions()}


def path_of(name: str) -> Path:
    """Return where a file lies."""
    return FILES / f"{name}.hex"


def pinned(name: str) -> bytes:
    """Return a file as it was pinned."""
    return load(path_of(name))


def main() -> None:
    """Pin what is not there yet."""
    FILES.mkdir(exist_ok=True)
    for name, case in CASES.items():
        if not path_of(name).exists():
            digits = case.file.hex()
            lines = [digits[at : at + 96] for at in range(0, len(digits), 96)]
            path_of(name).write_text("\n".join([f"# {case.says}", *lines, ""]), encoding="ascii")


if __name__ == "__main__":
    main()
