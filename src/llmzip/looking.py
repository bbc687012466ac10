"""Looking at .llmz files without decoding them: what they are, what they hold, are they whole."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from llmzip.arguments import require_source
from llmzip.buffers import as_stream
from llmzip.container.limits import SIGNATURE
from llmzip.errors import TrailingError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from llmzip.container import Summary

    Source = str | os.PathLike[str] | ReadableBuffer | BinaryIO | io.BufferedIOBase | io.RawIOBase


def is_llmz(source: Source) -> bool:
    """Return whether `source` begins as a .llmz file does; inspect() tells whether it is whole.

    source: a path (str or os.PathLike), the bytes themselves (anything with the buffer
        protocol), or a binary file object that can seek, which stays where it was.
    Raises OSError where a path cannot be read and where a file object cannot seek; TypeError.
    """
    with _opened(source) as stream:
        if not stream.seekable():
            raise io.UnsupportedOperation("what cannot seek cannot be looked at without taking it")
        start = stream.tell()
        try:
            return stream.read(len(SIGNATURE)) == SIGNATURE
        finally:
            stream.seek(start)


def inspect(source: Source) -> Iterator[Summary]:
    """Yield what each member of a .llmz file holds; every byte is checked, none decoded.

    source: as for is_llmz, but a file object need not seek; it is read from where it stands.
    Raises FormatError: of these TrailingError at the end, where other data than zeros follows.
    TypeError; OSError.
    """
    from llmzip import container

    with _opened(source) as stream:
        yield from container.inspect(stream)


def decoded_size(source: BinaryIO, allow_trailing: bool = False) -> int | None:
    """Check every byte of a .llmz file without decoding it; return its decoded size in bytes.

    Leaves `source` where it was. Of a source that cannot seek nothing is read: None.
    Raises FormatError: of these TrailingError not if `allow_trailing`.
    """
    if not source.seekable():
        return None
    start = source.tell()
    n_bytes = 0
    try:
        for member in inspect(source):
            n_bytes += member.n_bytes
    except TrailingError:
        if not allow_trailing:
            raise
    source.seek(start)
    return n_bytes


@contextmanager
def _opened(source: object) -> Iterator[BinaryIO]:
    """Yield `source` as a stream, which is closed afterwards if it was opened here."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:  # noqa: PTH123
            yield file
    elif hasattr(source, "read") and not _has_buffer(source):
        require_source(source)
        yield cast(BinaryIO, source)
    else:
        yield cast(BinaryIO, as_stream(source))


def _has_buffer(source: object) -> bool:
    """Whether these are bytes, even if they can be read as a file can: an mmap's are."""
    try:
        memoryview(source)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True
