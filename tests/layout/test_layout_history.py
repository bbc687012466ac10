"""The text that later groups copy from: as far back as it goes, wherever it is kept."""

from __future__ import annotations

import errno
import io
import tempfile
from random import Random

import pytest

from llmzip.errors import CorruptError
from llmzip.layout import history
from llmzip.layout.history import History, Reference
from llmzip.layout.text import Text


@pytest.mark.parametrize("n_in_memory", [0, 100, 1 << 20])
def test_the_last_bytes_are_there_and_no_others(
    n_in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "SPOOL_BYTES", n_in_memory)
    chance, text = Random(1), b""
    kept = History(reach=700)
    for _ in range(60):
        piece = chance.randbytes(chance.choice([0, 1, 30, 199, 701, 1500]))
        kept.append(piece)
        text += piece
        first = max(0, len(text) - 700)
        start = chance.randrange(first, len(text) + 1)
        stop = chance.randrange(start, len(text) + 1)
        assert kept.read(start, stop).data == text[start:stop]
        if first:
            with pytest.raises(CorruptError, match="not there"):
                kept.read(first - 1, first)
    with pytest.raises(CorruptError, match="not there"):
        kept.read(len(text), len(text) + 1)


def test_a_reference_stands_before_the_text() -> None:
    kept = History(Reference(io.BytesIO(b"reference")))
    kept.append(b"text")
    assert kept.read(-9, 0).data == b"reference"
    assert bytes(kept.read(-4, 2).data) == b"encete"
    with pytest.raises(CorruptError, match="not there"):
        kept.read(-10, -5)
    with pytest.raises(CorruptError, match="not there"):
        History().read(-1, 0)


@pytest.mark.parametrize("n_in_memory", [0, 1 << 20])
def test_what_is_lost_comes_back_as_lost(n_in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "SPOOL_BYTES", n_in_memory)
    kept = History()
    kept.append(b"abc")
    kept.lose(2)
    kept.append(Text(b"defg", [(0, 1)]))
    found = kept.read(1, 9)
    assert list(found.holes) == [(2, 5)]
    assert (found.data[:2], found.data[5:]) == (b"bc", b"efg")


def test_what_nobody_knows_takes_no_room() -> None:
    kept = History()
    kept.lose(1 << 50)
    kept.append(b"end")
    assert kept.read(1 << 50, (1 << 50) + 3) == Text(b"end", [])
    assert list(kept.read((1 << 50) - 4, 1 << 50).holes) == [(0, 4)]


def test_where_nothing_is_copied_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    kept = History(reach=0)
    kept.append(bytes(100 << 20))
    assert kept.n_bytes == 100 << 20


def test_a_full_disk_matters_only_to_who_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(history, "SPOOL_BYTES", 4)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    kept = History()
    kept.append(b"abc")
    assert kept.read(0, 3).data == b"abc"
    kept.append(b"def")
    with pytest.raises(OSError, match=r"temporary file: No space left") as caught:
        kept.read(0, 3)
    assert caught.value.errno == errno.ENOSPC
