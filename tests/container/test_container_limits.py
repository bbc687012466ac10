"""Limits hold on both sides: none can be written, and none is read however right its CRCs are."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable

import pytest
from container_samples import (
    SMOLLM2,
    by_hand,
    chunks_of,
    lm,
    mixed,
    read,
    stored,
    with_crc,
    write,
)

from llmzip.container import (
    Chunk,
    End,
    Group,
    GroupEntry,
    Kind,
    ModelRef,
    Options,
    Wave,
    Writer,
    bodies,
    chunk_checksum,
    limits,
)
from llmzip.container.kinds import check_chunk_sizes
from llmzip.container.limits import SIGNATURE
from llmzip.container.wire import crc32, varint
from llmzip.errors import CorruptError, TruncatedError, UnsupportedError

MODEL = (bodies.TAG_MODEL, bodies.pack_model(SMOLLM2))
GROUP = (bodies.TAG_GROUP, b"\0")
SUM = b"\1\2\3\4"


def wave(*heads: bytes, n_chunks: int | None = None) -> tuple[int, bytes]:
    n = len(heads) if n_chunks is None else n_chunks
    return bodies.TAG_WAVE, varint(n) + b"".join(heads)


def lm_head(n_bytes: int, n_tokens: int, n_payload: int) -> bytes:
    return bytes([Kind.LM]) + b"".join(map(varint, (n_bytes, n_tokens, n_payload))) + SUM


def stored_head(n_bytes: int) -> bytes:
    return bytes([Kind.STORED]) + varint(n_bytes) + SUM


def end(offset: int, n_bytes: int, *groups: int, model_offset: int = 0) -> tuple[int, bytes]:
    fields = [varint(offset), varint(n_bytes), bytes(8), varint(model_offset)]
    fields += [varint(len(groups) // 2), *map(varint, groups)]
    return bodies.TAG_END, b"".join(fields)


CORRUPT = {
    "16 MiB": ("16777217 bytes is out of range", by_hand(GROUP, wave(stored_head((1 << 24) + 1)))),
    "no bytes": ("chunk of 0 bytes", by_hand(GROUP, wave(stored_head(0)))),
    "tokens out of range": (
        "65537 tokens is out of range",
        by_hand(MODEL, GROUP, wave(lm_head(1 << 20, (1 << 16) + 1, 9))),
    ),
    "no tokens": ("chunk of 0 tokens", by_hand(MODEL, GROUP, wave(lm_head(100, 0, 9)))),
    "tokens for few bytes": (
        "161 tokens cannot stand for 10 bytes",
        by_hand(MODEL, GROUP, wave(lm_head(10, 161, 9))),
    ),
    "bytes for few tokens": (
        "10 tokens cannot stand for 10241",
        by_hand(MODEL, GROUP, wave(lm_head(10_241, 10, 9))),
    ),
    "payload for few tokens": (
        "69 bytes is too long for 10 tokens",
        by_hand(MODEL, GROUP, wave(lm_head(100, 10, 69))),
    ),
    "tokens beyond the options": (
        "cut into chunks of 2048",
        by_hand(MODEL, GROUP, wave(lm_head(9000, 2049, 900))),
    ),
    "lzma no shorter": ("lzma: a payload of 5 bytes", by_hand(GROUP, wave(b"\x02\x05\x05" + SUM))),
    "mixed no shorter": (
        "mixed: a payload of 5 bytes",
        by_hand(GROUP, wave(b"\x04\x05\x05" + SUM)),
    ),
    "chunks in a wave": ("wave of 65537 chunks", by_hand(GROUP, wave(n_chunks=(1 << 16) + 1))),
    "a wave without chunks": ("wave of 0 chunks", by_hand(GROUP, wave(n_chunks=0), with_crc(b""))),
    "fewer chunks than said": (
        "too short for its fields",
        by_hand(GROUP, wave(stored_head(3), n_chunks=2)),
    ),
    "more chunks than said": (
        "surplus",
        by_hand(GROUP, wave(stored_head(3), stored_head(3), n_chunks=1)),
    ),
    "64 MiB a wave": ("wave of 83886080 bytes", by_hand(GROUP, wave(*[stored_head(1 << 24)] * 5))),
    "a wave outside of a group": (
        "outside of a group",
        by_hand(wave(stored_head(3)), with_crc(b"abc")),
    ),
    "an lm chunk without a model": (
        "without a model",
        by_hand(GROUP, wave(lm_head(4, 1, 2)), with_crc(b"pp")),
    ),
    "a second model": ("second model", by_hand(MODEL, MODEL)),
    "a group without waves": ("group without waves", by_hand(GROUP, GROUP)),
    "a last group without waves": ("group without waves", by_hand(GROUP, end(16, 0, 9, 0))),
    "total size": ("contradicts", by_hand(end(9, 1))),
    "offset of the end": ("contradicts", by_hand(end(8, 0))),
    "groups that are not there": ("contradicts", by_hand(end(9, 0, 9, 0))),
    "model that is not there": ("contradicts", by_hand(end(9, 0, model_offset=9))),
    "overlong number": (
        "malformed number",
        by_hand(GROUP, (bodies.TAG_WAVE, b"\x81\x00" + stored_head(3))),
    ),
    "number beyond 63 bits": (
        "malformed number",
        by_hand(GROUP, (bodies.TAG_WAVE, b"\xff" * 9 + b"\x01")),
    ),
    "frame beyond 64 MiB": (
        "claims to be 67108865",
        by_hand() + bytes([bodies.TAG_END]) + varint((1 << 26) + 1),
    ),
    "carry as long as the window": ("carry_tokens", by_hand(form=0x14, options=b"\x10\x08\x08")),
    "surplus in the header": ("surplus", by_hand(form=0x10, options=b"\x10\x08\x07")),
    "options cut short": ("too short for its fields", by_hand(form=0x14, options=b"\x10\x08")),
    "no name": ("name is not 1 to 255", by_hand((bodies.TAG_MODEL, b"\0\0\0" + bytes(6)))),
    "long name": (
        "of 256 bytes",
        by_hand((bodies.TAG_MODEL, b"\0" + varint(256) + b"n" * 256 + b"\0" + bytes(6))),
    ),
    "escape sequence as name": (
        "unprintable",
        by_hand((bodies.TAG_MODEL, b"\0\x04\x1b[2J\0" + bytes(6))),
    ),
    "name that is no UTF-8": ("no text", by_hand((bodies.TAG_MODEL, b"\0\x01\xff\0" + bytes(6)))),
    "short fingerprint": (
        "too short for its fields",
        by_hand((bodies.TAG_MODEL, b"\x01" + bytes(5))),
    ),
    "long fingerprint": ("surplus", by_hand((bodies.TAG_MODEL, b"\x01" + bytes(7)))),
    "flag without machine tag": (
        "too short for its fields",
        by_hand((bodies.TAG_MODEL, b"\x81" + bytes(6))),
    ),
}

UNSUPPORTED = {
    "version 0": by_hand(form=0x00),
    "version 4": by_hand(form=0x40),
    "record type": by_hand((5, b"")),
    "model code": by_hand((bodies.TAG_MODEL, b"\x7f" + bytes(6))),
    "adaptation": by_hand((bodies.TAG_GROUP, b"\x01")),
    "chunk kind": by_hand(GROUP, wave(b"\x03" + varint(3) + SUM)),
}


@pytest.mark.parametrize(("why", "file"), CORRUPT.values(), ids=CORRUPT.keys())
def test_contradictions_are_corrupt(why: str, file: bytes) -> None:
    with pytest.raises(CorruptError, match=f"{why}.*: the file is damaged, get it again$"):
        read(file)


@pytest.mark.parametrize("file", UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_what_is_not_known_is_unsupported(file: bytes) -> None:
    with pytest.raises(UnsupportedError, match="update llmzip"):
        read(file)


def test_files_made_by_hand_can_be_right() -> None:
    """So the refusals above are for what their names say."""
    empty = by_hand(end(9, 0), b"\x12\0\0\0ML\x89")
    assert read(empty)[-1] == End(0, bytes(8))


def compact(form: int, *fields: bytes, payload: bytes = b"") -> bytes:
    """Return a compact member with a table, its CRC-32 right."""
    guarded = bytes([form]) + b"".join(fields)
    return SIGNATURE + guarded + crc32(guarded + payload) + payload


COMPACT_CORRUPT = {
    "no chunks": ("a wave of 0 chunks", compact(0x18, varint(0), SUM)),
    "too many chunks": ("a wave of 65537 chunks", compact(0x18, varint((1 << 16) + 1), SUM)),
    "decoded size": (
        "1048577 bytes .* too many for one piece",
        compact(0x18, varint(2), stored_head(1 << 20), stored_head(1), SUM),
    ),
    "size of payloads": (
        "1048577 bytes .* too many for one piece",
        compact(0x18, varint(17), *[lm_head(4096, 10923, 65536)] * 16, lm_head(1, 1, 1)),
    ),
    "tokens beyond the options": (
        "cut into chunks of 2048",
        compact(0x1A, varint(1), lm_head(9000, 2049, 900)[1:]),
    ),
    "sizes of a chunk": (
        "161 tokens cannot stand for 10 bytes",
        compact(0x18, varint(1), lm_head(10, 161, 9)),
    ),
    "file checksum cut off": (
        "fails its checksum",
        compact(0x18, varint(1), stored_head(1), SUM[1:], payload=b"xxxx"),
    ),
}


@pytest.mark.parametrize(("why", "file"), COMPACT_CORRUPT.values(), ids=COMPACT_CORRUPT.keys())
def test_contradictions_in_a_compact_member_are_corrupt(why: str, file: bytes) -> None:
    with pytest.raises(CorruptError, match=f"{why}.*: the file is damaged, get it again$"):
        read(file)


def test_a_compact_member_made_by_hand_can_be_right() -> None:
    checksum = chunk_checksum(b"ab")
    heads = [bytes([Kind.STORED]) + varint(1) + chunk_checksum(c) for c in (b"a", b"b")]
    file = compact(0x18, varint(2), *heads, checksum, payload=b"ab")
    assert chunks_of(read(file)) == [Chunk.stored(b"a"), Chunk.stored(b"b")]
    assert read(file)[-1] == End(2, checksum, (GroupEntry(0, 2),))


def test_a_lone_chunk_has_its_own_limit() -> None:
    file = write([[[stored(bytes(1 << 16))]]])
    assert file[3] == 0x11
    longer = file[:4] + varint((1 << 16) + 1) + file[7:]
    with pytest.raises(CorruptError, match="one piece"):
        read(longer)


@pytest.mark.parametrize(
    ("n_bytes", "form"),
    [((1 << 16), 0x11), ((1 << 16) + 1, 0x19), (1 << 20, 0x19), ((1 << 20) + 1, 0x10)],
)
def test_the_smallest_form_that_fits_is_written(n_bytes: int, form: int) -> None:
    file = write([[[stored(bytes(n_bytes))]]])
    assert file[3] == form
    assert chunks_of(read(file)) == [Chunk.stored(bytes(n_bytes))]


@pytest.mark.parametrize("n_bytes", [3, 1 << 16, (1 << 20)])
def test_a_lone_chunk_of_a_kind_without_a_name_has_a_table(n_bytes: int) -> None:
    file = write([[[mixed(bytes(n_bytes))]]])
    assert file[3:5] == b"\x18\x01"
    assert chunks_of(read(file)) == [Chunk.mixed(bytes(n_bytes), b"mx")]
    assert write([[[mixed(b"abc"), mixed(b"def")]]])[3] == 0x18


@pytest.mark.parametrize(
    "claim",
    [
        by_hand(GROUP, wave(*[stored_head(1 << 24)] * 4)),
        compact(0x19, varint(1), stored_head(1 << 20)[1:], SUM),
    ],
)
def test_a_claimed_size_is_not_allocated(claim: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(TruncatedError):
        read(claim + bytes(1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


REFUSED_VALUES: dict[str, Callable[[], object]] = {
    "chunk_tokens 0": lambda: Options(chunk_tokens=0),
    "chunk_tokens too many": lambda: Options(chunk_tokens=(1 << 16) + 1),
    "window_tokens 0": lambda: Options(window_tokens=0, carry_tokens=0),
    "carry_tokens": lambda: Options(window_tokens=64, carry_tokens=64),
    "fingerprint": lambda: ModelRef("m", "s", bytes(8)),
    "machine": lambda: ModelRef("m", "s", bytes(6), machine=b""),
    "empty name": lambda: ModelRef("", "s", bytes(6)),
    "long name": lambda: ModelRef("é" * 128, "s", bytes(6)),
    "line break": lambda: ModelRef("m\n", "s", bytes(6)),
    "lone surrogate": lambda: ModelRef("m\udc80", "s", bytes(6)),
    "long source": lambda: ModelRef("m", "s" * 1024, bytes(6)),
    "adaptation": lambda: Group(1),
    "no chunks": lambda: Wave(()),
    "large wave": lambda: Wave((Chunk.stored(bytes(1 << 24)),) * 5),
    "empty chunk": lambda: Chunk.stored(b""),
    "large chunk": lambda: Chunk.stored(bytes((1 << 24) + 1)),
    "tokens in stored": lambda: Chunk(Kind.STORED, 1, 1, SUM, b"a"),
    "size of stored": lambda: Chunk(Kind.STORED, 2, 0, SUM, b"a"),
    "checksum": lambda: Chunk(Kind.STORED, 1, 0, SUM[:3], b"a"),
    "lzma that grows": lambda: Chunk.lzma(b"abc", b"abc"),
    "mixed that grows": lambda: Chunk.mixed(b"abc", b"abc"),
}


@pytest.mark.parametrize("make", REFUSED_VALUES.values(), ids=REFUSED_VALUES.keys())
def test_values_beyond_a_limit_cannot_be_made(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        make()


def test_the_largest_sizes_are_allowed() -> None:
    check_chunk_sizes(Kind.STORED, 1 << 24, 0, 1 << 24)
    check_chunk_sizes(Kind.LZMA, 1 << 24, 0, (1 << 24) - 1)
    check_chunk_sizes(Kind.MIXED, 1 << 24, 0, (1 << 24) - 1)
    check_chunk_sizes(Kind.LM, 1 << 24, 1 << 16, 6 << 16)
    check_chunk_sizes(Kind.LM, 1, 16, 0)
    check_chunk_sizes(Kind.LM, limits.MAX_TOKEN_BYTES, 1, 14)
    assert len(read(write([[[lm(bytes(4 * 2048))]]]))) == 5


def writer_in_a_group(options: Options = Options()) -> Writer:  # noqa: B008
    writer = Writer(io.BytesIO(), options)
    writer.group()
    return writer


def test_a_writer_refuses_what_no_reader_takes() -> None:
    one = Chunk.stored(b"one")
    with pytest.raises(ValueError, match="needs a group"):
        Writer(io.BytesIO()).wave([one], b"one")
    with pytest.raises(ValueError, match="needs a model"):
        writer_in_a_group().wave([lm(b"text")[0]], b"text")
    with pytest.raises(ValueError, match="with 4 bytes of data"):
        writer_in_a_group().wave([one], b"ones")
    with pytest.raises(ValueError, match="checksum is not that of its data"):
        writer_in_a_group().wave([one, one], b"onetwo")
    short = writer_in_a_group(Options(chunk_tokens=1))
    short.model(SMOLLM2)
    with pytest.raises(ValueError, match="more tokens than the options"):
        short.wave([lm(b"tokens")[0]], b"tokens")


def test_a_writer_is_used_once() -> None:
    writer = writer_in_a_group()
    writer.model(SMOLLM2)
    writer.model(SMOLLM2)
    with pytest.raises(ValueError, match="one model"):
        writer.model(ModelRef("gpt2", "local", bytes(6)))
    writer.finish()
    with pytest.raises(ValueError, match="finished"):
        writer.finish()
    with pytest.raises(ValueError, match="finished"):
        writer.wave([Chunk.stored(b"one")], b"one")
