"""What is undamaged of a damaged file comes back, and what is lost is named to the byte."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Sequence
from typing import BinaryIO, cast

import pytest
from codec_samples import FakeModel, encode, mostly_foretold

from llmzip.codec import LostRange, Recovery, recover_stream
from llmzip.codec.classical import compress_lzma
from llmzip.codec.levels import Level
from llmzip.container import Chunk, ModelRef, Options, Reader, Wave, Writer
from llmzip.container.wire import frame
from llmzip.errors import CorruptError

noise = random.Random(3).randbytes
FROZEN = Level(Options(15, 1024, 128), 200, 64, 15)
LEARNING = Level(Options(15, 1024, 128, adaptive=True), 200, 3, 15)
N_HEADER = 14  # bytes: signature, then the frame of the options
levels = pytest.mark.parametrize("level", [FROZEN, LEARNING], ids=["frozen", "learning"])

Item = tuple[Chunk, bytes]


def stored(data: bytes) -> Item:
    return Chunk.stored(data), data


def lzma(data: bytes) -> Item:
    return Chunk.lzma(data, compress_lzma(data)), data


GROUPS = [
    [[stored(noise(30)), lzma(b"a" * 50)], [stored(noise(41))]],
    [[lzma(b"to and fro, " * 9), stored(noise(23)), stored(b"\n")]],
    [[stored(noise(7))], [stored(noise(60)), stored(noise(5))], [lzma(b"end" * 30)]],
    [[stored(noise(80))]],
]


def write(groups: Sequence[Sequence[Sequence[Item]]]) -> tuple[bytes, bytes]:
    """Return a file that needs no model, and its text."""
    sink = io.BytesIO()
    writer = Writer(sink)
    text = b""
    for waves in groups:
        writer.group()
        for items in waves:
            data = b"".join(data for _, data in items)
            writer.wave([chunk for chunk, _ in items], data)
            text += data
    writer.finish()
    return sink.getvalue(), text


SEQUENCE, SEQUENCE_TEXT = write(GROUPS)
PIECE, PIECE_TEXT = write([GROUPS[1]])
LONE, LONE_TEXT = write([GROUPS[3]])
JOINED = SEQUENCE + PIECE + SEQUENCE
FILES = {
    "sequence": (SEQUENCE, SEQUENCE_TEXT),
    "piece": (PIECE, PIECE_TEXT),
    "lone": (LONE, LONE_TEXT),
    "joined": (JOINED, SEQUENCE_TEXT + PIECE_TEXT + SEQUENCE_TEXT),
}
every_file = pytest.mark.parametrize(("packed", "text"), FILES.values(), ids=FILES.keys())


class Pipe(io.RawIOBase):
    """A stream that cannot seek and reads short."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self._data.readinto(memoryview(buffer)[:100])


