"""Many small texts at once: their files are those that each has alone, and come back."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from codec_samples import FakeModel, awkward, encode, mostly_foretold

from llmzip.codec import many
from llmzip.codec.decode import decode_stream, decoded_pieces
from llmzip.codec.decode_many import MAX_FILE_BYTES, decode_ahead
from llmzip.codec.levels import LEVELS, Level
from llmzip.codec.many import BATCH_BYTES, BATCH_TEXTS, batches, encode_batch
from llmzip.container import Chunk, Kind, Options, Reader, Wave, Writer
from llmzip.errors import UsageError

WAVY = Level(Options(60, 2048, 256, adaptive=True), group_bytes=4096, n_lanes=3, target_tokens=20)
"""Several waves, and several groups, for a text of a few kB."""


@pytest.fixture
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def texts(model: FakeModel) -> list[bytes]:
    """Short and longer ones, some of which no model is wanted for, and the awkward."""
    some = [mostly_foretold(model, n, seed=n) for n in (1, 3, 40, 41, 90, 300, 700)]
    noise = random.Random(1).randbytes(3000)
    short = [text for text in awkward().values() if len(text) < 5000]
    return [*some, b"", noise, some[4] + noise + some[5], *short, mostly_foretold(model, 2000, 9)]


def encode_many(model: FakeModel, own: list[bytes], level: Level) -> list[bytes]:
    return [one.file for one in encode_batch(own, model.open_to_encode, level)]


@pytest.fixture(scope="module")
def files_of(byte_tokenizer_json: str) -> Callable[[Level], list[bytes]]:
    """The files of `texts` at a level, made once for all tests that read them."""
    model = FakeModel.of(byte_tokenizer_json)
    return cache(lambda level: encode_many(model, texts(model), level))


def decode_many(model: FakeModel, files: list[bytes], n_lanes: int | None = None) -> list[bytes]:
    known = decode_ahead(files, model.open_to_decode, n_lanes)
    return [
        b"".join(decoded_pieces(io.BytesIO(file), model.open_to_decode, known=own))
        for file, own in zip(files, known, strict=True)
    ]


def ahead(model: FakeModel, files: list[bytes], **limits: Any) -> list[list[bytes]]:
    """What the chunks of each file are known to decode to, if they are."""
    known = decode_ahead(files, model.open_to_decode, **limits)
    return [[] if own is None else list(own.chunks) for own in known]


def n_for_model(file: bytes) -> int:
    """How many chunks of a file need the model."""
    waves = [record for record in Reader(io.BytesIO(file)) if isinstance(record, Wave)]
    return sum(chunk.kind.needs_model for wave in waves for chunk in wave.chunks)


@pytest.mark.parametrize("level", [*LEVELS.values(), WAVY, WAVY.with_chunks(25)])
def test_files_are_those_that_texts_have_alone(model: FakeModel, level: Level) -> None:
    own = texts(model)
    files = encode_many(model, own, level)
    assert files == [encode(model, text, level) for text in own]
    assert sum(map(n_for_model, files)) > 4


@pytest.mark.parametrize("level", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("n_lanes", [None, 1, 3, 50])
def test_files_come_back(
    model: FakeModel, files_of: Callable[[Level], list[bytes]], level: int, n_lanes: int | None
) -> None:
    assert decode_many(model, files_of(LEVELS[level]), n_lanes) == texts(model)


@pytest.mark.parametrize("n_lanes", [None, 1, 7])
def test_files_of_several_waves_groups_and_members_come_back(
    model: FakeModel, files_of: Callable[[Level], list[bytes]], n_lanes: int | None
) -> None:
    own = texts(model)
    alike, others, frozen = map(files_of, (WAVY, LEVELS[5], LEVELS[1]))
    files = [a + b + c for a, b, c in zip(alike, others, frozen, strict=True)] + alike
    assert decode_many(model, files, n_lanes) == [3 * text for text in own] + own


def test_the_model_has_many_at_once(model: FakeModel) -> None:
    own = [mostly_foretold(model, 40 + n, seed=n) for n in range(9)]
    files = encode_many(model, own, LEVELS[5])
    assert model.predictor.n_together == [9]
    model.predictor.n_together.clear()
    assert ahead(model, files) == [[text] for text in own]
    # four lanes by default, which are full until there is no text to begin
    first = model.predictor.n_together
    assert set(first[: sum(first) // 5]) == {model.predictor.default_lanes}


def test_one_text_goes_the_way_of_a_stream(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(many, "GroupEncoder")
    text = mostly_foretold(model, 100, seed=1)
    assert encode_many(model, [text], LEVELS[5]) == [encode(model, text, LEVELS[5])]


def test_a_text_without_need_of_the_model_opens_none(model: FakeModel) -> None:
    files = encode_many(model, [b"", b"abc", bytes(900)], LEVELS[5])
    assert decode_many(model, files) == [b"", b"abc", bytes(900)]
    assert model.opened == []


def test_what_is_wrong_with_one_text_is_told(gappy_tokenizer_json: str) -> None:
    gappy = FakeModel.of(gappy_tokenizer_json)
    wrong = mostly_foretold(gappy, 50, seed=1)
    with pytest.raises(UsageError, match="chunk_tokens cannot be 1 with this model"):
        encode_batch([b"abc", wrong], gappy.open_to_encode, WAVY.with_chunks(1))


def bad_content(model: FakeModel, text: bytes) -> bytes:
    """A file that is well formed, all checksums right, but whose payload spells another text."""
    (wave,) = [r for r in Reader(io.BytesIO(encode(model, text, LEVELS[5]))) if isinstance(r, Wave)]
    (chunk,) = wave.chunks
    other = text[::-1]
    wrong = Chunk.spelled(Kind.LM, other, chunk.n_tokens, chunk.payload)
    sink = io.BytesIO()
    writer = Writer(sink, LEVELS[5].options)
    writer.model(model.ref)
    writer.group()
    writer.wave([wrong], other)
    writer.finish()
    return sink.getvalue()


def test_a_file_that_cannot_be_read_ahead_leaves_the_others_alone(model: FakeModel) -> None:
    own = [mostly_foretold(model, 60, seed=n) for n in range(3)]
    files = encode_many(model, own, LEVELS[5])
    broken = files[1][:-1] + bytes([files[1][-1] ^ 1])
    trailing = files[2] + b"something else"
    mixed = [files[0], broken, b"", b"no file", trailing, files[0][:-3]]
    known = ahead(model, mixed)
    assert known == [[own[0]], [], [], [], [own[2]], []]


def test_what_comes_up_while_decoding_leaves_all_to_be_decoded_alone(model: FakeModel) -> None:
    own = [mostly_foretold(model, 60, seed=n) for n in range(3)]
    files = encode_many(model, own, LEVELS[5])
    files.insert(1, bad_content(model, own[1]))
    files.append(encode(model, own[0], LEVELS[1]))
    known = ahead(model, files)
    assert known[1] == []
    assert known[4] == [own[0]]  # of another kind, so it was decoded apart


def test_long_files_and_those_that_claim_too_much_are_not_read_ahead(model: FakeModel) -> None:
    short = mostly_foretold(model, 60, seed=1)
    sink = io.BytesIO()
    writer = Writer(sink, LEVELS[5].options)
    writer.group()
    for _ in range(2):
        data = bytes(MAX_FILE_BYTES // 2 + 1)
        writer.wave([Chunk.stored(data)], data)
    writer.finish()
    files = [encode(model, short, LEVELS[5]), encode(model, short, LEVELS[5]) + sink.getvalue()]
    assert ahead(model, files) == [[short], []]
    assert ahead(model, files, max_output=len(short) - 1) == [[], []]


def test_a_limit_of_memory_makes_fewer_lanes(model: FakeModel) -> None:
    own = [mostly_foretold(model, 60, seed=n) for n in range(5)]
    files = encode_many(model, own, LEVELS[5])
    assert ahead(model, files, memlimit=10) == [[]] * 5
    model.predictor.n_together.clear()
    known = ahead(model, files, memlimit=3_000_000)
    assert known == [[text] for text in own]
    assert max(model.predictor.n_together) < 4


@pytest.mark.parametrize("level", [1, 5])
def test_progress_and_figures_are_those_of_all_texts(model: FakeModel, level: int) -> None:
    own = texts(model)
    n_all = sum(map(len, own))
    seen: list[int] = []
    encoded = encode_batch(own, model.open_to_encode, LEVELS[level], seen.append)
    assert seen[-1] == n_all
    assert max(seen) == n_all
    stats = [one.stats for one in encoded]
    assert [(one.n_bytes, one.n_file_bytes) for one in stats] == [
        (len(text), len(one.file)) for text, one in zip(own, encoded, strict=True)
    ]
    assert all(one.seconds >= one.opening_seconds for one in stats)
    told: list[tuple[int, int]] = []
    files = [one.file for one in encoded]
    known = decode_ahead(files, model.open_to_decode, progress=lambda *pair: told.append(pair))
    n_model_bytes = sum(one.n_model_bytes for one in stats)
    assert told[0] == (0, n_model_bytes)
    assert told == sorted(told)
    assert [one is None for one in known] == [one.n_model_bytes == 0 for one in stats]
    for file, text, one, before in zip(files, own, known, stats, strict=True):
        sink = io.BytesIO()
        after = decode_stream(io.BytesIO(file), sink, model.open_to_decode, known=one)
        assert sink.getvalue() == text
        assert (after.model_name, after.n_tokens) == (before.model_name, before.n_tokens)
        assert one is None or after.seconds >= one.stats.seconds


def test_batches_are_bounded_and_taken_one_at_a_time() -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        for n in itertools.count():
            taken.append(n)
            yield b"x" * 400

    found = batches(endless())
    assert not taken
    n_texts = len(next(found))
    assert n_texts == BATCH_BYTES // 400 or n_texts == BATCH_TEXTS
    assert len(taken) <= n_texts + 1
    assert len(next(batches(b"" for _ in itertools.count()))) == BATCH_TEXTS


def test_a_long_text_is_a_batch_of_its_own() -> None:
    sizes = [10, 20, BATCH_BYTES + 5, 7, BATCH_BYTES - 7, 1]
    found = [list(map(len, batch)) for batch in batches(bytes(size) for size in sizes)]
    assert found == [[10, 20], [BATCH_BYTES + 5], [7, BATCH_BYTES - 7], [1]]


def test_anything_with_a_buffer_is_copied_as_it_is_taken() -> None:
    data = bytearray(b"abc")

    def reused() -> Iterator[bytearray | memoryview]:
        for n in range(3):
            data[0] = n
            yield memoryview(data) if n else data

    assert list(batches(reused())) == [[b"\0bc", b"\1bc", b"\2bc"]]


def test_what_is_no_text_is_told_after_those_before_it() -> None:
    found = batches([b"a", b"b", "c", b"d"])
    assert next(found) == [b"a", b"b"]
    with pytest.raises(TypeError, match="a bytes-like object is required, not str"):
        next(found)


def test_what_the_iterable_raises_comes_after_what_it_gave() -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        raise OSError("the disk is gone")

    found = batches(failing())
    assert next(found) == [b"a"]
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)


def test_levels_with_other_groups_take_texts_of_any_length(model: FakeModel) -> None:
    level = replace(LEVELS[1], group_bytes=500)
    own = [mostly_foretold(model, 400, seed=n) for n in range(3)]
    files = encode_many(model, own, level)
    assert files == [encode(model, text, level) for text in own]
