"""What is written is read back: records, totals, index, summary; from files and from pipes."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest
from container_samples import (
    SMOLLM2,
    TIED,
    Groups,
    Trickle,
    checksum_of,
    chunks_of,
    groups,
    lm,
    lzma,
    models,
    options,
    read,
    stored,
    write,
)
from hypothesis import given

from llmzip.container import (
    DEFAULT_OPTIONS,
    Chunk,
    End,
    Group,
    Header,
    Index,
    Kind,
    ModelRef,
    Options,
    Reader,
    Wave,
    Writer,
    inspect,
    read_group,
    read_index,
)
from llmzip.container.limits import COMPACT_MAX_BYTES, LONE_MAX_BYTES
from llmzip.errors import CorruptError


def text_of(given_groups: Groups) -> bytes:
    return b"".join(data for g in given_groups for w in g for _, data in w)


@given(groups, options, models)
def test_records_come_back(given_groups: Groups, opts: Options, model: ModelRef) -> None:
    records = read(write(given_groups, opts, model))
    assert records[0] == Header(opts)
    assert chunks_of(records) == [chunk for g in given_groups for w in g for chunk, _ in w]
    waves_a_group = [len(g) for g in given_groups]
    assert [type(r) for r in records if isinstance(r, Group | Wave)] == [
        kind for n in waves_a_group for kind in [Group] + [Wave] * n
    ]
    needs_model = any(chunk.kind is Kind.LM for chunk in chunks_of(records))
    assert [r for r in records if isinstance(r, ModelRef)] == [model] * needs_model
    end = records[-1]
    assert isinstance(end, End)
    end.verify(checksum_of(text_of(given_groups)))


@given(groups, options, models)
def test_a_model_precedes_the_first_wave_that_needs_it(
    given_groups: Groups, opts: Options, model: ModelRef
) -> None:
    seen_model = False
    for record in read(write(given_groups, opts, model)):
        seen_model |= isinstance(record, ModelRef)
        assert seen_model or not (isinstance(record, Wave) and record.needs_model)


@given(groups, groups, models)
def test_members_follow_each_other(first: Groups, second: Groups, model: ModelRef) -> None:
    a, b = write(first, model=model), write(second)
    assert read(a + b) == read(a) + read(b)


@given(groups, options, models)
def test_every_group_is_found_by_the_index(
    given_groups: Groups, opts: Options, model: ModelRef
) -> None:
    file = write(given_groups, opts, model)
    for prefix in (
        b"",
        write([[[stored(b"lone")]]]),
        write([[[stored(b"a"), lm(b"b")]]]),
        write([]),
    ):
        indices = read_index(io.BytesIO(prefix + file))
        index = indices[-1]
        assert (index.start, index.options) == (len(prefix), as_written(opts, given_groups))
        assert [g.n_bytes for g in index.groups] == [len(text_of([g])) for g in given_groups]
        for number, waves in enumerate(given_groups):
            assert group_chunks(prefix + file, index, number) == [c for w in waves for c, _ in w]


def as_written(opts: Options, given_groups: Groups) -> Options:
    """The options that a file names: a compact one without tokens need not name all."""
    waves = [wave for group in given_groups for wave in group]
    n_tokens = max((chunk.n_tokens for wave in waves for chunk, _ in wave), default=0)
    return opts.briefest(n_tokens, in_view=0) if len(waves) == 1 else opts


def group_chunks(file: bytes, index: Index, number: int) -> list[Chunk]:
    records = list(read_group(io.BytesIO(file), index, number))
    assert isinstance(records[0], Group)
    return chunks_of(records)


def test_the_index_knows_the_model() -> None:
    late = write([[[stored(b"a")]], [[lm(b"b")], [lm(b"c")]]], model=TIED)
    assert [index.model for index in read_index(io.BytesIO(late + write([])))] == [TIED, None]
    assert [index.model for index in read_index(io.BytesIO(late))] == [TIED]


def test_an_index_of_one_member_reads_its_two_ends_only() -> None:
    block = stored(bytes(1 << 20))
    source = CountingBytes(write([[[block]] for _ in range(8)]))
    (index,) = read_index(source)
    assert len(index.groups) == 8
    assert source.n_read < 300_000


class CountingBytes(io.BytesIO):
    """Counts the bytes read from it."""

    n_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.n_read += len(data)
        return data

    def read1(self, size: int | None = -1, /) -> bytes:
        data = super().read1(size)
        self.n_read += len(data)
        return data


@given(groups, models)
def test_pipes_with_short_reads_and_writes(given_groups: Groups, model: ModelRef) -> None:
    pipe = Trickle()
    writer = Writer(cast(BinaryIO, pipe))
    writer.model(model)
    for waves in given_groups:
        writer.group()
        for wave in waves:
            writer.wave([chunk for chunk, _ in wave], b"".join(data for _, data in wave))
    writer.finish()
    file = bytes(pipe.data)
    assert file == write(given_groups, model=model)
    assert list(Reader(cast(BinaryIO, pipe))) == read(file)


def test_a_wave_comes_as_soon_as_its_bytes_have_come() -> None:
    file = write([[[stored(b"first"), stored(b"1st")], [stored(b"second")]]])
    cut = file.index(b"first1st") + len(b"first1st") + 4
    records = iter(Reader(io.BytesIO(file[:cut])))
    kinds = [type(next(records)) for _ in range(3)]
    assert kinds == [Header, Group, Wave]


def test_a_sink_that_does_not_count_is_believed() -> None:
    class Mute:
        def __init__(self) -> None:
            self.data = b""

        def write(self, data: bytes) -> None:
            self.data += data

    sink = Mute()
    Writer(cast(BinaryIO, sink)).finish()
    assert sink.data == write([])


def test_streams_that_would_block_say_so() -> None:
    class Idle(io.RawIOBase):
        def read(self, size: int | None = -1) -> None:
            return None

        def write(self, data: object) -> None:
            return None

    with pytest.raises(BlockingIOError, match="input"):
        list(Reader(cast(BinaryIO, Idle())))
    with pytest.raises(BlockingIOError, match="output"):
        Writer(cast(BinaryIO, Idle())).finish()


@pytest.mark.parametrize("n_bytes", [1, LONE_MAX_BYTES + 1, COMPACT_MAX_BYTES + 1])
def test_the_compact_form_reads_as_a_sequence_does(n_bytes: int) -> None:
    data = bytes(n_bytes)
    records = read(write([[[stored(data)]]]))
    assert [type(r) for r in records] == [Header, Group, Wave, End]
    end = records[-1]
    assert isinstance(end, End)
    assert (end.n_bytes, len(end.checksum)) == (n_bytes, 4 if n_bytes <= COMPACT_MAX_BYTES else 8)
    end.verify(checksum_of(data))


@pytest.mark.parametrize("opens_group", [True, False])
def test_a_second_wave_or_group_ends_the_compact_form(opens_group: bool) -> None:
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.group()
    writer.wave([Chunk.stored(b"one"), Chunk.stored(b"two")], b"onetwo")
    assert writer.n_written == 0
    if opens_group:
        writer.group()
    writer.wave([Chunk.stored(b"three")], b"three")
    assert writer.n_written == len(sink.getvalue()) > 0
    writer.finish()
    kinds = [Header, Group, Wave, *[Group] * opens_group, Wave, End]
    assert [type(r) for r in read(sink.getvalue())] == kinds
    assert sink.getvalue()[3] == 0x10


def test_a_summary_counts_everything() -> None:
    file = write(
        [[[stored(b"abc"), lm(b"d" * 40)], [lm(b"e" * 10)]], [[lzma(b"f" * 9)]]],
        Options(100, 50, 9),
    )
    single = write([[[lm(b"hello")]]])
    first, second = inspect(io.BytesIO(file + single))
    assert (first.options, first.model) == (Options(100, 50, 9), SMOLLM2)
    assert (first.n_bytes, first.n_compressed) == (62, len(file))
    assert (first.n_groups, first.n_waves, first.n_tokens) == (2, 3, 13)
    assert first.n_chunks == {Kind.STORED: 1, Kind.LM: 2, Kind.LZMA: 1}
    assert first.checksum == checksum_of(b"abc" + b"d" * 40 + b"e" * 10 + b"f" * 9).digest()
    assert (second.n_bytes, second.n_compressed, second.n_groups) == (5, len(single), 1)
    assert second.options == DEFAULT_OPTIONS


def test_decoded_bytes_are_verified() -> None:
    chunk, data = lm(b"the right text")
    chunk.verify(data)
    for wrong in (b"the wrong text", data + b".", data[:-1]):
        with pytest.raises(CorruptError, match="checksum"):
            chunk.verify(wrong)
    end = read(write([[[(chunk, data)], [stored(b"more")]]]))[-1]
    assert isinstance(end, End)
    end.verify(checksum_of(data + b"more"))
    with pytest.raises(CorruptError, match="should decode to 18 bytes but gave 14"):
        end.verify(checksum_of(data))
    with pytest.raises(CorruptError, match="checksum"):
        end.verify(checksum_of(data + b"lore"))