@pytest.fixture(scope="module")
def model(gappy_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(gappy_tokenizer_json)


@pytest.fixture(scope="module")
def text(model: FakeModel) -> bytes:
    """Four groups: text of several chunks and waves, text and noise, noise, text."""
    foretold = mostly_foretold(model, 300, 5)
    return foretold[:330] + noise(270) + foretold[330:530]


def recover(packed: bytes, model: FakeModel | None = None) -> tuple[bytes, Recovery]:
    """Recover from a file and through a pipe, which must not differ."""

    def open_model(*_: object) -> FakeModel:
        assert model is not None
        return model

    sinks = [io.BytesIO(), io.BytesIO()]
    sources = [io.BytesIO(packed), cast(BinaryIO, Pipe(packed))]
    found = [
        recover_stream(source, sink, open_model)
        for source, sink in zip(sources[: 1 if model else 2], sinks, strict=False)
    ]
    assert model or (found[0], sinks[0].getvalue()) == (found[1], sinks[1].getvalue())
    return sinks[0].getvalue(), found[0]


def check(out: bytes, recovery: Recovery, text: bytes) -> None:
    """Check that `out` is `text` but for marks, which stand where the recovery says."""
    at: int | None = 0
    n_known = 0
    for lost in recovery.lost:
        kept, found, out = out.partition(lost.mark)
        assert found
        at = _past(text, at, kept)
        n_known += len(kept)
        assert lost.start == at
        assert lost.n_bytes != 0
        at = lost.stop
    assert _past(text, at, out) in (None, len(text)) or not recovery.lost
    assert recovery.n_bytes == n_known + len(out)


def _past(text: bytes, at: int | None, kept: bytes) -> int | None:
    """Return where `kept` ends in `text`, which must have it at `at`, or anywhere if None."""
    if at is None:
        assert kept in text
        return None
    assert text[at : at + len(kept)] == kept
    return at + len(kept)


def n_lost(recovery: Recovery) -> int:
    assert all(lost.n_bytes is not None for lost in recovery.lost)
    return sum(lost.n_bytes or 0 for lost in recovery.lost)


@every_file
def test_a_whole_file_is_given_back(packed: bytes, text: bytes) -> None:
    out, recovery = recover(packed)
    assert out == text
    assert recovery == Recovery(len(text), len(packed), (), True, None)
    assert recovery.is_whole


@every_file
def test_a_flipped_byte_costs_one_chunk_or_its_wave(packed: bytes, text: bytes) -> None:
    """Records have CRCs: damage to one costs the wave, to a payload the chunk, else nothing."""
    waves = [record for record in Reader(io.BytesIO(packed)) if isinstance(record, Wave)]
    most = max(wave.n_bytes for wave in waves)
    n_whole = 0
    for at in range(len(packed)):
        for flip in (1, 0x80) if packed is not JOINED else (1 << at % 8,):
            damaged = packed[:at] + bytes([packed[at] ^ flip]) + packed[at + 1 :]
            if packed is LONE and at < len(LONE) - len(LONE_TEXT):
                continue  # a lone chunk without its head is nothing
            try:
                out, recovery = recover(damaged)
            except CorruptError:
                assert packed is PIECE  # the numbers that say where its chunks lie
                assert at < len(PIECE) - len(compress_lzma(b"to and fro, " * 9)) - 24
                continue
            check(out, recovery, text)
            assert recovery.is_consistent
            if packed is SEQUENCE:
                assert n_lost(recovery) <= most, at
            n_whole += recovery.is_whole
    assert n_whole or packed is LONE


def test_one_wave_of_every_group_is_named_to_the_byte() -> None:
    """A payload, its CRC, the wave's record, the group's record: what each of them costs."""
    waves = [wave for group in GROUPS for wave in group]
    sizes = [sum(len(data) for _, data in items) for items in waves]
    starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    for number, items in enumerate(waves):
        payload = b"".join(chunk.payload for chunk, _ in items)
        place = SEQUENCE.index(payload)
        record = SEQUENCE.rindex(b"\x03", 0, place - 4)  # less its CRC, where a 3 may be
        while not SEQUENCE.startswith(frame(3, SEQUENCE[record + 2 : place - 4]), record):
            record = SEQUENCE.rindex(b"\x03", 0, record)
        damaged = bytearray(SEQUENCE)
        damaged[record] ^= 0x40
        _, recovery = recover(bytes(damaged))
        assert recovery.lost == (LostRange(starts[number], starts[number + 1]),)
        damaged = bytearray(SEQUENCE)
        damaged[place + len(payload)] ^= 1
        assert recover(bytes(damaged))[1].is_whole
        damaged = bytearray(SEQUENCE)
        damaged[place] ^= 0x10
        first = items[0][0].n_bytes
        assert recover(bytes(damaged))[1].lost == (
            LostRange(starts[number], starts[number] + first),
        )


def test_bytes_lost_or_added_cost_their_surroundings_only() -> None:
    chance = random.Random(8)
    for n_bytes in (1, 2, 5, 30):
        for at in range(n_bytes % 4, len(SEQUENCE) - n_bytes, 5):
            for damaged in (
                SEQUENCE[:at] + SEQUENCE[at + n_bytes :],
                SEQUENCE[:at] + chance.randbytes(n_bytes) + SEQUENCE[at:],
                SEQUENCE[:at] + chance.randbytes(n_bytes) + SEQUENCE[at + n_bytes :],
            ):
                out, recovery = recover(damaged)
                check(out, recovery, SEQUENCE_TEXT)
                assert recovery.n_bytes >= len(SEQUENCE_TEXT) - 250


def test_damage_in_two_places() -> None:
    chance = random.Random(9)
    for _ in range(300):
        damaged = bytearray(SEQUENCE)
        for at in chance.sample(range(len(SEQUENCE)), 2):
            damaged[at] ^= chance.randrange(1, 256)
        out, recovery = recover(bytes(damaged))
        check(out, recovery, SEQUENCE_TEXT)


@every_file
def test_a_file_cut_off_anywhere_gives_what_it_holds(packed: bytes, text: bytes) -> None:
    n_before = 0
    for n_kept in range(len(packed)):
        try:
            out, recovery = recover(packed[:n_kept])
        except CorruptError:
            assert n_before == 0  # too little for anything
            continue
        check(out, recovery, text)
        if recovery.is_whole:  # cut between members, or within a trailer
            assert out in (SEQUENCE_TEXT, SEQUENCE_TEXT + PIECE_TEXT, text)
        assert recovery.n_bytes >= n_before
        n_before = recovery.n_bytes
    assert n_before > 0 or packed is LONE


def test_records_in_the_wrong_place_are_noticed() -> None:
    """With all CRCs right: groups and waves swapped or doubled are no file, nor are chunks."""
    sink = SEQUENCE
    starts = [i for i in range(len(sink)) if sink.startswith(frame(2, b"\0"), i)]
    ends = [*starts[1:], sink.rindex(frame(4, b"")[:1], 0, len(sink) - 11 - 4)]
    groups = [sink[a:b] for a, b in zip(starts, ends, strict=True)]
    tail = sink[starts[-1] + len(groups[-1]) :]
    for order in ([1, 0, 2, 3], [0, 0, 1, 2, 3], [0, 1, 2], [0, 2, 1, 3]):
        file = sink[: starts[0]] + b"".join(groups[i] for i in order) + tail
        _, recovery = recover(file)
        assert not recovery.is_whole


def test_what_was_stored_is_not_taken_for_the_file_itself() -> None:
    """A .llmz file in a stored chunk has records that look right; the index tells them apart."""
    items = [stored(noise(100) + SEQUENCE + noise(50)), stored(SEQUENCE)]
    packed, text = write([[items], [[stored(noise(30))]], [[stored(SEQUENCE + SEQUENCE)]]])
    for at in range(0, len(packed), 7):
        damaged = packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]
        check(*recover(damaged), text)
        if at < len(packed) - 50:
            check(*recover(packed[:at] + packed[at + 9 :]), text)


