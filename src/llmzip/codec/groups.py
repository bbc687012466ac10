"""The groups of an input, read and prepared ahead of the model.

What needs no model (cutting text into tokens, the classical codec) is done by threads of the
pool while the model works on what came before.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.ahead import ReadAhead
from llmzip.codec.classical import classical_chunk, least_size, says_least
from llmzip.codec.extent import GroupReader
from llmzip.codec.layouts import layout_chunk
from llmzip.codec.model import Tokenizer
from llmzip.codec.pieces import Piece, Tokens, cut_into_pieces, tokens_of
from llmzip.codec.tar_chunks import headers_chunk
from llmzip.codec.unaided import Unaided
from llmzip.container import Chunk, Readable
from llmzip.encodings.detect import Found
from llmzip.forks import Threads
from llmzip.layout.planned import Repeat, Stream
from llmzip.layout.program import Layout, Supplied, supplied

Choose = Callable[["PreparedGroup"], "PreparedGroup"]
"""Takes a group, and returns it by the shortlist of the vocabulary that does for it."""

FindCopies = Callable[[bytes], Sequence[Repeat]]
"""Takes the next group of a text, and returns what of it is there already."""


def no_copies(_group: bytes) -> Sequence[Repeat]:
    """Find none."""
    return ()


N_THREADS = max(1, min(8, os.cpu_count() or 1))
N_AHEAD = N_THREADS // 2 or 1
"""How many groups are prepared beside those that the model has been given."""


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """A run of a group.

    unaided: all of it without the model. tokens: None where it is not for the model.
    """

    data: bytes
    unaided: Unaided
    tokens: Future[Tokens] | None
    tokenizer: Tokenizer | None
    _cut: dict[int, list[Piece]] = field(default_factory=dict)

    def n_tokens(self) -> int:
        """Return how many tokens it has, waiting where they are still being cut."""
        return 0 if self.tokens is None else len(self.tokens.result().ids)

    def n_spare(self) -> int:
        """Return how many more tokens its pieces should hold than their share: see Tokens."""
        return 0 if self.tokens is None else self.tokens.result().n_spare

    def pieces(self, n_tokens: int) -> list[Piece]:
        """Return it in pieces of at most `n_tokens`. Raises UsageError if these are too few."""
        assert self.tokens is not None
        assert self.tokenizer is not None
        if n_tokens not in self._cut:
            tokens = self.tokens.result()
            self._cut[n_tokens] = cut_into_pieces(self.tokenizer, tokens, self.data, n_tokens)
        return self._cut[n_tokens]


@dataclass(frozen=True, eq=False)
class PreparedGroup:
    """What is compressed together.

    layout: how its text is put together from the runs; None where it is these, in order.
    supplied: what of it the layout supplies.
    unaided: all of it without the model, where that is worth to be compared with.
    shortlist: which one has the runs' tokens, once that is chosen.
    """

    data: bytes
    runs: list[PreparedRun]
    layout: Future[Chunk] | None
    supplied: Supplied
    unaided: Unaided | None
    shortlist: int = 0
    is_chosen: bool = False

    @property
    def content(self) -> bytes:
        """What the runs come to."""
        return self.data if self.layout is None else b"".join(run.data for run in self.runs)

    @property
    def for_model(self) -> bool:
        """Whether the model has anything to do."""
        return any(run.tokens is not None for run in self.runs)

    def token_ids(self, n_tokens: int) -> Iterator[NDArray[np.int32]]:
        """Yield the tokens of all pieces, waiting where they are still being cut."""
        for run in self.runs:
            for piece in run.pieces(n_tokens) if run.tokens is not None else ():
                yield piece.ids


class Preparation:
    """Threads that prepare groups: what the model waits for goes before what is compared with it.

    Two pools, for the classical codecs of many texts must not stand before the tokens of the last.
    """

    def __init__(self) -> None:
        self._for_model = Threads(N_THREADS, "llmzip-ahead")
        self._beside = Threads(N_THREADS, "llmzip-beside")

    def tokens(self, tokenizer: Tokenizer, text: bytes, found: Found | None) -> Future[Tokens]:
        """Begin to cut a text, in the encoding that was found, into tokens."""
        return self._for_model.submit(tokens_of, tokenizer, text, found)

    def unaided(self, data: bytes, *, in_doubt: bool) -> Unaided:
        """Begin to compress data without the model; in_doubt: where this may be beaten."""

        def chunk() -> Future[Chunk]:
            return self._beside.submit(classical_chunk, data)

        def least() -> Future[int]:
            return self._beside.submit(least_size, data)

        return Unaided(chunk, least if in_doubt and says_least(data) else None)

    def headers(self, blocks: bytes) -> Unaided:
        """Begin to code headers of a tar."""
        return Unaided(lambda: self._beside.submit(headers_chunk, blocks))

    def layout(self, layout: Layout, text: bytes) -> Future[Chunk]:
        """Begin to code the layout of a group that comes to `text`."""
        return self._beside.submit(layout_chunk, layout, text)

    def close(self) -> None:
        """Begin nothing more."""
        for pool in (self._for_model, self._beside):
            pool.shutdown(wait=False, cancel_futures=True)


def whole_vocabulary(group: PreparedGroup) -> PreparedGroup:
    """Choose no shortlist."""
    return group


class Groups:
    """Deals out the groups of `source` in order: the first is at hand until it is dropped.

    open_tokenizer: called at the first text. n_bytes: the size of a group. threads: that go on
    when this is closed; its own if None. find_copies: is given each group, in order. choose: is
    given each group once. any_text: let the model have text, too, that is too short to be worth it.
    """

    def __init__(
        self,
        source: Readable,
        open_tokenizer: Callable[[], Tokenizer],
        n_bytes: int,
        threads: Preparation | None = None,
        find_copies: FindCopies = no_copies,
        choose: Choose = whole_vocabulary,
        *,
        any_text: bool = False,
    ) -> None:
        self._any_text = any_text
        self._source = source
        self._reader = GroupReader(source, n_bytes)
        self._find_copies = find_copies
        self._choose = choose
        self._open_tokenizer = open_tokenizer
        self._n_bytes = n_bytes
        self._is_own = threads is None
        self._threads = threads or Preparation()
        self._groups: deque[PreparedGroup] = deque()
        self._n_streamed = 0  # how many of them, from the first, the model has been given
        self._ended = False

    def first(self) -> PreparedGroup | None:
        """Return the first group that has not been dropped; None at the end."""
        if not self._groups:
            self._read()
        self._read_ahead()
        return self._chosen(0) if self._groups else None

    def at_hand(self, most: int) -> list[PreparedGroup]:
        """Return the groups, from the first, that can be had without waiting: `most` at most."""
        self._read_ahead(most - 1)
        return [self._chosen(number) for number in range(min(most, len(self._groups)))]

    def drop(self) -> None:
        """Be done with the first group."""
        self._groups.popleft()
        self._n_streamed = max(0, self._n_streamed - 1)

    @property
    def is_streamed(self) -> bool:
        """Whether the first group is part of a stream."""
        return self._n_streamed > 0

    def stream(self, n_tokens: int) -> Iterator[NDArray[np.int32]]:
        """Yield the tokens of the pieces of the first group, and of groups after it.

        Goes on as long as there is text by the same shortlist and the input keeps up, so whoever
        takes them is kept busy from group to group; what is complete never waits for input that has
        not come.
        n_tokens: what a piece may have.
        """
        shortlist: int | None = None
        while True:
            self._read_ahead()
            if self._n_streamed == len(self._groups):
                return
            group = self._chosen(self._n_streamed)
            if not group.for_model or shortlist not in (None, group.shortlist):
                return
            shortlist = group.shortlist
            self._n_streamed += 1
            yield from group.token_ids(n_tokens)

    def close(self) -> None:
        """Begin nothing more."""
        if self._is_own:
            self._threads.close()

    def _chosen(self, number: int) -> PreparedGroup:
        """Return one of the groups at hand, waiting for its tokens if there are lists to choose."""
        if not self._groups[number].is_chosen:
            group = self._choose(self._groups[number])
            self._groups[number] = replace(group, is_chosen=True)
        return self._groups[number]

    def _read_ahead(self, n_ahead: int = N_AHEAD) -> None:
        while len(self._groups) - self._n_streamed <= n_ahead and not self._ended:
            if isinstance(self._source, ReadAhead) and not self._source.ready(self._n_bytes):
                return
            self._read()

    def _read(self) -> None:
        data = self._reader.read()
        self._ended = self._reader.is_done
        if data:
            self._groups.append(self._prepared(data))

    def _prepared(self, data: bytes) -> PreparedGroup:
        from llmzip.codec.plan import plan_group  # brings what not all decoding needs

        planned = plan_group(data, self._find_copies(data), any_text=self._any_text)
        runs = [self._run(stream) for stream in planned.streams]
        layout, found = None, Supplied()
        if planned.layout is not None:
            layout = self._threads.layout(planned.layout, data)
            found = supplied(planned.layout, len(data) - planned.n_content)
        is_simple = layout is None and len(runs) == 1
        is_supplied = 2 * planned.n_content < len(data)  # then no codec does better by itself
        for_model = any(stream.for_model for stream in planned.streams)
        is_alone = is_simple or is_supplied
        whole = None if is_alone else self._threads.unaided(data, in_doubt=for_model)
        return PreparedGroup(data, runs, layout, found, whole)

    def _run(self, stream: Stream) -> PreparedRun:
        tokenizer = self._open_tokenizer() if stream.for_model else None
        tokens = self._threads.tokens(tokenizer, stream.data, stream.found) if tokenizer else None
        if stream.is_headers:
            unaided = self._threads.headers(stream.data)
        else:
            unaided = self._threads.unaided(stream.data, in_doubt=stream.for_model)
        return PreparedRun(stream.data, unaided, tokens, tokenizer)
