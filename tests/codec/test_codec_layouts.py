"""Groups that copy from each other: written with a plain finder, and read in every way."""

from __future__ import annotations

import io
import random
import re
from functools import partial

import pytest
from codec_samples import FakeModel, mostly_foretold
from naive_copies import NaiveFinder

from decoder import decode as decode_by_document
from document_models import ToldModel
from llmzip.codec import Stats, decode_stream, encode_stream, recover_stream
from llmzip.codec.access import GroupAccess, parts_of
from llmzip.codec.decode_many import decode_ahead
from llmzip.codec.levels import Level
from llmzip.codec.many import encode_batch
from llmzip.codec.parts import PartJoiner, PartWriter, decode_part, encode_part
from llmzip.codec.plan import plan_group
from llmzip.codec.push import PushDecoder, PushEncoder
from llmzip.codec.reference import reference_of
from llmzip.codec.resume import resume_decoding, resume_encoding
from llmzip.container import Kind, ModelRef, Options, Reader, Wave, inspect
from llmzip.container.records import Chunk
from llmzip.errors import CorruptError, LimitError, PatchError, ResumeError
from llmzip.layout import history
from llmzip.layout.planned import Repeat
from llmzip.layout.program import Copy, Layout, Take
from llmzip.report.stats import stats_lines, why_little

FROZEN = Level(Options(15, 1024, 128), 500, 64, 15)
LEARNING = Level(Options(15, 1024, 128, adaptive=True), 500, 3, 15)
levels = pytest.mark.parametrize("level", [FROZEN, LEARNING], ids=["frozen", "learning"])
noise = random.Random(3).randbytes


@pytest.fixture(scope="module")
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


@pytest.fixture(scope="module")
def text(model: FakeModel) -> bytes:
    """Text and noise, each again and again, some of it across groups."""
    one, other, blob = mostly_foretold(model, 60, 1), mostly_foretold(model, 30, 2), noise(200)
    return one + blob + other + one[40:] + blob[:150] + b"-" * 300 + one + noise(90) + other * 2


def packed(model: FakeModel, text: bytes, level: Level) -> bytes:
    sink = io.BytesIO()
    source = io.BytesIO(text)
    encode_stream(source, sink, model.open_to_encode, level, find_copies=NaiveFinder())
    return sink.getvalue()


def layouts(file: bytes) -> list[Chunk | None]:
    return [one.layout for one in Reader(io.BytesIO(file)) if isinstance(one, Wave)]


def lm_texts(model: FakeModel, file: bytes) -> list[bytes]:
    """What the lm chunks of a file decode to."""
    (known,) = decode_ahead([file], model.open_to_decode)
    assert known is not None
    return list(known.chunks)


@levels
def test_what_was_there_before_is_copied_and_comes_back(
    model: FakeModel, text: bytes, level: Level
) -> None:
    file = packed(model, text, level)
    plain = io.BytesIO()
    encode_stream(io.BytesIO(text), plain, model.open_to_encode, level)
    assert len(file) < 0.8 * len(plain.getvalue())
    assert sum(one is not None for one in layouts(file)) >= 3
    for n_lanes in (None, 12):  # one by one, and side by side
        back = io.BytesIO()
        decode_stream(io.BytesIO(file), back, model.open_to_decode, n_lanes)
        assert back.getvalue() == text
    assert decode_by_document(file, ToldModel(iter(lm_texts(model, file)))) == text


@levels
def test_what_comes_piece_by_piece_is_no_other(model: FakeModel, text: bytes, level: Level) -> None:
    file = packed(model, text, level)
    sink = io.BytesIO()
    encoder = PushEncoder(sink, model.open_to_encode, lambda: level, NaiveFinder())
    for at in range(0, len(text), 333):
        encoder.write(text[at : at + 333])
    encoder.finish()
    assert sink.getvalue() == file
    decoder, back = PushDecoder(model.open_to_decode), b""
    for at in range(0, len(file), 50):
        decoder.feed(file[at : at + 50])
        while (piece := decoder.next_piece()) is not None:
            back += piece
    assert decoder.ended
    assert back == text


