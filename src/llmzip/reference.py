"""What a text is compressed against: an older version of it, for one, that both sides hold."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from llmzip.buffers import as_stream
from llmzip.errors import PatchError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from llmzip import container
    from llmzip.layout.copies import LearntReference
    from llmzip.layout.earlier import Earlier

MAX_REFERENCE_BYTES = 1 << 30
"""A copy reaches no further back."""

_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class Learnt:
    """All that compressing wants of a reference.

    record: how a file names it. text: to be read again. anchors: what to find in it.
    """

    record: container.Reference
    text: Earlier
    anchors: LearntReference


class _OwnFile(io.FileIO):
    """A file that is open as long as anybody has it."""

    def __del__(self) -> None:
        self.close()


class Reference:
    """A file, or bytes, that texts are compressed against.

    source: a path, or anything with the buffer protocol. What it holds is looked at when it is
    wanted; it must be the same all the time.

    Raises PatchError for more than a GiB, for nothing, and for a path that is no regular file;
    OSError; TypeError for anything else.
    """

    def __init__(self, source: ReadableBuffer | str | os.PathLike[str]) -> None:
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            self._path: Path | None = path
            self._data = b""
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise PatchError(f"{path}: only a regular file can be a reference")
            self.n_bytes = status.st_size
        else:
            self._path, self._data = None, as_stream(source).getvalue()
            self.n_bytes = len(self._data)
        if not 1 <= self.n_bytes <= MAX_REFERENCE_BYTES:
            raise PatchError(
                f"{self._path or 'a reference'}: a reference has 1 to {MAX_REFERENCE_BYTES:,} "
                f"bytes, this has {self.n_bytes:,}"
            )
        self._learnt: Learnt | None = None

    def open(self) -> BinaryIO:
        """Return what it holds, as a new stream that can seek. Raises OSError."""
        if self._path is None:
            return io.BytesIO(self._data)
        return cast(BinaryIO, _OwnFile(self._path))

    def learnt(self) -> Learnt:
        """Return what compressing wants of it: found at the first call.

        Raises OSError; PatchError where the file has another size by now.
        """
        if self._learnt is None:
            self._learnt = self._learn()
        return self._learnt

    def _learn(self) -> Learnt:
        from llmzip import container
        from llmzip.layout.copies import learn_reference
        from llmzip.layout.earlier import Reread

        stream, checksum = self.open(), container.FileChecksum()
        text = Reread(self.open())

        def blocks() -> Iterator[bytes]:
            while block := stream.read(_BLOCK_BYTES):
                checksum.update(block)
                text.note(block)
                yield block

        with stream:
            anchors = learn_reference(blocks())
        if anchors.n_bytes != self.n_bytes:
            raise PatchError(f"{self._path}: the reference has changed while it was read")
        return Learnt(container.Reference(checksum.digest(), self.n_bytes), text, anchors)

    def __reduce__(self) -> tuple[type[Reference], tuple[bytes | Path]]:
        return Reference, (self._data if self._path is None else self._path,)
