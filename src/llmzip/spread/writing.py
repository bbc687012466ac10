"""Files that are written by whoever puts them together: complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import xxhash

from llmzip.spread.places import exists, file_system, is_url, opened
from llmzip.spread.units import digest
from llmzip.temporaries import Temporary, take_status


@contextmanager
def writing(place: str, *, replace: bool) -> Iterator[BinaryIO]:
    """Open a path or URL for writing; it is there, complete, once the block has ended well.

    What goes to a URL is kept in a temporary file until then.
    Raises FileExistsError if it is there and `replace` is not set; OSError.
    """
    if not replace and exists(place):
        raise FileExistsError(f"{place} exists; replace=True writes over it")
    if is_url(place):
        with tempfile.TemporaryFile() as file:
            yield cast(BinaryIO, file)
            file.seek(0)
            _upload(place, cast(BinaryIO, file))
        return
    with _local(Path(place), replace) as local:
        yield local


def write_whole(place: str, data: bytes, *, replace: bool) -> None:
    """Write all of a file: see writing. One that is there with this very content is no error."""
    if not replace and is_already(place, data):
        return
    with writing(place, replace=replace) as file:
        file.write(data)


def is_already(place: str, data: bytes) -> bool:
    """Return whether a file holds this already, as one does that a lost worker has written."""
    return digest_at(place) == digest(data)


def digest_at(place: str) -> bytes | None:
    """Return the digest of a file, None where there is none. Raises OSError."""
    if not exists(place):
        return None
    with opened(place) as file:
        return digest_of(file)


def digest_of(stream: BinaryIO) -> bytes:
    """Return the digest of what a stream still holds."""
    state = xxhash.xxh3_128()
    while piece := stream.read(1 << 20):
        state.update(piece)
    return state.digest()


def _upload(place: str, file: BinaryIO) -> None:
    system, path = file_system(place)
    system.makedirs(system._parent(path), exist_ok=True)
    with system.open(path, "wb") as sink:  # object stores show an object when it is complete
        shutil.copyfileobj(file, sink, 1 << 20)


@contextmanager
def _local(path: Path, replace: bool) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Temporary(path)
    try:
        with os.fdopen(temporary.descriptor, "wb", closefd=False) as file:
            yield file
        take_status(temporary.descriptor, None)
        os.fsync(temporary.descriptor)
        temporary.put_in_place(replace)
    finally:
        temporary.close()