@levels
@pytest.mark.parametrize("order", [1, -1])
def test_any_group_can_be_read_first(
    model: FakeModel, text: bytes, level: Level, order: int
) -> None:
    access = GroupAccess(io.BytesIO(packed(model, text, level)), model.open_to_decode)
    for number in range(access.n_groups)[::order]:
        start = access.start(number)
        assert b"".join(access.pieces(number)) == text[start : start + level.group_bytes]
    assert access.n_decoded == access.n_groups  # each once, whoever copies from it


def test_only_groups_that_are_copied_from_are_decoded(model: FakeModel) -> None:
    blob = noise(100)
    text = b"".join([blob, noise(400), noise(500), noise(500), blob, noise(400)])
    access = GroupAccess(io.BytesIO(packed(model, text, FROZEN)), model.open_to_decode)
    assert b"".join(access.pieces(3)) == text[1500:]
    assert access.n_decoded == 2


def test_chains_are_followed_whatever_their_length(model: FakeModel) -> None:
    blob, n_groups = noise(300), iter(range(8))
    text = b"".join(noise(100) + blob + noise(100) for _ in range(8))

    def of_the_last(group: bytes) -> list[Repeat]:
        """Copy what the group before has copied itself."""
        assert group[100:400] == blob
        return [Repeat(100, 400, 500)] if next(n_groups) else []

    sink = io.BytesIO()
    encode_stream(io.BytesIO(text), sink, model.open_to_encode, FROZEN, find_copies=of_the_last)
    assert len(sink.getvalue()) < 2600
    access = GroupAccess(io.BytesIO(sink.getvalue()), model.open_to_decode)
    assert b"".join(access.pieces(7)) == text[3500:]


