"""The files that are read: which are skipped, and which may be removed in the end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from llmzip.cli.files import STDIO, pipe_stream, stdin_stream
from llmzip.cli.special import own_descriptor
from llmzip.errors import UsageError


@dataclass(frozen=True)
class Identity:
    """What tells a file from another one of the same name, and from its own earlier contents.

    changed_ns: when it was last written, renamed, or given another mode; nobody can set it.
    """

    device: int
    inode: int
    n_bytes: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Return that of the file with this status."""
        return cls(
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )


class Input:
    """A file that is being read. source: STDIO, or its path. status: when it was opened."""

    def __init__(self, source: Path, stream: BinaryIO) -> None:
        self.source = source
        self.stream = stream
        self.status = os.fstat(stream.fileno())
        self._was_the_same_when_read = False

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file with a name of its own."""
        named = self.source != STDIO and own_descriptor(self.source) is None
        return named and stat.S_ISREG(self.status.st_mode)

    def note_read(self) -> None:
        """Look whether what was read is what was opened; to be called while it is open."""
        now = Identity.of(os.fstat(self.stream.fileno()))
        self._was_the_same_when_read = now == Identity.of(self.status)

    def remove(self) -> bool:
        """Remove the file, unless its name stands for anything else than what has been read.

        Return whether it is removed.
        """
        if not self.is_file or not self._was_the_same_when_read:
            return False
        try:
            now = self.source.stat()
        except FileNotFoundError:
            return False
        if Identity.of(now) != Identity.of(self.status):
            return False
        self.source.unlink()
        return True


def refuse_terminal(stream: BinaryIO) -> None:
    """Raise UsageError where compressed data would be read from a keyboard."""
    if stream.isatty():
        raise UsageError("compressed data is not read from a terminal")


@contextmanager
def opened(source: Path) -> Iterator[Input]:
    """Open what a person names: a path, or STDIO."""
    if source == STDIO or own_descriptor(source) == 0:
        yield Input(source, stdin_stream())
        return
    with source.open("rb") as file:
        yield Input(source, file if file.seekable() else pipe_stream(file))
