"""What the model has to beat is coded at once, or only if that is in doubt."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TypeVar

import pytest

from llmzip.codec.unaided import Unaided
from llmzip.container import Chunk

T = TypeVar("T")


def done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future


class Coder:
    """Counts what is coded."""

    def __init__(self) -> None:
        self.n_coded = 0

    def chunk(self) -> Future[Chunk]:
        self.n_coded += 1
        return done(Chunk.stored(b"abc"))


def test_without_a_doubt_coding_begins_at_once() -> None:
    coder = Coder()
    text = Unaided(coder.chunk)
    assert coder.n_coded == 1
    assert not text.is_beaten_by(0)
    assert text.result() == text.result() == Chunk.stored(b"abc")
    assert coder.n_coded == 1


@pytest.mark.parametrize(("n_bytes", "beaten"), [(99, True), (100, False), (101, False)])
def test_a_text_that_is_beaten_by_far_is_not_coded(n_bytes: int, beaten: bool) -> None:
    coder = Coder()
    text = Unaided(coder.chunk, lambda: done(100))
    assert text.is_beaten_by(n_bytes) is beaten
    assert coder.n_coded == 0
    assert text.result() == Chunk.stored(b"abc")
    assert text.is_beaten_by(n_bytes) is beaten  # whether it was coded changes nothing
    assert coder.n_coded == 1
