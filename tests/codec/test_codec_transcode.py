"""Text in other encodings: it comes back whatever is wrong with it, and the model sees UTF-8."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import pytest
from codec_samples import FakeModel, chunks_of, decode, encode, foretold, words
from hypothesis import given, settings
from hypothesis import strategies as st

from foreign_texts import CODECS, TEXTS, varied, written
from llmzip import encodings
from llmzip.codec import decode_stream, encode_stream
from llmzip.codec.levels import Level, plain
from llmzip.codec.segment import plan_runs
from llmzip.codec.spelling import Spelling, take_spelling
from llmzip.codec.transcode import Exceptions, put_together, transcode
from llmzip.container import Chunk, Kind, Options, Writer
from llmzip.container.wire import Body, varint
from llmzip.encodings.detect import Found
from llmzip.encodings.multibyte import MultiByte
from llmzip.errors import CorruptError, UnsupportedError
from llmzip.report.stats import stats_lines

NAMES = sorted(TEXTS)
KINDS = [kind for kind in Kind if kind.encoding is not None]
SMALL = Options(chunk_tokens=100)
TEXT = words(40_960)
DOCUMENT = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text(encoding="utf-8")

names = st.sampled_from(NAMES)
broken = st.lists(
    st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=3)), max_size=4
)  # bytes put into a text, and where


@pytest.fixture
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def with_broken(text: bytes, places: list[tuple[int, bytes]]) -> bytes:
    for at, extra in places:
        text = text[:at] + extra + text[at:]
    return text


def mostly(model: FakeModel, name: str, n_tokens: int = 90, line_end: str = "\n") -> bytes:
    """Return text that the fake model foresees, with some of the encoding's own."""
    some = (
        ""
        if "UTF" in name
        else "früh größer über Bäume hängt Mühe für"
        if name == "WINDOWS-1252"
        else TEXTS[name][:14]
    )
    text = foretold(model, n_tokens).decode() + line_end
    return (text + some + line_end + text).encode(CODECS[name])


@given(names, broken, st.integers(0, 5))
def test_whatever_is_transcoded_is_put_together_again(
    name: str, places: list[tuple[int, bytes]], n_before: int
) -> None:
    data = with_broken(written(name, 5), places)
    found = transcode(data, name, n_before)
    if found is not None:
        assert put_together(found.encoding, found.text, found.exceptions) == data


@given(names, st.binary(max_size=200))
def test_any_bytes_are_put_together_again_or_left(name: str, data: bytes) -> None:
    found = transcode(data, name)
    if found is not None:
        assert put_together(found.encoding, found.text, found.exceptions) == data


def test_exceptions_are_what_is_no_text() -> None:
    data = (
        b"\xff\xfe"
        + "one".encode("utf-16-le")
        + b"\x00\xd8"
        + "two".encode("utf-16-le") * 20
        + b"x"
    )
    found = transcode(data, "UTF-16LE")
    assert found is not None
    assert found.text == "\ufeffone" + "two" * 20
    assert list(found.exceptions.places) == [4, 64]
    assert found.exceptions.joined == b"\x00\xd8x"


@pytest.mark.parametrize(
    ("data", "payload"), [("4200e4007200", "00 00"), ("420000d8e4007200", "01 01 02 00 d8 00")]
)
def test_the_documents_examples_are_true(data: str, payload: str) -> None:
    assert f"`{payload}`" in DOCUMENT
    spelling, rest = take_spelling(Kind.LM_UTF_16LE, 8, bytes.fromhex(payload))
    assert rest == b""
    assert spelling.packed() == bytes.fromhex(payload)
    assert spelling.bytes_of("Bär".encode()) == bytes.fromhex(data)


def test_what_is_hardly_text_is_left() -> None:
    assert transcode(b"\x00\xd8" * 50 + b"a\0" * 50, "UTF-16LE") is None
    assert transcode(b"\x81\x81\xff\xff" * 20, "EUC-JP") is None


def test_what_this_python_would_write_otherwise_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with_other_table(monkeypatch)
    assert transcode(written("BIG5", 5), "BIG5") is None


def with_other_table(monkeypatch: pytest.MonkeyPatch) -> None:
    big5 = encodings.ENCODINGS["BIG5"]
    assert isinstance(big5, MultiByte)
    monkeypatch.setitem(encodings.ENCODINGS, "BIG5", replace(big5, digest="0" * 64))


