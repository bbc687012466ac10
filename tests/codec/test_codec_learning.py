"""Files whose chunks learn from each other: groups, waves, lanes, and what is dropped."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest
from codec_samples import FakeModel, awkward, decode, encode, mostly_foretold, words

from llmzip.codec import groups
from llmzip.codec.encode import encode_stream
from llmzip.codec.levels import LEVELS, Level
from llmzip.container import Header, Kind, Options, Reader, Wave
from llmzip.errors import UsageError

SMALL = Level(Options(60, 2048, 256, adaptive=True), group_bytes=4096, n_lanes=3, target_tokens=20)
NOISE = random.Random(5).randbytes(1 << 16)


@pytest.fixture
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def waves_of(packed: bytes) -> list[Wave]:
    return [record for record in Reader(io.BytesIO(packed)) if isinstance(record, Wave)]


def test_every_group_begins_anew_and_waves_follow_each_other(model: FakeModel) -> None:
    data = mostly_foretold(model, 4000, seed=2)
    packed = encode(model, data, SMALL)
    waves = waves_of(packed)
    assert len(waves) > 2 * len(data) // 4096  # several waves a group
    assert all(len(wave.chunks) <= SMALL.n_lanes for wave in waves)
    assert decode(model, packed) == data
    assert decode(model, packed, 1) == data


@pytest.mark.parametrize("n_together", [2, 5])
def test_groups_side_by_side_are_those_that_follow_each_other(
    model: FakeModel, n_together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups that need no model, or parts of which it is given up for, among them."""
    monkeypatch.setattr(groups, "N_AHEAD", 4)
    foretold = mostly_foretold(model, 4000, seed=2)
    data = foretold[:9000] + NOISE[:9000] + words(5000, seed=3) + foretold[9000:]
    expected = encode(model, data, SMALL)
    monkeypatch.setattr(model.predictor, "groups_together", n_together)
    told: list[int] = []
    sink = io.BytesIO()
    encode_stream(io.BytesIO(data), sink, model.open_to_encode, SMALL, told.append)
    assert sink.getvalue() == expected
    assert 1 < max(model.predictor.n_together) <= n_together
    assert told == sorted(told)
    assert told[-1] == len(data)


@pytest.mark.parametrize("name", awkward())
def test_awkward_inputs_come_back(model: FakeModel, name: str) -> None:
    data = awkward()[name]
    assert decode(model, encode(model, data, SMALL)) == data


def test_a_group_without_what_the_model_does_not_help_is_coded_again(model: FakeModel) -> None:
    level = replace(SMALL.with_chunks(2000), group_bytes=1 << 18)
    foretold = mostly_foretold(model, 1 << 14, seed=4)[: 1 << 14]
    others = words(1 << 15, seed=3).replace(b"\n", b"\r\n")  # text, but not for the model
    data = (
        foretold + NOISE + others
    )  # its line ends keep it from being joined with what was foretold
    packed = encode(model, data, level)
    kinds = [chunk.kind for wave in waves_of(packed) for chunk in wave.chunks]
    assert set(kinds[:-2]) == {Kind.LM}
    assert kinds[-2] is Kind.STORED
    assert kinds[-1] in (Kind.LZMA, Kind.MIXED)
    assert decode(model, packed) == data


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("in_view", [1 << 16, 100])
def test_every_level_carries_text(
    model: FakeModel, level: int, in_view: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.predictor, "in_view", in_view)
    data = mostly_foretold(model, 700, seed=level) + NOISE[:5000]
    packed = encode(model, data, LEVELS[level])
    assert decode(model, packed) == data
    header, *records = Reader(io.BytesIO(packed))
    assert isinstance(header, Header)
    (wave,) = (record for record in records if isinstance(record, Wave))
    longest = max(chunk.n_tokens for chunk in wave.chunks)
    assert header.options == LEVELS[level].options.briefest(longest, in_view)
    assert in_view > longest or header.options == LEVELS[level].options


def test_lanes_are_as_many_as_the_text_fills() -> None:
    level = LEVELS[5]
    assert level.chunk_tokens(1000) == 1000
    assert level.chunk_tokens(10 * level.target_tokens) == level.target_tokens
    assert level.chunk_tokens(1 << 20) == (1 << 20) // level.n_lanes
    assert LEVELS[9].chunk_tokens(1 << 20) == LEVELS[9].options.chunk_tokens


def test_chunks_shorter_than_an_escape_are_the_users_mistake(gappy_tokenizer_json: str) -> None:
    gappy = FakeModel.of(gappy_tokenizer_json)
    with pytest.raises(UsageError, match="chunk_tokens cannot be 1 with this model"):
        encode(gappy, mostly_foretold(gappy, 50, seed=1), SMALL.with_chunks(1))
