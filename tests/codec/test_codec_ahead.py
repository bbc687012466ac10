"""Input is read and prepared ahead of the model: how far, for whom, and never with other bytes."""

from __future__ import annotations

import io
import os
import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import BinaryIO, cast

import numpy as np
import pytest
from codec_samples import FakeModel, Foreteller, chunks_of, decode, encode, mostly_foretold
from numpy.typing import NDArray

from llmzip.codec import encode_stream, groups
from llmzip.codec.ahead import ReadAhead, read_ahead
from llmzip.codec.levels import plain
from llmzip.codec.streams import read_full
from llmzip.container import Kind, Options
from llmzip.errors import UsageError
from llmzip.predict.protocol import Intervals
from llmzip.tokens import ByteTokenizer

GROUP = 1 << 12  # groups are small here
NOISE = random.Random(8).randbytes(8 * GROUP)
OPTIONS = replace(plain(Options(chunk_tokens=50)), group_bytes=GROUP)


class Busy(Foreteller):
    """Takes `n_ahead` chunks before it gives the first intervals, as one with workers does."""

    n_ahead = 1
    n_taken_in_calls: list[int]

    def intervals(self, chunks: Iterable[NDArray[np.int32]]) -> Iterator[Intervals]:
        self.n_taken_in_calls.append(0)
        remaining = self._counted(chunks)
        taken = list(islice(remaining, self.n_ahead))
        while taken:
            yield from super().intervals([taken.pop(0)])
            taken += islice(remaining, 1)

    def _counted(self, chunks: Iterable[NDArray[np.int32]]) -> Iterator[NDArray[np.int32]]:
        for chunk in chunks:
            self.n_taken_in_calls[-1] += 1
            yield chunk


class BusyModel(FakeModel):
    """A model whose predictor is Busy."""

    predictor: Busy

    def __init__(self, tokenizer_json: str) -> None:
        tokenizer = ByteTokenizer(tokenizer_json)
        super().__init__(Busy(tokenizer), tokenizer)
        self.predictor.n_taken_in_calls = []


@pytest.fixture
def model(byte_tokenizer_json: str) -> BusyModel:
    return BusyModel(byte_tokenizer_json)


def text(model: FakeModel, n_groups: int) -> bytes:
    """Return exactly `n_groups` groups of text."""
    data = mostly_foretold(model, GROUP * n_groups, seed=n_groups)[: GROUP * n_groups]
    assert len(data) == GROUP * n_groups
    return data


@pytest.mark.parametrize("n_ahead", [2, 40, 1000])
def test_the_bytes_do_not_depend_on_how_far_the_predictor_looks_ahead(
    model: BusyModel, n_ahead: int
) -> None:
    data = text(model, 2) + NOISE[: 2 * GROUP] + text(model, 1) + bytes(5000) + text(model, 1)[:999]
    expected = encode(model, data, OPTIONS)
    assert {chunk.kind for chunk in chunks_of(expected)} >= {Kind.LM, Kind.STORED}
    model.predictor.n_ahead = n_ahead
    assert encode(model, data, OPTIONS) == expected
    assert decode(model, expected) == data


def test_the_predictor_is_kept_busy_from_group_to_group(model: BusyModel) -> None:
    model.predictor.n_ahead = 5
    encode(model, text(model, 3) + NOISE[:GROUP] + text(model, 2), OPTIONS)
    assert len(model.predictor.n_taken_in_calls) == 2  # one for each stretch of text
    assert model.predictor.n_taken_in_calls[0] > model.predictor.n_taken_in_calls[1] > 20


@pytest.mark.parametrize("with_text", [True, False])
def test_no_more_is_read_than_a_few_groups_ahead(model: BusyModel, with_text: bool) -> None:
    data = text(model, 8) if with_text else NOISE
    model.predictor.n_ahead = 5
    source, sink = io.BytesIO(data), io.BytesIO()
    most_ahead = 0

    def progress(n_bytes: int) -> None:
        nonlocal most_ahead
        most_ahead = max(most_ahead, source.tell() - n_bytes)

    encode_stream(source, sink, model.open_to_encode, OPTIONS, progress)
    assert GROUP <= most_ahead <= (groups.N_AHEAD + 2) * GROUP
    assert decode(model, sink.getvalue()) == data


