"""Files of compressed text as file objects, in the manner of lzma.LZMAFile and gzip.GzipFile."""

from __future__ import annotations

import builtins
import io
import os
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal, cast, overload

from llmzip.buffers import as_bytes
from llmzip.compressor import DEFAULT_LEVEL, Compressor
from llmzip.decompressor import Decompressor
from llmzip.text_stream import TextStream

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from llmzip.codec.push import PushEncoder

Name = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_READ, _WRITE = {"r", "rb"}, {"w", "wb", "a", "ab", "x", "xb"}


class LlmzFile(io.BufferedIOBase):
    """A .llmz file, open for reading the text in it or for writing one.

    file: a name, or a binary file object, which close() leaves open.
    mode: "r", "w" (replaces), "x" (must not be there), "a" (adds a member); a "b" changes nothing.
    level, options: as for Compressor or Decompressor; or `compressor` or `decompressor`, one that
        has its model open and goes on being used.

    Reading can seek where the file can: a seek decodes only the group that it lands in, from its
    beginning. Whole members are checked by their checksums where they are read from one end to
    the other, chunks always.

    Raises ValueError for another mode, TypeError for no file, OSError; reading raises
    FormatError, EOFError (TruncatedError is one) and what opening a model raises.
    """

    def __init__(
        self,
        file: Name | IO[bytes],
        mode: str = "r",
        *,
        level: int | None = None,
        compressor: Compressor | None = None,
        decompressor: Decompressor | None = None,
        **options: Any,
    ) -> None:
        if mode not in _READ | _WRITE:
            raise ValueError(f"invalid mode: {mode!r}")
        if mode in _READ and level is not None:
            raise TypeError("a level is for writing only")
        self._is_reading = mode in _READ
        self._encoder: PushEncoder | None = None
        self._reader: io.BufferedReader | None = None
        self._n_written = 0
        if self._is_reading:
            decompressor = decompressor or Decompressor(**options)
        else:
            level = DEFAULT_LEVEL if level is None else level
            compressor = compressor or Compressor(level=level, **options)
        self._file, self._owns_file = _opened(file, mode)
        self._compressor = compressor
        if decompressor is not None:
            self._reader = io.BufferedReader(TextStream(self._file, decompressor))
        elif compressor is not None:
            self._encoder = compressor.pushed(self._file)

    @property
    def name(self) -> str | bytes:
        """The name of the underlying file."""
        self._require_open()
        return cast(str | bytes, self._file.name)

    @property
    def mode(self) -> Literal["rb", "wb"]:
        """How it is open."""
        return "rb" if self._is_reading else "wb"

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._file is None

    def close(self) -> None:
        """Write what is left, if it was for writing; may be called again."""
        if self.closed:
            return
        file, self._file = self._file, cast(BinaryIO, None)
        try:
            if self._reader is not None:
                self._reader.close()
            if self._encoder is not None and self._compressor is not None:
                self._compressor.in_turn(self._encoder.finish)
        finally:
            self._reader = self._encoder = None
            if self._owns_file:
                file.close()

    def fileno(self) -> int:
        """Return the descriptor of the underlying file."""
        self._require_open()
        return self._file.fileno()

    def readable(self) -> bool:
        """Whether it is open for reading."""
        self._require_open()
        return self._is_reading

    def writable(self) -> bool:
        """Whether it is open for writing."""
        self._require_open()
        return not self._is_reading

    def seekable(self) -> bool:
        """Whether the text can be read from another place."""
        return self.readable() and self._file.seekable()

    def peek(self, size: int = -1) -> bytes:
        """Return some bytes without taking them, at least one unless at the end."""
        return self._source().peek(size)

    def read(self, size: int | None = -1) -> bytes:
        """Return `size` bytes of the text, fewer only at its end; all that is left for -1."""
        return self._source().read(-1 if size is None else size)

    def read1(self, size: int = -1) -> bytes:
        """Return up to `size` bytes with one read of the file at most."""
        return self._source().read1(io.DEFAULT_BUFFER_SIZE if size < 0 else size)

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer`; return how many bytes were read."""
        return self._source().readinto(buffer)

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line of the text with its end, `size` bytes of it at most."""
        return self._source().readline(-1 if size is None else size)

    def __iter__(self) -> LlmzFile:
        self._source()
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def write(self, data: ReadableBuffer) -> int:
        """Take `data`; return how many bytes that were. They are written group by group."""
        self._require_open()
        encoder = self._encoder
        if encoder is None or self._compressor is None:
            raise io.UnsupportedOperation("not open for writing")
        view = as_bytes(data)
        self._compressor.in_turn(lambda: encoder.write(view))
        self._n_written += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte of the text; return its offset from the beginning."""
        return self._source(to_seek=True).seek(offset, whence)

    def tell(self) -> int:
        """Return the offset in the text."""
        self._require_open()
        return self._n_written if self._reader is None else self._reader.tell()

    def _source(self, *, to_seek: bool = False) -> io.BufferedReader:
        self._require_open()
        if self._reader is None:
            raise io.UnsupportedOperation("not open for reading")
        if to_seek and not self._file.seekable():
            raise io.UnsupportedOperation("the underlying file cannot seek")
        return self._reader

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")


def _opened(file: Name | IO[bytes], mode: str) -> tuple[BinaryIO, bool]:
    """Return a binary file, and whether it is ours to close."""
    if isinstance(file, str | bytes | os.PathLike):
        binary = mode if "b" in mode else mode + "b"
        return cast(BinaryIO, builtins.open(file, binary)), True  # noqa: PTH123
    if hasattr(file, "read") or hasattr(file, "write"):
        return cast(BinaryIO, file), False
    raise TypeError("file must be a str, bytes, os.PathLike or file object")


@overload
def open(
    file: Name | IO[bytes],
    mode: Literal["rt", "wt", "xt", "at"],
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    **how: Any,
) -> io.TextIOWrapper: ...


@overload
def open(
    file: Name | IO[bytes],
    mode: Literal["r", "rb", "w", "wb", "x", "xb", "a", "ab"] = "rb",
    **how: Any,
) -> LlmzFile: ...


@overload
def open(file: Name | IO[bytes], mode: str, **how: Any) -> LlmzFile | io.TextIOWrapper: ...


def open(
    file: Name | IO[bytes],
    mode: str = "rb",
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    **how: Any,
) -> LlmzFile | io.TextIOWrapper:
    """Open a .llmz file: an LlmzFile, or in a text mode ("rt", "wt", ...) a TextIOWrapper on one.

    encoding, errors, newline: as for the built-in open, text modes only. how: as for LlmzFile.
    Raises as LlmzFile does.
    """
    if "t" in mode:
        if "b" in mode:
            raise ValueError(f"invalid mode: {mode!r}")
        binary = LlmzFile(file, mode.replace("t", ""), **how)
        return io.TextIOWrapper(binary, io.text_encoding(encoding), errors, newline)
    for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is not None:
            raise ValueError(f"argument {name!r} is for text modes only")
    return LlmzFile(file, mode, **how)