@given(
    st.sampled_from([Kind.LM, Kind.LM_LINES, *KINDS]),
    st.lists(st.tuples(st.integers(0, 9), st.binary(min_size=1, max_size=3)), max_size=5),
    st.none() | st.lists(st.integers(0, 300), unique=True, max_size=5).map(sorted),
    st.binary(),
)
def test_how_a_chunk_is_spelled_comes_back(
    kind: Kind, listed: list[tuple[int, bytes]], lines: list[int] | None, rest: bytes
) -> None:
    exceptions, place = Exceptions(), 0
    for gap, raw in listed:
        place += gap
        exceptions.places.append(place)
        exceptions.sizes.append(len(raw))
        exceptions = replace(exceptions, joined=exceptions.joined + raw)
    places = None if lines is None or kind is Kind.LM else type(exceptions.places)("I", lines)
    if kind is Kind.LM_LINES and places is None:
        places = type(exceptions.places)("I")
    spelling = Spelling(kind, 500, places, exceptions if kind in KINDS else None)
    assert take_spelling(kind, 500, spelling.packed() + rest) == (spelling, rest)


@pytest.mark.parametrize(
    "payload",
    [
        b"",  # no number of exceptions
        b"\x01\x00\x00\x00",  # one of no bytes
        b"\x01\x00\x05abcde\x00",  # of more bytes than the chunk
        b"\x01\x05\x01a\x00",  # behind any character
        b"\x01\x00\x03ab",  # cut off
        b"\x00\x03\x00",  # line ends cut off
        b"\xff" * 20,
    ],
)
def test_malformed_lists_are_refused(payload: bytes) -> None:
    with pytest.raises(CorruptError):
        take_spelling(Kind.LM_KOI8_R, 4, payload)


@pytest.mark.parametrize(
    ("kind", "text", "exceptions"),
    [
        (Kind.LM_KOI8_R, b"caf\xc3", b"\x00\x00"),  # no UTF-8
        (Kind.LM_KOI8_R, "é".encode(), b"\x00\x00"),  # lacking
        (Kind.LM_EUC_JP, "\U0001f600".encode(), b"\x00\x00"),
        (Kind.LM_KOI8_R, b"abcdefghi", b"\x00\x00"),  # more than the chunk
        (Kind.LM_UTF_16LE, b"abcde", b"\x00\x00"),
        (Kind.LM_UTF_32BE, b"abc", b"\x00\x00"),
        (Kind.LM_KOI8_R, b"ab", b"\x01\x03\x01x\x00"),  # an exception behind the end
        (Kind.LM_KOI8_R, b"ab", b"\x00\x02\x00"),  # a line end that is not there
        (Kind.LM_UTF_16LE, b"\xed\xa0\x80", b"\x00\x00"),  # half a surrogate pair
    ],
)
def test_texts_that_cannot_be_are_refused(kind: Kind, text: bytes, exceptions: bytes) -> None:
    spelling, _ = take_spelling(kind, 8, exceptions)
    with pytest.raises(CorruptError):
        spelling.bytes_of(text)


def test_a_list_of_very_many_takes_little_memory() -> None:
    n = 100_000
    fields = Body(varint(n) + b"\x00\x01x" * n, 0)
    taken = Exceptions.take(fields, n)
    assert taken.places.itemsize * n + taken.sizes.itemsize * n <= 8 * n
    assert len(taken.joined) == n


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_model_is_given_text(model: FakeModel, name: str, line_end: str) -> None:
    data = mostly(model, name, line_end=line_end)
    packed = encode(model, data, SMALL)
    assert {chunk.kind for chunk in chunks_of(packed)} == {Kind.of_encoding(name)}
    assert decode(model, packed) == data
    plain_text = data.decode(CODECS[name]).encode()
    assert len(packed) <= len(encode(model, plain_text, SMALL)) + 5 * len(chunks_of(packed)) + 10


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_tokens", [40, 44])
def test_chunks_end_between_characters(model: FakeModel, name: str, n_tokens: int) -> None:
    data = mostly(model, name, 30) + written(name)
    packed = encode(model, data, Options(chunk_tokens=n_tokens))
    assert decode(model, packed) == data
    for chunk in chunks_of(packed):
        assert chunk.n_tokens <= n_tokens


def test_chunks_too_short_for_any_character_are_of_bytes(model: FakeModel) -> None:
    data = mostly(model, "KOI8-R")
    packed = encode(model, data, Options(chunk_tokens=20))
    assert {chunk.kind.encoding for chunk in chunks_of(packed)} == {None}
    assert decode(model, packed) == data


