"""The groups of an input, read and prepared ahead of the model.

What needs no model (cutting text into tokens, the classical codec) is done by threads of the
pool while the model works on what came before.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.ahead import ReadAhead
from llmzip.codec.classical import classical_chunk
from llmzip.codec.model import Tokenizer
from llmzip.codec.segment import GROUP_BYTES, plan_runs
from llmzip.codec.streams import read_full
from llmzip.container import Chunk, Readable
from llmzip.errors import UsageError

N_THREADS = max(1, min(4, os.cpu_count() or 1))
N_AHEAD = N_THREADS // 2 or 1
"""How many groups are prepared beside those that the model has been given."""


@dataclass(frozen=True)
class Piece:
    """Tokens that become a chunk, and the bytes that they spell."""

    ids: NDArray[np.int32]
    data: bytes


@dataclass(frozen=True)
class PreparedRun:
    """A run of a group.

    classical: all of it as one chunk. pieces: it as tokens; None where it is not for the model.
    """

    data: bytes
    classical: Future[Chunk]
    pieces: Future[list[Piece]] | None


@dataclass(frozen=True)
class PreparedGroup:
    """What is compressed together."""

    data: bytes
    runs: list[PreparedRun]

    @property
    def for_model(self) -> bool:
        """Whether the model has anything to do."""
        return any(run.pieces is not None for run in self.runs)

    def token_ids(self) -> Iterator[NDArray[np.int32]]:
        """Yield the tokens of all pieces, waiting where they are still being cut."""
        for run in self.runs:
            for piece in run.pieces.result() if run.pieces is not None else ():
                yield piece.ids


class Groups:
    """Deals out the groups of `source` in order: the first is at hand until it is dropped.

    open_tokenizer: called at the first text. n_tokens: what a piece may have.
    """

    def __init__(
        self, source: Readable, open_tokenizer: Callable[[], Tokenizer], n_tokens: int
    ) -> None:
        self._source = source
        self._open_tokenizer = open_tokenizer
        self._n_tokens = n_tokens
        self._pool = ThreadPoolExecutor(N_THREADS, "llmzip-ahead")
        self._groups: deque[PreparedGroup] = deque()
        self._n_streamed = 0  # how many of them, from the first, the model has been given
        self._ended = False

    def first(self) -> PreparedGroup | None:
        """Return the first group that has not been dropped; None at the end."""
        if not self._groups:
            self._read()
        self._read_ahead()
        return self._groups[0] if self._groups else None

    def drop(self) -> None:
        """Be done with the first group."""
        self._groups.popleft()
        self._n_streamed = max(0, self._n_streamed - 1)

    @property
    def is_streamed(self) -> bool:
        """Whether the first group is part of a stream."""
        return self._n_streamed > 0

    def stream(self) -> Iterator[NDArray[np.int32]]:
        """Yield the tokens of the pieces of the first group, and of groups after it.

        Goes on as long as there is text and the input keeps up, so whoever takes them is kept
        busy from group to group; what is complete never waits for input that has not come.
        """
        while True:
            self._read_ahead()
            if self._n_streamed == len(self._groups):
                return
            group = self._groups[self._n_streamed]
            if not group.for_model:
                return
            self._n_streamed += 1
            yield from group.token_ids()

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _read_ahead(self) -> None:
        while len(self._groups) - self._n_streamed <= N_AHEAD and not self._ended:
            if isinstance(self._source, ReadAhead) and not self._source.ready(GROUP_BYTES):
                return
            self._read()

    def _read(self) -> None:
        data = b"" if self._ended else read_full(self._source, GROUP_BYTES)
        self._ended = len(data) < GROUP_BYTES
        if data:
            self._groups.append(self._prepared(data))

    def _prepared(self, data: bytes) -> PreparedGroup:
        runs = []
        for run in plan_runs(data):
            own = data[run.start : run.stop]
            pieces = None
            if run.for_model:
                tokenizer = self._open_tokenizer()
                pieces = self._pool.submit(cut_into_pieces, tokenizer, own, self._n_tokens)
            runs.append(PreparedRun(own, self._pool.submit(classical_chunk, own), pieces))
        return PreparedGroup(data, runs)


def cut_into_pieces(tokenizer: Tokenizer, text: bytes, n_tokens: int) -> list[Piece]:
    """Return `text` in pieces of at most `n_tokens`. Raises UsageError if these are too few."""
    try:
        cut = tokenizer.split(tokenizer.encode(text), n_tokens)
    except ValueError as exc:
        raise UsageError(f"chunk_tokens cannot be {n_tokens} with this model: {exc}") from exc
    pieces = [Piece(ids, tokenizer.decode(ids)) for ids in cut]
    if b"".join(piece.data for piece in pieces) != text:
        raise AssertionError("the tokens do not spell the text that they were made from")
    return pieces
