"""Checks of forms, which may begin before anybody asks: a thread reads while others import."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import xxhash

CHECK_BYTES = 16
"""What a form begins with: XXH3-128 of all that follows."""

_BLOCK_BYTES = 1 << 20

_Key = tuple[int, str, int, int, int]


class _Check(Thread):
    """Checks a file. is_whole: what it found, once it has ended."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="llmzip-check", daemon=True)
        self._path = path
        self.is_whole = False

    def run(self) -> None:
        """Read it all; of what cannot be read nothing is known to be whole."""
        try:
            self.is_whole = _is_as_written(self._path)
        except OSError:
            self.is_whole = False


_begun: dict[_Key, _Check] = {}


def begin_check(path: Path) -> None:
    """Begin to check a file beside what the caller goes on to. Raises OSError."""
    check = _begun[_key(path)] = _Check(path)
    check.start()


def is_whole(path: Path) -> bool:
    """Whether a file is as it was written; waits for what was begun. Raises OSError."""
    check = _begun.pop(_key(path), None)
    if check is None:
        return _is_as_written(path)
    check.join()
    return check.is_whole


def _key(path: Path) -> _Key:
    """A file as it is now, for this process: threads stay behind in a fork."""
    status = path.stat()
    return os.getpid(), str(path), status.st_ino, status.st_size, status.st_mtime_ns


def _is_as_written(path: Path) -> bool:
    """It is read, not mapped, so that it takes no memory."""
    state, block = xxhash.xxh3_128(), bytearray(_BLOCK_BYTES)
    with path.open("rb", buffering=0) as file:
        check = file.read(CHECK_BYTES)
        while n_bytes := file.readinto(block):
            state.update(memoryview(block)[:n_bytes])
    return check == state.digest()