def test_what_is_complete_does_not_wait_for_a_slow_pipe(model: BusyModel) -> None:
    data = text(model, 4)
    seen: list[int] = []
    reached = threading.Condition()

    def progress(n_bytes: int) -> None:
        with reached:
            seen.append(n_bytes)
            reached.notify_all()

    read_end, write_end = os.pipe()
    sink = io.BytesIO()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb", buffering=0) as filled:
        how = (source, sink, model.open_to_encode, OPTIONS, progress)
        encoding = threading.Thread(target=encode_stream, args=how)
        encoding.start()
        for n_bytes in range(GROUP, len(data) + 1, GROUP):
            filled.write(data[n_bytes - GROUP : n_bytes])
            with reached:
                assert reached.wait_for(lambda n=n_bytes: n in seen, timeout=30)  # type: ignore[misc]
        filled.close()
        encoding.join(30)
    assert not encoding.is_alive()
    assert decode(model, sink.getvalue()) == data


def test_chunks_shorter_than_an_escape_are_the_users_mistake(gappy_tokenizer_json: str) -> None:
    gappy = FakeModel.of(gappy_tokenizer_json)
    data = text(gappy, 1)
    with pytest.raises(UsageError, match=r"chunk_tokens cannot be 1 with this model: .* 2 tokens"):
        encode(gappy, data, Options(chunk_tokens=1))
    assert decode(gappy, encode(gappy, data, Options(chunk_tokens=2))) == data


class Pipe(io.RawIOBase):
    """Gives a few bytes at a time, then fails if so told."""

    def __init__(self, data: bytes, failure: Exception | None = None) -> None:
        self.data, self.at, self.failure = data, 0, failure

    def readable(self) -> bool:
        return True

    def read(self, n_bytes: int = -1) -> bytes:
        piece = self.data[self.at : self.at + min(n_bytes, 700)]
        if not piece and self.failure is not None:
            raise self.failure
        self.at += len(piece)
        return piece


def test_a_pipe_is_read_whole_and_in_order() -> None:
    with read_ahead(cast(BinaryIO, Pipe(NOISE)), 2000) as ahead:
        assert isinstance(ahead, ReadAhead)
        assert read_full(ahead, 10) == NOISE[:10]
        assert read_full(ahead, len(NOISE)) == NOISE[10:]
        assert ahead.read(1) == b""
        assert ahead.ready(1)


def test_a_pipe_is_not_read_further_than_said() -> None:
    pipe = Pipe(NOISE)
    with read_ahead(cast(BinaryIO, pipe), 2000) as ahead:
        assert isinstance(ahead, ReadAhead)
        while not ahead.ready(2000):
            pass
        assert not ahead.ready(4000)
        assert pipe.at <= 2000 + 700
        assert read_full(ahead, 1000) == NOISE[:1000]
    for thread in threading.enumerate():
        if thread.name == "llmzip-input":
            thread.join(30)
            assert not thread.is_alive()


def test_a_file_is_read_directly() -> None:
    source = io.BytesIO(NOISE)
    with read_ahead(source, 2000) as ahead:
        assert ahead is source


def test_what_a_pipe_raises_comes_after_what_it_gave(model: BusyModel) -> None:
    with read_ahead(cast(BinaryIO, Pipe(NOISE[:1500], OSError("unplugged"))), 9999) as ahead:
        assert read_full(ahead, 1500) == NOISE[:1500]
        for _ in range(2):
            with pytest.raises(OSError, match="unplugged"):
                ahead.read(1)
    broken = cast(BinaryIO, Pipe(NOISE, OSError("unplugged")))
    with pytest.raises(OSError, match="unplugged"):
        encode_stream(broken, io.BytesIO(), model.open_to_encode)
