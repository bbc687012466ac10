"""Lanes are kept busy, order is kept, and no more is read ahead than may wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from codec_samples import FakeModel, chunks_of, encode, foretold

from fake_predictor import FakeLanes
from llmzip.codec import schedule
from llmzip.codec.model import unseen
from llmzip.codec.schedule import Schedule
from llmzip.container import Chunk, Kind, Options


@pytest.fixture(scope="module")
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


@pytest.fixture(scope="module")
def chunks(model: FakeModel) -> list[Chunk]:
    """Return LM chunks of very different lengths with stored ones between them."""
    mixed = []
    for n_tokens in (300, 5, 40, 7, 120, 3, 30, 200, 10, 15):
        text = foretold(model, n_tokens)
        mixed += chunks_of(encode(model, text, Options(chunk_tokens=1000)))
        mixed.append(Chunk.stored(b"|"))
    return mixed


class Counted:
    """Deals out chunks and remembers how many have been taken."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self.chunks = chunks
        self.n_taken = 0

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self.chunks:
            self.n_taken += 1
            yield chunk


@pytest.mark.parametrize("n_lanes", [1, 2, 5, 100, None])
def test_order_is_kept_whatever_finishes_first(
    model: FakeModel, chunks: list[Chunk], n_lanes: int | None
) -> None:
    parts = list(Schedule(chunks, model.open_to_encode, n_lanes, unseen))
    assert [len(part) for part in parts] == [chunk.n_bytes for chunk in chunks]
    for chunk, part in zip(chunks, parts, strict=True):
        chunk.verify(part)


def test_reading_ahead_is_bounded(
    model: FakeModel, chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Counted(chunks)
    monkeypatch.setattr(schedule, "MAX_WAITING_BYTES", chunks[0].n_bytes + 1)
    parts = iter(Schedule(source, model.open_to_encode, 100, unseen))
    next(parts)
    assert source.n_taken <= 3
    assert len(list(parts)) == len(chunks) - 1


def test_what_needs_no_model_does_not_wait(model: FakeModel) -> None:
    source = Counted([Chunk.stored(bytes([i])) for i in range(50)])
    parts = iter(Schedule(source, model.open_to_encode, 100, unseen))
    assert next(parts) == b"\0"
    assert source.n_taken == 1
    assert b"".join(parts) == bytes(range(1, 50))


def test_no_more_lanes_than_chunks(
    model: FakeModel, chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    lanes = model.predictor.lanes

    def counted(n_lanes: int) -> FakeLanes:
        made.append(n_lanes)
        return lanes(n_lanes)

    monkeypatch.setattr(model.predictor, "lanes", counted)
    list(Schedule(chunks, model.open_to_encode, 1000, unseen))
    assert made == [sum(chunk.kind is Kind.LM for chunk in chunks)]
