"""Groups that learn, several decoded side by side: the same text and errors, within limits."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from codec_samples import FakeModel, decode, encode, mostly_foretold

from llmzip.codec import abreast
from llmzip.codec.abreast import Abreast
from llmzip.codec.decode import decode_stream
from llmzip.codec.levels import Level
from llmzip.codec.model import unseen
from llmzip.container import Chunk, Group, Options, Reader, Wave
from llmzip.errors import FormatError, LimitError

N_LANES = 3
LEVEL = Level(Options(60, 2048, 256, adaptive=True), 1024, N_LANES, target_tokens=20)
"""Groups of a kilobyte, each of some waves of three chunks."""


@pytest.fixture
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


@pytest.fixture
def text(model: FakeModel) -> bytes:
    noise = random.Random(1).randbytes(1500)  # a group that needs no model, and parts of two
    words = mostly_foretold(model, 1200, seed=3)
    return words[:3000] + noise + words[3000:]


def most_together(model: FakeModel) -> int:
    return max(model.predictor.n_together, default=0)


def records_of(packed: bytes) -> list[Group | Wave]:
    return [one for one in Reader(io.BytesIO(packed)) if isinstance(one, Group | Wave)]


def outcome(
    model: FakeModel, packed: bytes, n_lanes: int, memlimit: int | None = None
) -> tuple[bytes, str]:
    """What comes out, and what is said in the end."""
    sink = io.BytesIO()
    try:
        decode_stream(io.BytesIO(packed), sink, model.open_to_decode, n_lanes, memlimit=memlimit)
    except (FormatError, LimitError) as exc:
        return sink.getvalue(), str(exc)
    return sink.getvalue(), ""


@pytest.mark.parametrize("n_lanes", [None, 1, 2, 3, 6, 7, 1000])
def test_the_text_is_the_same_in_any_number_of_lanes(
    model: FakeModel, text: bytes, n_lanes: int | None
) -> None:
    packed = encode(model, text, LEVEL)
    assert decode(model, packed, n_lanes) == text
    n_groups = sum(isinstance(one, Group) for one in records_of(packed))
    assert n_groups > 4
    is_abreast = n_lanes is not None and n_lanes >= 2 * N_LANES
    assert (most_together(model) > N_LANES) == is_abreast
    assert most_together(model) <= (n_lanes or 4)  # lanes that one group alone has are not noted


def test_what_has_few_lanes_of_its_own_takes_one_group(
    model: FakeModel, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = encode(model, text, LEVEL)
    for n_lanes, is_abreast in ((abreast.LEAST_LANES - 1, False), (abreast.LEAST_LANES, True)):
        monkeypatch.setattr(model.predictor, "default_lanes", n_lanes)
        assert decode(model, packed) == text
        assert (most_together(model) > N_LANES) == is_abreast


def damaged(packed: bytes, number: int) -> bytes:
    """The file with a bit flipped in the last model's payload of a group."""
    groups: list[list[Chunk]] = []
    for record in records_of(packed):
        if isinstance(record, Group):
            groups.append([])
        else:
            groups[-1] += [chunk for chunk in record.chunks if chunk.kind.needs_model]
    payload = groups[number][-1].payload
    at = packed.index(payload) + len(payload) // 2
    return packed[:at] + bytes([packed[at] ^ 8]) + packed[at + 1 :]


def test_damage_is_told_where_it_stands(model: FakeModel, text: bytes) -> None:
    whole = encode(model, text, LEVEL)
    for number in (0, 1, 2, -1):
        packed = damaged(whole, number)
        alone, together = (outcome(model, packed, n) for n in (1, 1000))
        assert alone == together
        assert alone[1]
        assert text.startswith(alone[0])


def test_a_file_that_breaks_off_gives_what_stands_before(model: FakeModel, text: bytes) -> None:
    packed = encode(model, text, LEVEL)
    for size in range(len(packed) // 3, len(packed), len(packed) // 7):
        sinks = io.BytesIO(), io.BytesIO()
        for sink, n_lanes in zip(sinks, (1, 1000), strict=True):
            with pytest.raises(FormatError):
                decode_stream(io.BytesIO(packed[:size]), sink, model.open_to_decode, n_lanes)
        assert sinks[0].getvalue() == sinks[1].getvalue()


def test_memory_that_is_allowed_is_kept_to(model: FakeModel, text: bytes) -> None:
    packed = encode(model, text, LEVEL)
    assert outcome(model, packed, 1000, memlimit=1 << 20) == (text, "")
    assert most_together(model) == 0  # histories of two groups would take more
    assert outcome(model, packed, 1000, memlimit=200 << 20) == (text, "")
    assert N_LANES < most_together(model) <= 9 * N_LANES
    assert "memlimit" in outcome(model, packed, 1000, memlimit=10)[1]


def read_counted(records: list[Group | Wave], n_read: list[int]) -> Iterator[Group | Wave]:
    for record in records:
        n_read.append(1)
        yield record


def test_no_more_is_read_ahead_than_lanes_are_for(model: FakeModel, text: bytes) -> None:
    records = records_of(encode(model, text * 8, LEVEL))
    for n_lanes, n_groups in ((1, 1), (N_LANES, 1), (4 * N_LANES, 8)):
        n_read: list[int] = []
        pieces = iter(Abreast(read_counted(records, n_read), lambda: model, n_lanes, unseen))
        next(pieces)
        assert sum(isinstance(one, Group) for one in records[: len(n_read)]) <= n_groups


def test_bytes_at_hand_are_bounded(
    model: FakeModel, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abreast, "MAX_AHEAD_BYTES", 2500)
    packed = encode(model, text, LEVEL)
    assert decode(model, packed, 1000) == text
    assert most_together(model) <= 3 * N_LANES


def test_progress_never_goes_back(model: FakeModel, text: bytes) -> None:
    seen: list[int] = []
    packed = encode(model, text, LEVEL)
    decode_stream(io.BytesIO(packed), io.BytesIO(), model.open_to_decode, 1000, seen.append)
    assert all(before <= after for before, after in pairwise(seen))
    assert seen[-1] <= len(text)
