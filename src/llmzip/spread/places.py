"""Where bytes are: files of this machine by their paths, others by URLs, through fsspec."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from llmzip.codec.streams import read_full
from llmzip.errors import UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_PRIVATE = ("memory:",)
"""File systems that every process has its own of: no worker sees what is in that of another."""


@dataclass(frozen=True)
class State:
    """What tells a file from its own later contents. version: what its file system has for that."""

    n_bytes: int
    version: str


@dataclass(frozen=True)
class Span:
    """Bytes start to stop (exclusive) of a file.

    place: its path, absolute, or a URL. state: what it was when this was planned; it must not
        have changed. data: the bytes themselves, for a worker that does not see the place.
    """

    place: str
    start: int
    stop: int
    state: State
    data: bytes | None = None

    @property
    def n_bytes(self) -> int:
        """How many bytes it has."""
        return self.stop - self.start

    def read(self) -> bytes:
        """Return the bytes. Raises OSError; UsageError if the file is another one by now."""
        if self.data is not None:
            return self.data
        with opened(self.place) as file:
            if state_of(self.place, file) != self.state:
                raise _changed(self.place)
            file.seek(self.start)
            data = read_full(file, self.n_bytes)
        if len(data) != self.n_bytes:
            raise _changed(self.place)
        return data


def is_url(place: str) -> bool:
    """Return whether `place` is for fsspec to find."""
    return "://" in place


def is_private(place: str) -> bool:
    """Return whether no other process can see it."""
    return place.startswith(_PRIVATE)


@contextmanager
def opened(place: str) -> Iterator[BinaryIO]:
    """Open a file for reading; it can seek. Raises OSError."""
    if not is_url(place):
        with open(place, "rb") as file:  # noqa: PTH123 - a path may be any text that open takes
            yield file
        return
    system, path = file_system(place)
    if is_private(place):  # there all who open a file move one position
        yield io.BytesIO(system.cat_file(path))
        return
    with system.open(path, "rb") as remote:
        yield cast(BinaryIO, remote)


def state_of(place: str, file: BinaryIO | None = None) -> State:
    """Return the state of the file at `place`, which may be open as `file`. Raises OSError."""
    if not is_url(place):
        status = os.stat(place) if file is None else os.fstat(file.fileno())  # noqa: PTH116
        return State(status.st_size, str(status.st_mtime_ns))
    system, path = file_system(place)
    system.invalidate_cache()
    info = system.info(path)
    return State(int(info["size"]), _version(info))


def _version(info: dict[str, Any]) -> str:
    """Return what a file system says of a file that changes whenever its contents do."""
    names = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
    return " ".join(f"{name}={info[name]}" for name in names if name in info)


def exists(place: str) -> bool:
    """Return whether there is a file."""
    if not is_url(place):
        return os.path.lexists(place)
    system, path = file_system(place)
    return bool(system.exists(path))


def file_system(place: str) -> tuple[AbstractFileSystem, str]:
    """Return who finds a URL, and by which path. Raises UsageError where that is not installed."""
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(place)
    except ImportError as exc:
        raise UsageError(
            f"{place}: {exc}; pip install 'llmzip[fsspec]', and what its protocol asks for"
        ) from exc
    except ValueError as exc:
        raise UsageError(f"{place}: {exc}") from exc
    return system, str(path)


def _changed(place: str) -> UsageError:
    return UsageError(f"{place} has changed since the work on it began; do it again")