def test_other_data_is_told_apart_from_loss() -> None:
    assert recover(SEQUENCE + bytes(100))[1].trailing is None
    for garbage in (b"garbage", noise(3000)):
        out, recovery = recover(SEQUENCE + garbage)
        assert out == SEQUENCE_TEXT
        assert recovery.is_whole
        assert recovery.trailing == len(SEQUENCE)
    out, recovery = recover(SEQUENCE + noise(500) + PIECE)  # who knows what that was
    assert recovery.lost == (LostRange(len(SEQUENCE_TEXT), None),)
    assert out == SEQUENCE_TEXT + recovery.lost[0].mark + PIECE_TEXT
    for nothing in (b"", b"text", noise(5000), bytes(5000), b"\x89LM", b"\x89LM\x10"):
        with pytest.raises(CorruptError, match="nothing of"):
            recover(nothing)


def test_noise_between_signatures_takes_bounded_work() -> None:
    """Made to keep us busy: every few bytes something that claims all that follows."""
    claim = b"\x03\xf0\xff\x07\x80\x80\x02\x00\x01"
    for unit in (
        claim,
        b"\x89LM\x19\x80\x80\x04\x01aaaa",
        b"\x04\xff\xff\xff\x1f\x00",
        b"\x01\x7f",
    ):
        file = SEQUENCE[:30] + unit * (100_000 // len(unit)) + SEQUENCE
        before = time.process_time()
        recover_stream(io.BytesIO(file), io.BytesIO(), cast("object", None))  # type: ignore[arg-type]
        assert time.process_time() - before < 60


@levels
def test_with_a_model_no_more_than_a_group_is_lost(
    model: FakeModel, text: bytes, level: Level
) -> None:
    packed = encode(model, text, level)
    n_groups = packed.count(frame(2, b"\0"))
    assert n_groups == 4
    for at in range(0, len(packed), 11):
        damaged = packed[:at] + bytes([packed[at] ^ 1 << at % 8]) + packed[at + 1 :]
        out, recovery = recover(damaged, model)
        check(out, recovery, text)
        assert recovery.is_consistent
        if at >= N_HEADER:  # the options, without which no model runs
            assert n_lost(recovery) <= level.group_bytes, at


def test_a_damaged_chunk_costs_itself_where_chunks_share_nothing(
    model: FakeModel, text: bytes
) -> None:
    packed = encode(model, text, FROZEN)
    start = 0
    for record in Reader(io.BytesIO(packed)):
        for chunk in record.chunks if isinstance(record, Wave) else ():
            at = packed.index(chunk.payload) + len(chunk.payload) // 2
            damaged = packed[:at] + bytes([packed[at] ^ 4]) + packed[at + 1 :]
            assert recover(damaged, model)[1].lost == (LostRange(start, start + chunk.n_bytes),)
            start += chunk.n_bytes


def test_what_learns_from_a_damaged_wave_is_lost_with_it_and_nothing_else(
    model: FakeModel, text: bytes
) -> None:
    packed = encode(model, text, LEARNING)
    waves = [record for record in Reader(io.BytesIO(packed)) if isinstance(record, Wave)]
    assert waves[0].n_bytes + waves[1].n_bytes <= LEARNING.group_bytes
    for number, start in ((0, 0), (1, waves[0].n_bytes)):
        at = packed.index(waves[number].chunks[0].payload)
        damaged = packed[:at] + bytes([packed[at] ^ 4]) + packed[at + 1 :]
        out, recovery = recover(damaged, model)
        assert recovery.lost == (LostRange(start, LEARNING.group_bytes),)
        assert out == text[:start] + recovery.lost[0].mark + text[LEARNING.group_bytes :]


def test_a_damaged_reference_to_the_model_is_left_to_whoever_opens_it(
    model: FakeModel, text: bytes
) -> None:
    packed = encode(model, text, FROZEN)
    seen: list[tuple[ModelRef | None, bool]] = []

    def open_model(ref: ModelRef | None, _options: Options, is_sure: bool) -> FakeModel:
        seen.append((ref, is_sure))
        return model

    at = packed.index(b"fake")
    for damaged in (packed, packed[:at] + b"k" + packed[at + 1 :]):
        sink = io.BytesIO()
        assert recover_stream(io.BytesIO(damaged), sink, open_model).is_whole
        assert sink.getvalue() == text
    lone = encode(model, text[:60], Options(1000))
    at = lone.index(b"finger")
    damaged = lone[:at] + b"F" + lone[at + 1 :]
    assert recover_stream(io.BytesIO(damaged), io.BytesIO(), open_model).is_whole
    fingerprint = ModelRef("", "local", b"Finger")
    assert seen == [(model.ref, True), (None, True), (fingerprint, False)]


def test_bytes_lost_of_one_group_of_five_cost_no_other() -> None:
    packed, text = write([[[stored(noise(5000))]] for _ in range(5)])
    at = len(packed) // 2
    for damaged in (packed[:at] + packed[at + 100 :], packed[:at] + noise(9) + packed[at:]):
        out, recovery = recover(damaged)
        assert recovery.lost == (LostRange(10_000, 15_000),)
        assert out == text[:10_000] + recovery.lost[0].mark + text[15_000:]
