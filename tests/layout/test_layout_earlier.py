from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from llmzip.errors import CorruptError
from llmzip.layout.earlier import BLOCK_BYTES, Earlier, Past, Reread, Spool, WithReference

TEXT = random.Random(1).randbytes(3 * BLOCK_BYTES + 1000)
SPANS = [(0, 1), (5, BLOCK_BYTES), (BLOCK_BYTES - 1, 2 * BLOCK_BYTES + 1), (0, len(TEXT)), (9, 9)]


def noted(text: Earlier) -> Earlier:
    for at in range(0, len(TEXT), 50_000):
        text.note(TEXT[at : at + 50_000])
    return text


@pytest.mark.parametrize("n_before", [0, 100])
def test_a_source_is_read_again_and_stays_where_it_is(n_before: int) -> None:
    source = io.BytesIO(bytes(n_before) + TEXT)
    source.seek(n_before)
    text = noted(Reread(source))
    for start, stop in SPANS:
        assert text.read(start, stop) == TEXT[start:stop]
    assert source.tell() == n_before


def test_what_has_changed_is_not_there() -> None:
    source = io.BytesIO(TEXT)
    text = noted(Reread(source))
    source.getbuffer()[BLOCK_BYTES + 7] ^= 1
    assert text.read(0, BLOCK_BYTES) == TEXT[:BLOCK_BYTES]
    assert text.read(BLOCK_BYTES - 1, BLOCK_BYTES + 1) == b""
    source.truncate(2 * BLOCK_BYTES)
    assert text.read(2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 9) == b""


def test_a_spool_and_a_reference_before_it() -> None:
    assert noted(Spool()).read(7, len(TEXT)) == TEXT[7:]
    reference = noted(Spool())
    text = WithReference(reference, len(TEXT), Reread(io.BytesIO(b"and more")))
    text.note(b"and more")
    assert text.read(len(TEXT) - 3, len(TEXT) + 3) == TEXT[-3:] + b"and"
    assert text.read(len(TEXT), len(TEXT) + 8) == b"and more"
    assert text.read(3, 9) == TEXT[3:9]


def test_the_past_of_a_group_is_in_its_file(tmp_path: Path) -> None:
    past = Past(io.BytesIO(TEXT), io.BytesIO(b"reference"))
    assert past.read(-4, 3).data == b"ence" + TEXT[:3]
    assert past.read(-9, -8).data == b"r"
    assert past.read(10, 20).data == TEXT[10:20]
    for start, stop in ((-10, -1), (len(TEXT) - 1, len(TEXT) + 1)):
        with pytest.raises(CorruptError):
            past.read(start, stop)
    with pytest.raises(CorruptError):
        Past(io.BytesIO(TEXT), None).read(-1, 1)