@levels
def test_a_file_is_gone_on_with(model: FakeModel, text: bytes, level: Level) -> None:
    file = packed(model, text, level)
    for n_left in (0, 30, len(file) // 3, len(file) - 20):
        unfinished = io.BytesIO(file[:n_left])
        source = io.BytesIO(text)
        resume_encoding(source, unfinished, model.open_to_encode, level, find_copies=NaiveFinder())
        assert unfinished.getvalue() == file
    for n_left in (0, 400, 900, len(text) - 1):
        back = io.BytesIO(text[:n_left])
        resume_decoding(io.BytesIO(file), back, model.open_to_decode)
        assert back.getvalue() == text
    with pytest.raises(ResumeError):
        resume_decoding(io.BytesIO(file), io.BytesIO(b"x" * 1200), model.open_to_decode)


@levels
def test_groups_that_are_made_elsewhere_are_the_same(
    model: FakeModel, text: bytes, level: Level
) -> None:
    sink, finder = io.BytesIO(), NaiveFinder()
    writer = PartWriter(sink)
    for at in range(0, len(text), level.group_bytes):
        group = text[at : at + level.group_bytes]
        copies = finder(group)
        writer.add(encode_part(group, model.open_to_encode, level, copies=copies), group)
    writer.finish()
    assert sink.getvalue() == packed(model, text, level)
    group = text[:500]
    part = encode_part(group, model.open_to_encode, level, copies=NaiveFinder()(group))
    with pytest.raises(CorruptError, match="changed while it was read"):
        PartWriter(io.BytesIO()).add(part, text[1:501])


@levels
def test_groups_that_need_each_other_are_decoded_apart_and_put_together(
    model: FakeModel, text: bytes, level: Level
) -> None:
    file = packed(model, text, level)
    found = parts_of(io.BytesIO(file))
    assert found is not None
    are_open = [part.is_open for part in found.groups]
    assert True in are_open
    made = {
        number: decode_part(file[part.start : part.stop], part, model.open_to_decode)
        for number, part in reversed(list(enumerate(found.groups)))
    }
    joiner, back = PartJoiner(are_open), b""
    for number, part in enumerate(found.groups):
        piece, stats = made[number]
        assert stats.n_bytes == part.entry.n_bytes
        back += joiner.text(piece)
    assert back == text
    number = are_open.index(True)
    bent = bytearray(made[number][0])
    bent[1] ^= 1
    joiner = PartJoiner(are_open)
    for earlier in range(number):
        joiner.text(made[earlier][0])
    with pytest.raises(CorruptError, match=r"a group .* fails its checksum|the layout of a group"):
        joiner.text(bytes(bent))


def test_groups_that_copy_from_themselves_only_are_whole(model: FakeModel) -> None:
    text = b"".join(blob * 4 + noise(100) for blob in (noise(100), noise(100), noise(100)))
    sink = io.BytesIO()
    each_alone = lambda group: NaiveFinder()(group)  # noqa: E731
    encode_stream(io.BytesIO(text), sink, model.open_to_encode, FROZEN, find_copies=each_alone)
    assert all(one is not None for one in layouts(sink.getvalue()))
    parts = parts_of(io.BytesIO(sink.getvalue()))
    assert parts is not None
    assert [part.is_open for part in parts.groups] == [False] * 3


def test_many_texts_have_each_their_own_past(model: FakeModel) -> None:
    blob = noise(100)
    texts = [blob + bytes([n]) + blob for n in range(3)] + [blob]
    found = encode_batch(texts, model.open_to_encode, FROZEN, new_finder=NaiveFinder)
    assert [one.file for one in found] == [packed(model, one, FROZEN) for one in texts]
    assert [len(layouts(one.file)) for one in found] == [1] * 4


@levels
def test_what_is_lost_takes_its_copies_with_it_and_no_more(
    model: FakeModel, text: bytes, level: Level
) -> None:
    file = packed(model, text, level)
    chance = random.Random(5)
    n_back = []
    for _ in range(60):
        damaged, at = bytearray(file), chance.randrange(20, len(file) - 40)
        damaged[at] ^= 0x55
        sink = io.BytesIO()
        open_model = lambda ref, options, _: model  # noqa: E731
        found = recover_stream(io.BytesIO(bytes(damaged)), sink, open_model)
        expected, last = b"", 0
        for lost in found.lost:
            assert lost.start is not None
            assert lost.stop is not None
            expected += text[last : lost.start] + lost.mark
            last = lost.stop
        assert sink.getvalue() == expected + text[last:], at
        n_back.append(found.n_bytes)
    assert sum(n_back) > 0.4 * len(text) * len(n_back)


def test_of_a_file_that_copies_nothing_nothing_is_kept(
    model: FakeModel, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    append = history.History.append

    def noted(self: history.History, data: bytes) -> None:
        append(self, data)
        kept.append(len(self._recent))

    monkeypatch.setattr(history.History, "append", noted)
    plain = io.BytesIO()
    encode_stream(io.BytesIO(text), plain, model.open_to_encode, FROZEN)
    for file, is_kept in ((plain.getvalue(), False), (packed(model, text, FROZEN), True)):
        kept.clear()
        decode_stream(io.BytesIO(file), io.BytesIO(), model.open_to_decode)
        assert (max(kept) > 0) == is_kept


REFERENCE = noise(400)


@levels
def test_a_reference_is_copied_from(model: FakeModel, level: Level) -> None:
    text = noise(50) + REFERENCE + noise(60) + REFERENCE[:300]
    reference = reference_of(io.BytesIO(REFERENCE))
    sink = io.BytesIO()
    encode_stream(
        io.BytesIO(text),
        sink,
        model.open_to_encode,
        level,
        find_copies=NaiveFinder(REFERENCE),
        reference=reference,
    )
    file = sink.getvalue()
    assert len(file) < 300
    assert [one.reference for one in inspect(io.BytesIO(file))] == [reference]
    decode = partial(decode_stream, io.BytesIO(file), io.BytesIO())
    back = io.BytesIO()
    decode_stream(io.BytesIO(file), back, model.open_to_decode, reference=io.BytesIO(REFERENCE))
    assert back.getvalue() == text
    access = GroupAccess(io.BytesIO(file), model.open_to_decode, reference=io.BytesIO(REFERENCE))
    assert b"".join(access.pieces(1)) == text[500:]
    assert parts_of(io.BytesIO(file)) is None
    with pytest.raises(PatchError, match=r"made from another one of 400 bytes, .*--patch-from"):
        decode(model.open_to_decode)
    recovered = io.BytesIO()
    found = recover_stream(
        io.BytesIO(file), recovered, lambda *_: model, reference=io.BytesIO(REFERENCE)
    )
    assert found.is_whole
    assert recovered.getvalue() == text
    with pytest.raises(PatchError, match="--patch-from"):
        recover_stream(io.BytesIO(file), io.BytesIO(), lambda *_: model)
    with pytest.raises(PatchError, match="than the one given"):
        GroupAccess(io.BytesIO(file), model.open_to_decode, reference=io.BytesIO(b"other"))
    resumed = io.BytesIO(file[: len(file) // 2])
    resume_encoding(
        io.BytesIO(text),
        resumed,
        model.open_to_encode,
        level,
        find_copies=NaiveFinder(REFERENCE),
        reference=reference,
    )
    assert resumed.getvalue() == file
    with pytest.raises(PatchError, match="0 bytes"):
        reference_of(io.BytesIO())


def test_a_layout_that_takes_too_much_memory_is_refused(model: FakeModel, text: bytes) -> None:
    file = packed(model, text, FROZEN)
    with pytest.raises(LimitError, match=r"a group with a layout takes [\d,]+ bytes"):
        decode_stream(io.BytesIO(file), io.BytesIO(), model.open_to_decode, memlimit=1200)


@levels
def test_what_happened_is_said(model: FakeModel, text: bytes, level: Level) -> None:
    sink = io.BytesIO()
    written = encode_stream(
        io.BytesIO(text), sink, model.open_to_encode, level, find_copies=NaiveFinder()
    )
    read = decode_stream(io.BytesIO(sink.getvalue()), io.BytesIO(), model.open_to_decode)
    for stats in (written, read):
        n_coded = stats.n_model_bytes + sum(stats.coded.values())
        assert n_coded + stats.n_copied == len(text) == stats.n_bytes
        assert stats.n_copied > 700
        assert stats.coded["stored"] > 50
    assert any(re.fullmatch(r"copied +[\d,]+ bytes", line) for line in stats_lines(read))
    both = Stats()
    both.add(written)
    both.add(read)
    assert both.coded["stored"] == 2 * read.coded["stored"]


def test_where_little_is_the_models_it_is_said_why() -> None:
    stats = Stats(n_bytes=100, n_model_bytes=20, n_copied=80)
    assert why_little(stats) is None
    assert why_little(Stats()) is None
    stats = Stats(n_bytes=1000, n_model_bytes=100, n_copied=800, coded={"stored": 90, "other": 10})
    assert why_little(stats) == (
        "the model coded 100 of 1,000 bytes: 800 bytes stand in what came before, "
        "90 bytes do not compress, 10 bytes are other"
    )


def test_a_plan_has_each_byte_once() -> None:
    text = b"some text and some text again, some text" + noise(30)
    planned = plan_group(text, NaiveFinder(least=9)(text))
    assert planned.layout is not None
    assert sum(planned.layout.streams) == planned.n_content
    assert {type(op) for op in planned.layout.ops} == {Copy, Take}
    assert plan_group(text).layout is None
    whole = plan_group(b"ab" * 50, NaiveFinder(least=9)(b"ab" * 50))
    assert whole.layout == Layout((2,), (Take(0, 2), Copy(2, 98)))


@levels
def test_what_the_model_has_said_ahead_is_put_together(
    model: FakeModel, text: bytes, level: Level
) -> None:
    file = packed(model, text, level)
    (known,) = decode_ahead([file], model.open_to_decode)
    back = io.BytesIO()
    decode_stream(io.BytesIO(file), back, no_model, known=known)
    assert back.getvalue() == text


def no_model(ref: ModelRef | None, options: Options) -> FakeModel:
    raise AssertionError("the model is asked again")


def test_kinds_with_a_layout_are_told(model: FakeModel, text: bytes) -> None:
    (member,) = inspect(io.BytesIO(packed(model, text, FROZEN)))
    assert member.n_chunks[Kind.LAYOUT] >= 3
    assert sum(member.n_kind_bytes.values()) == len(text) == member.n_bytes
