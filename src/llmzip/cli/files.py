"""Streams as the command line meets them: no byte lost on the way in or out.

Standard input and output are used through their descriptors, because Python's own objects
change with the environment: under PYTHONUNBUFFERED=1 `sys.stdout.buffer.write` may write a
part and say nothing.
"""

from __future__ import annotations

import io
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from llmzip import descriptors

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

STDIO = Path("-")
"""What a person writes for standard input or output."""


def as_file(path: Path) -> Path:
    """Return `path` so that it cannot be taken for STDIO: what is meant is a file of that name."""
    return path.absolute() if path == STDIO else path


class ReaderGoneError(Exception):
    """Whoever read our output has closed the pipe."""


class Descriptor(io.RawIOBase):
    """A raw stream over a file descriptor that it does not close.

    A write is whole or an error, and a descriptor that another program has made
    non-blocking is waited for: neither end can be cut off unnoticed. Errors carry `name`.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self.name = name

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether a person sits at the other end."""
        return os.isatty(self._descriptor)

    def readable(self) -> bool:
        """Return True: what the descriptor really allows shows at the first read."""
        return True

    def writable(self) -> bool:
        """Return True: what the descriptor really allows shows at the first write."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes, at least one unless at the end."""
        view = memoryview(buffer).cast("B")
        with self._named():
            while True:
                try:
                    data = os.read(self._descriptor, len(view))
                except BlockingIOError:
                    select.select([self._descriptor], [], [])
                    continue
                view[: len(data)] = data
                return len(data)

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`.

        Raises ReaderGoneError if the other end of a pipe is closed, OSError otherwise.
        """
        view = memoryview(data).cast("B")
        n_written = 0
        with self._named():
            while n_written < len(view):
                try:
                    n_written += os.write(self._descriptor, view[n_written:])
                except BlockingIOError:
                    select.select([], [self._descriptor], [])
                except BrokenPipeError as exc:
                    raise ReaderGoneError(self.name) from exc
        return n_written

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            exc.filename = self.name
            raise


class RegularFile(Descriptor):
    """A Descriptor of a file, to which one can go back."""

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to `offset`; return where that is from the start."""
        with self._named():
            return os.lseek(self._descriptor, offset, whence)

    def truncate(self, size: int | None = None) -> int:
        """Cut the file off after `size` bytes, or where we are; stay there."""
        size = self.tell() if size is None else size
        with self._named():
            os.ftruncate(self._descriptor, size)
        return size


def stdin_stream() -> BinaryIO:
    """Return standard input as a buffered stream. Raises OSError where it is closed."""
    descriptors.require_open(0)
    return cast(BinaryIO, io.BufferedReader(Descriptor(0, descriptors.NAMES[0]), 1 << 16))


def pipe_stream(pipe: BinaryIO) -> BinaryIO:
    """Return what can be read from `pipe`, which may be closed while a thread waits for more."""
    name = str(getattr(pipe, "name", "pipe"))
    return cast(BinaryIO, io.BufferedReader(Descriptor(pipe.fileno(), name), 1 << 16))


@contextmanager
def stdout_stream() -> Iterator[BinaryIO]:
    """Yield standard output as a stream whose writes are whole. Raises OSError where closed."""
    with descriptors.claimed_output() as descriptor:
        yield cast(BinaryIO, Descriptor(descriptor, descriptors.NAMES[1]))
