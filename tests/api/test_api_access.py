"""A seek decodes the group that it lands in and no other."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from llmzip import Compressor, Decompressor, LlmzFile

GROUP_BYTES = 1 << 20
NOISE = random.Random(3).randbytes(3 * GROUP_BYTES + 1000)


@pytest.fixture(scope="module")
def packed() -> bytes:
    sink = io.BytesIO()
    Compressor(level=1).compress(io.BytesIO(NOISE), sink)
    return sink.getvalue()


def test_only_the_group_that_is_read_is_decoded(packed: bytes) -> None:
    access = Decompressor().access(io.BytesIO(packed))
    assert (access.n_groups, access.n_bytes) == (4, len(NOISE))
    number = access.group_at(2 * GROUP_BYTES + 5)
    assert b"".join(access.pieces(number)) == NOISE[2 * GROUP_BYTES : 3 * GROUP_BYTES]
    assert access.n_decoded == 1


def test_reading_goes_on_from_group_to_group(packed: bytes) -> None:
    with LlmzFile(io.BytesIO(packed)) as file:
        for at in (2 * GROUP_BYTES - 10, 5, GROUP_BYTES, 3 * GROUP_BYTES + 990, 2 * GROUP_BYTES):
            file.seek(at)
            assert file.read(2000) == NOISE[at : at + 2000]


def test_groups_of_text_through_a_model_can_be_read_alone(tiny_gpt2_folder: Path) -> None:
    text = "".join(f"line {i} of a text for the model\n" for i in range(60)).encode()
    sink = io.BytesIO()
    for level in (1, 5):
        Compressor(model=str(tiny_gpt2_folder), level=level).compress(io.BytesIO(text), sink)
    decompressor = Decompressor(model=str(tiny_gpt2_folder))
    with LlmzFile(io.BytesIO(sink.getvalue()), decompressor=decompressor) as file:
        file.seek(len(text) + 100)
        assert file.read(50) == text[100:150]
        file.seek(90)
        assert file.read() == (text * 2)[90:]