@pytest.mark.parametrize("name", NAMES)
def test_groups_end_anywhere(model: FakeModel, name: str) -> None:
    data = mostly(model, name, 70) * 2
    learning = plain(replace(SMALL, adaptive=True))
    unit = encodings.ENCODINGS[name].unit
    sizes = 301 * unit, 399 * unit + 1
    for one, n_bytes in zip((plain(SMALL), learning), sizes, strict=True):
        level = replace(one, group_bytes=n_bytes)
        packed = encode(model, data, level)
        assert decode(model, packed) == data
        assert decode(model, encode_from_pipe(model, data, level)) == data
        assert Kind.of_encoding(name) in {chunk.kind for chunk in chunks_of(packed)}


def encode_from_pipe(model: FakeModel, data: bytes, level: Level) -> bytes:
    sink = io.BytesIO()
    encode_stream(Pipe(data), sink, model.open_to_encode, level)
    return sink.getvalue()


class Pipe(io.BytesIO):
    """Gives a few bytes at a time, and cannot seek."""

    def seekable(self) -> bool:
        return False

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(57 if size is None or size < 0 else min(size, 57))

    read1 = read


@settings(max_examples=20, deadline=None)
@given(name=names, places=broken, n_cut=st.integers(0, 3), seed=st.integers(0, 3))
def test_broken_text_comes_back_from_a_file(
    byte_tokenizer_json: str, name: str, places: list[tuple[int, bytes]], n_cut: int, seed: int
) -> None:
    model = FakeModel.of(byte_tokenizer_json)
    data = with_broken(mostly(model, name, 40 + seed), places)[n_cut:]
    assert decode(model, encode(model, data, Options(chunk_tokens=80 + seed))) == data


def test_encodings_that_change_are_runs_of_their_own(model: FakeModel) -> None:
    parts = [varied("KOI8-R", 700), varied("SHIFT-JIS", 500), varied("UTF-16LE", 500)]
    parts = [part[: len(part) // 4096 * 4096] for part in parts]
    runs = plan_runs(b"".join(parts) + TEXT)
    names = [run.found and run.found.encoding for run in runs]
    assert all(len(part) > 3 * 4096 for part in parts)
    assert names == ["KOI8-R", "SHIFT-JIS", "UTF-16LE", None]


def test_units_begin_where_they_begin() -> None:
    wide = varied("GB18030", 1500).decode("gb18030").encode("utf-16-be")
    assert plan_runs(wide)[0].found == Found("UTF-16BE", 0)
    assert plan_runs(wide[1:])[0].found == Found("UTF-16BE", 1)
    noise = random.Random(5).randbytes(20_481)
    run = plan_runs(noise + wide)[-1]
    assert run.found is not None
    assert (run.start + run.found.n_before - len(noise)) % 2 == 0


def test_mixed_and_ascii_stretches_stay_with_the_text_around_them() -> None:
    data = varied("WINDOWS-1252", 700) + TEXT + varied("WINDOWS-1252", 700)
    (run,) = plan_runs(data)
    assert run.found == Found("WINDOWS-1252")


def test_what_was_transcoded_is_counted(model: FakeModel) -> None:
    data = mostly(model, "UTF-16LE")
    sink, back = io.BytesIO(), io.BytesIO()
    stats = encode_stream(io.BytesIO(data), sink, model.open_to_encode, SMALL)
    assert stats.transcoded == {"UTF-16LE": len(data)}
    (line,) = (line for line in stats_lines(stats) if line.startswith("transcoded"))
    assert line.endswith(f"  {len(data):,} bytes from UTF-16LE")
    packed = io.BytesIO(sink.getvalue())
    assert decode_stream(packed, back, model.open_to_decode).transcoded == stats.transcoded


def test_a_table_that_differs_is_refused(model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = encode(model, mostly(model, "BIG5"), SMALL)
    with_other_table(monkeypatch)
    with pytest.raises(UnsupportedError, match="another release of Python"):
        decode(model, packed)


def test_exceptions_that_do_not_fit_the_text_are_damage(model: FakeModel) -> None:
    data = mostly(model, "KOI8-R", 30)
    (chunk,) = chunks_of(encode(model, data, Options(chunk_tokens=400)))
    assert chunk.payload.startswith(b"\0\0")
    for prefix in (b"\x01\x00\x01x\x00", b"\x01\xe4\x01\x01x\x00", b"\x00\x09"):
        with pytest.raises(CorruptError):
            decode(model, rewritten(model, chunk, prefix, data))


def rewritten(model: FakeModel, chunk: Chunk, prefix: bytes, data: bytes) -> bytes:
    """Return a file of the chunk with other lists before its tokens."""
    sink = io.BytesIO()
    writer = Writer(sink, Options(chunk_tokens=400))
    writer.model(model.ref)
    writer.group()
    writer.wave([replace(chunk, payload=prefix + chunk.payload[2:])], data)
    writer.finish()
    return sink.getvalue()
