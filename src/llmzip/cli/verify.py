"""--verify: what was written is decoded, and must be what was read, before it counts."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import BinaryIO, cast

from llmzip.cli.messages import Progress
from llmzip.errors import FormatError, VerifyError

Decode = Callable[[BinaryIO, BinaryIO, Progress], object]
"""Decodes what the first stream holds onto the second."""


class Original(io.RawIOBase):
    """The input, which notes what has been read of it, for a later comparison.

    A file is read again then; of what cannot be, a checksum is kept.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._start = source.tell() if source.seekable() else None
        self._read1: Callable[[int], bytes | None] = getattr(source, "read1", source.read)
        self._digest = hashlib.sha256()

    def seekable(self) -> bool:
        """Return whether the source can be read again."""
        return self._start is not None

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes | None:
        """Return some of the next bytes, at most `size`; none at the end."""
        data = self._read1(size)
        if data and self._start is None:
            self._digest.update(data)
        return data

    read1 = read

    def check(self, written: BinaryIO, decode: Decode, progress: Progress) -> None:
        """Raise VerifyError unless what `written` holds is decoded to what has been read."""
        written.seek(0)
        if self._start is None:
            sink: _Comparison = _WithDigest(self._digest.digest())
        else:
            self._source.seek(self._start)
            sink = _WithSource(self._source)
        try:
            decode(written, cast(BinaryIO, sink), progress)
        except FormatError as exc:
            raise VerifyError(
                f"what was written cannot be decoded, nothing is kept: {exc}"
            ) from exc
        sink.finish()


class _Comparison(io.RawIOBase):
    """A sink that compares."""

    def writable(self) -> bool:
        return True

    def finish(self) -> None:
        """Raise VerifyError unless all that was to come has come."""


class _WithSource(_Comparison):
    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._n_bytes = 0

    def write(self, data: object, /) -> int:
        decoded = memoryview(cast(bytes, data))
        if self._source.read(len(decoded)) != decoded:
            last = self._n_bytes + len(decoded)
            raise _differs(f" between bytes {self._n_bytes:,} and {last:,}")
        self._n_bytes += len(decoded)
        return len(decoded)

    def finish(self) -> None:
        if self._source.read(1):
            raise _differs(f" after byte {self._n_bytes:,}")


class _WithDigest(_Comparison):
    def __init__(self, expected: bytes) -> None:
        self._expected = expected
        self._digest = hashlib.sha256()

    def write(self, data: object, /) -> int:
        decoded = memoryview(cast(bytes, data))
        self._digest.update(decoded)
        return len(decoded)

    def finish(self) -> None:
        if self._digest.digest() != self._expected:
            raise _differs("")


def _differs(where: str) -> VerifyError:
    return VerifyError(
        f"what was written decodes to something else than the input{where}, nothing is kept: "
        "the input has changed meanwhile, or llmzip or this machine is at fault; try again"
    )
