"""Reads a pipe while the model works, so that whoever fills it need not wait for the model."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from llmzip.container import Readable
from llmzip.forks import Origin

_PIECE_BYTES = 1 << 16


class ReadAhead:
    """What has been read of `source`, by a thread of its own: up to `n_bytes` and a piece.

    The thread ends at the end of `source`, or soon after close(); while `source` gives nothing
    it waits in a read that nobody can end, but keeps no program from ending.
    """

    def __init__(self, source: BinaryIO, n_bytes: int) -> None:
        self._read: Callable[[int], bytes | None] = getattr(source, "read1", source.read)
        self._most = n_bytes
        self._pieces: deque[bytes] = deque()
        self._n_held = 0
        self._ended = False
        self._closed = False
        self._failure: BaseException | None = None
        self._origin = Origin()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="llmzip-input", daemon=True).start()

    def read(self, n_bytes: int, /) -> bytes:
        """Return at least one of the next bytes and at most `n_bytes`; none at the end.

        Raises what the source raised, once all bytes before are given out; UsageError in a forked
        child, where nobody reads.
        """
        self._origin.require()
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._ended)
            if not self._pieces:
                if self._failure is not None:
                    raise self._failure
                return b""
            piece = self._pieces.popleft()
            if len(piece) > n_bytes:
                self._pieces.appendleft(piece[n_bytes:])
                piece = piece[:n_bytes]
            self._n_held -= len(piece)
            self._changed.notify_all()
            return piece

    def ready(self, n_bytes: int) -> bool:
        """Return whether `n_bytes`, or all that are left, can be read without waiting."""
        with self._changed:
            return self._ended or self._n_held >= n_bytes

    def close(self) -> None:
        """Read no more than has been begun. The source is left open."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while piece := self._read(_PIECE_BYTES):
                if not self._keep(piece):
                    return
            if piece is None:
                raise BlockingIOError("the input is set not to block and has nothing to give now")
        except BaseException as exc:  # whatever it is, it belongs to the thread that reads
            self._failure = exc
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _keep(self, piece: bytes) -> bool:
        """Hold `piece` and wait until there is room for another; return whether to go on."""
        with self._changed:
            self._pieces.append(piece)
            self._n_held += len(piece)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._n_held < self._most)
            return not self._closed


@contextmanager
def read_ahead(source: BinaryIO, n_bytes: int) -> Iterator[Readable]:
    """Yield `source`, by way of a ReadAhead if reading it may take as long as others like."""
    seekable: Callable[[], bool] | None = getattr(source, "seekable", None)
    if seekable is None or seekable():
        yield source
        return
    ahead = ReadAhead(source, n_bytes)
    try:
        yield ahead
    finally:
        ahead.close()
