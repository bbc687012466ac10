"""docs/FORMAT.md is true: a decoder written from it reads the files, its examples are files."""

from __future__ import annotations

import binascii
import io
import re
from pathlib import Path

import pytest
from container_samples import (
    SMOLLM2,
    Groups,
    by_hand,
    groups,
    groups_of,
    models,
    options,
    read,
    with_crc,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_container_golden import LM_TEXTS, TEXTS, load, names
from written_out import written_out

from decoder import RefusedError, UnsupportedError, container, decode
from document_models import ToldModel
from llmzip import errors
from llmzip.container import (
    Chunk,
    End,
    Group,
    Header,
    Kind,
    ModelRef,
    Options,
    Reader,
    Record,
    Wave,
    limits,
)
from llmzip.container.limits import SIGNATURE
from llmzip.container.wire import crc32, frame, varint

PADDED = "bad-trailing-zeros"  # bad only for a reader that has nobody to tell
DOCUMENT = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text()


@given(st.lists(groups_of(Kind.STORED, Kind.LM), min_size=1, max_size=3), options, models)
def test_the_documents_decoder_reads_what_is_written(
    members: list[Groups], opts: Options, model: ModelRef
) -> None:
    file = b"".join(write(member, opts, model) for member in members)
    items = [item for member in members for g in member for w in g for item in w]
    of_lm = (data for chunk, data in items if chunk.kind is Kind.LM)
    assert decode(file, ToldModel(of_lm)) == b"".join(data for _, data in items)
    named = [member.model for member in container.members(file) if member.model is not None]
    assert {(found.name, found.source) for found in named} <= {(model.name, model.source)}
    assert all(found.fingerprint == model.fingerprint for found in named)
    assert all(found.machine == model.machine for found in named)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_documents_decoder_reads_the_golden_files(name: str) -> None:
    assert decode(load(name)[1], ToldModel(LM_TEXTS.get(name, []))) == TEXTS[name]


def test_the_documents_decoder_takes_zeros_for_padding() -> None:
    _, file = load(PADDED)
    assert file.endswith(bytes(9))
    assert container.members(file) == as_documented(read(file.rstrip(b"\0")))


@pytest.mark.parametrize("name", sorted({*names("bad"), *names("unsupported")} - {PADDED}))
def test_the_documents_decoder_refuses_the_others(name: str) -> None:
    comments, file = load(name)
    with pytest.raises(RefusedError) as caught:
        decode(file)
    assert (caught.type is UnsupportedError) == (comments[-1] == "UnsupportedError")
    assert "\n" not in str(caught.value)


# Most of the bytes below make no file, and both parsers are to refuse them for one reason.
numbers = st.integers(1, 6) | st.sampled_from([0, 7, 63, 64, 127, 128, 2048, 65536, 65537, 1 << 20])
short = st.binary(max_size=9)
checksums = st.binary(min_size=4, max_size=4)
n_sizes = {0: 1, 1: 3, 2: 2, 3: 2, 4: 2, 5: 3, 15: 3, 16: 3, 22: 3, 27: 3, 28: 3}
drawn_kinds = [0, 1, 1, 2, 4, 5, 5, 3, 16, 22, 27, 15, 28]


@st.composite
def heads(draw: st.DrawFn, kind: int | None = None) -> bytes:
    """A chunk's head, without the kind where that is given; now and then with a field too many."""
    own = draw(st.sampled_from(drawn_kinds)) if kind is None else kind
    n = n_sizes[own] + draw(st.sampled_from([0] * 9 + [1]))
    sizes = b"".join(varint(draw(numbers)) for _ in range(n))
    return (bytes([own]) if kind is None else b"") + sizes + draw(checksums)


@st.composite
def tables(draw: st.DrawFn, kind: int | None = None) -> bytes:
    """A number of chunks, as a rule the right one, and their heads."""
    own = draw(st.lists(heads(kind), min_size=1, max_size=3))
    return varint(draw(st.just(len(own)) | numbers)) + b"".join(own)


well_known = st.builds(
    lambda code, ref: bytes([code]) + ref,
    st.sampled_from([1, 2, 6, 7, 129]),
    st.binary(min_size=6, max_size=6),
)
spelled_out = st.builds(
    lambda *texts: b"\0" + b"".join(varint(len(t)) + t for t in texts) + b"finger",
    st.sampled_from([b"", b"a", b"\xc3\xa9", b"\xc3", b"\x1b[2J", b"n" * 255, b"n" * 256]),
    st.sampled_from([b"", b"local", b"\n", b"s" * 1023, b"s" * 1024]),
)
references = well_known | spelled_out | short


@st.composite
def starts(draw: st.DrawFn, low: int) -> bytes:
    """A form byte of these lower bits, and what it announces, as a rule."""
    version, has_options = (
        draw(st.sampled_from([1, 2, 3, 1, 2, 3, 9, 10, 11, 4, 12])),
        draw(st.booleans()),
    )
    body = b"".join(varint(draw(numbers)) for _ in range(3 if has_options else 0))
    body += b"mk" if version in (3, 11) else b""
    body += varint(draw(numbers)) + varint(draw(numbers)) if version > 8 else b""
    body = draw(st.sampled_from([body] * 7 + [body + b"\1"]))
    return bytes([version << 4 | 4 * has_options | low]) + body


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A record with its CRC, and what may follow it."""
    tag = draw(st.sampled_from([1, 2, 2, 3, 3, 3, 4, 5]))
    bodies = {1: references, 2: st.sampled_from([b"\0", b"\0", b"\1", b""]), 3: tables()}
    record = frame(tag, draw(bodies.get(tag, short)))
    return record + (with_crc(draw(st.binary(max_size=6))) if tag == 3 else b"")


@st.composite
def compacts(draw: st.DrawFn) -> bytes:
    """A member in one piece, whatever it holds, under a right CRC."""
    low = draw(st.sampled_from([1, 2, 3, 8, 8, 9, 10, 11]))
    kind = low % 4 - 1 if low % 4 else None
    body = draw(starts(low)) + draw(tables(kind) if low & 8 else heads(kind))
    body += draw(st.just(b"") | well_known | references)
    body += draw(checksums) if low & 8 else b""
    payload = draw(st.binary(max_size=6))
    crc = crc32(body + payload)
    if not low & 8:
        crc = binascii.crc_hqx(body + payload, 0xFFFF).to_bytes(2, "little")
    return SIGNATURE + body + crc + payload


@st.composite
def sequences(draw: st.DrawFn) -> bytes:
    """Records in any order, each of them sound by itself."""
    start = draw(starts(0))
    records = draw(st.lists(frames(), max_size=5))
    return by_hand(*records, form=start[0], options=start[1:])


@st.composite
def edited(draw: st.DrawFn) -> bytes:
    """A file with some bytes replaced, left out, or twice there."""
    file = write(draw(groups), draw(options), draw(models))
    a, b = sorted(draw(st.tuples(*[st.integers(0, len(file))] * 2)))
    return file[:a] + draw(st.sampled_from([b"", file[a:b] * 2, b"\0", b"\x89LM"])) + file[b:]


padding = st.sampled_from([b""] * 6 + [b"\0", bytes(512), bytes(9) + b"\1"])


@settings(max_examples=300)
@given(st.lists(compacts() | sequences() | edited(), max_size=2).map(b"".join), padding)
def test_both_parsers_give_one_verdict(members: bytes, after: bytes) -> None:
    file = members + after
    try:
        expected = as_documented(read_padded(file))
    except errors.FormatError as error:
        is_unsupported = isinstance(error, errors.UnsupportedError)
        with pytest.raises(UnsupportedError if is_unsupported else RefusedError) as caught:
            container.members(file)
        assert is_unsupported or caught.type is RefusedError
    else:
        assert [written_out(one) for one in container.members(file)] == expected


def read_padded(file: bytes) -> list[Record]:
    """The records of a file that zeros may follow."""
    records = []
    try:
        for record in Reader(io.BytesIO(file)):
            records.append(record)
    except errors.TrailingError as error:
        if not error.is_padding:
            raise
    return records


@given(st.lists(groups, max_size=2), options, models)
def test_both_parsers_find_the_same(members: list[Groups], opts: Options, model: ModelRef) -> None:
    file = b"".join(write(member, opts, model) for member in members)
    if file:
        assert container.members(file) == as_documented(read(file))


def as_documented(records: list[Record]) -> list[container.Member]:
    """What the product read, in the words of the documents' decoder."""
    found: list[container.Member] = []
    for record in records:
        match record:
            case Header(opts):
                version = 1 if not opts.adaptive else 2 if opts.dictionary is None else 3
                found.append(container.Member(version, *opts.numbers, opts.dictionary))
            case ModelRef(name, source, fingerprint, machine):
                found[-1].model = container.ModelReference(name, source, fingerprint, machine)
            case Group():
                found[-1].groups.append([])
            case Wave(chunks):
                found[-1].groups[-1].append([chunk_as_documented(chunk) for chunk in chunks])
            case End():
                found[-1].checksum = record.checksum
    return found


def chunk_as_documented(chunk: Chunk) -> container.Chunk:
    sizes = chunk.n_bytes, chunk.n_tokens, len(chunk.payload)
    return container.Chunk(int(chunk.kind), *sizes, chunk.checksum, chunk.payload)


def test_the_examples_are_files() -> None:
    examples = []
    for block in re.findall(r"(?:^    .*\n)+", DOCUMENT, flags=re.MULTILINE):
        if block.startswith("    89 4c 4d"):
            fields = [line[4:].split("  ")[0] for line in block.splitlines()]
            examples.append(bytes.fromhex("".join(fields)))
    assert len(examples) == 4
    texts = [decode(example) for example in examples]
    assert texts == [b"Hello", b"Hello", b"y\n" * 10_000, b""]
    assert all(read(example) for example in examples)


def test_the_limits_are_the_codes() -> None:
    for stated, limit in {
        "16 MiB": limits.MAX_CHUNK_BYTES,
        "65,536, and `chunk_tokens`": limits.MAX_CHUNK_TOKENS,
        "64 MiB each": limits.MAX_WAVE_BYTES,
        "65,536 each": limits.LONE_MAX_BYTES,
        "1 MiB each": limits.COMPACT_MAX_BYTES,
    }.items():
        assert f"| {stated} |" in DOCUMENT
        number = int(stated.split()[0].replace(",", ""))
        assert limit == number * (1 << 20 if "MiB" in stated else 1)
    assert SMOLLM2.name in DOCUMENT
