"""Groups of nothing but repeats go on; all ways of compressing cut a text alike."""

from __future__ import annotations

import io

import pytest
from codec_samples import FakeModel, words

from llmzip.codec import decode_stream, encode_stream
from llmzip.codec.extent import MAX_EASY_BYTES, GroupReader
from llmzip.codec.levels import LEVELS
from llmzip.codec.push import PushEncoder
from llmzip.container import Group, Reader

LEVEL = LEVELS[1]  # groups of 1 MiB
MIB = 1 << 20
TEXT = words(1000)
SHORT = TEXT[:40]


@pytest.fixture
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def group_sizes(data: bytes) -> list[int]:
    reader = GroupReader(io.BytesIO(data), MIB)
    sizes = []
    while not reader.is_done:
        sizes.append(len(reader.read()))
    return [size for size in sizes if size]


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        (b"", []),
        (TEXT, [1000]),
        (bytes(5 * MIB + 7), [5 * MIB + 7]),
        (bytes(17 * MIB), [MAX_EASY_BYTES, MIB]),
        (bytes(3 * MIB) + TEXT, [3 * MIB, 1000]),
        (bytes(3 * MIB - 1) + TEXT, [2 * MIB, MIB, 999]),
        (b"yes\n" * MIB, [4 * MIB]),
        (b"odd" * MIB, [3 * MIB]),
        (b"odd" * MIB + b"d", [3 * MIB, 1]),
        (TEXT[:100] * (MIB // 50), [MIB // 50 * 100]),
        (TEXT[:300] * (MIB // 100), [MIB, MIB, MIB // 100 * 300 - 2 * MIB]),
        (bytes(2 * MIB) + b"\xff" * (2 * MIB), [2 * MIB, 2 * MIB]),
        (TEXT + bytes(3 * MIB), [MIB, 2 * MIB + 1000]),
    ],
)
def test_groups_go_on_while_they_repeat(data: bytes, sizes: list[int]) -> None:
    assert group_sizes(data) == sizes


@pytest.mark.parametrize(
    "data",
    [
        bytes(5 * MIB + 7),
        bytes(17 * MIB),
        b"yes" * MIB + b"!",
        SHORT + bytes(2 * MIB) + SHORT,
        bytes(2 * MIB) + b"\xff",
    ],
    ids=["zeros", "many", "words", "between", "after"],
)
def test_pushed_piece_by_piece_it_is_cut_alike(model: FakeModel, data: bytes) -> None:
    whole, pushed, back = io.BytesIO(), io.BytesIO(), io.BytesIO()
    encode_stream(io.BytesIO(data), whole, model.open_to_encode, LEVEL)
    encoder = PushEncoder(pushed, model.open_to_encode, lambda: LEVEL)
    for start in range(0, len(data), 700_001):
        encoder.write(data[start : start + 700_001])
    encoder.finish()
    assert pushed.getvalue() == whole.getvalue()
    decode_stream(io.BytesIO(whole.getvalue()), back, model.open_to_decode)
    assert back.getvalue() == data


def test_many_zeros_take_few_bytes(model: FakeModel) -> None:
    sink = io.BytesIO()
    encode_stream(io.BytesIO(bytes(1 << 24)), sink, model.open_to_encode, LEVEL)
    assert len(sink.getvalue()) < 100
    sink.seek(0)
    assert sum(isinstance(record, Group) for record in Reader(sink)) == 1
