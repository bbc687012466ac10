"""A file of arrays: what a form of a model is kept in.

XXH3-128 of all that follows; how long the header is (8 bytes, little endian); the header, JSON,
with a label and where which array lies; zeros; and the arrays, each from a multiple of LINE_BYTES
on. The label says what the arrays were made of, and by which rules.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from llmzip.exact.aligned import LINE_BYTES, aligned_zeros
from llmzip.models.form_checks import CHECK_BYTES, is_whole

Arrays = dict[str, NDArray[Any]]
Entry = tuple[str, list[int], int]
"""An array's type, its sizes, and where it begins."""

_BEGIN = CHECK_BYTES + 8
_MOST_HEADER_BYTES = 1 << 20
_KINDS = "u1", "i1", "i2", "i4", "i8", "u8", "f4", "f8"
_DTYPES = {np.dtype(kind).str: np.dtype(kind) for kind in _KINDS}
_NO_FORM = ValueError, KeyError, TypeError, AttributeError, RecursionError


def read_form(path: Path, label: str) -> Arrays | None:
    """The arrays of a file with this label, mapped, if it is as it was written; else None.

    What is written to them stays in memory. Raises OSError.
    """
    if not is_whole(path):
        return None
    try:
        own_label, arrays = _mapped(path)
    except _NO_FORM:
        return None
    return arrays if own_label == label else None


def read_arrays(path: Path, names: Iterable[str]) -> Arrays | None:
    """Some arrays of a file that has been checked, in memory that is asked for as huge pages.

    None if it is no such file any more. Raises OSError.
    """
    try:
        _, entries = _header_of(_map(path))
        with path.open("rb", buffering=0) as file:
            return {name: _read(file, *entries[name]) for name in names}
    except _NO_FORM:
        return None


def write_form(path: Path, label: str, arrays: Mapping[str, NDArray[Any]], mode: int) -> None:
    """Put a file in place, whole or not at all, if nobody else is at it now. Raises OSError."""
    partial = path.with_name(f".{path.name}.partial")  # one that a killed process left is replaced
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            _write_all(file, label, arrays)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _mapped(path: Path) -> tuple[str, Arrays]:
    """A file's label, and its arrays; what is written to them stays in memory.

    Raises: OSError; ValueError, KeyError, TypeError, AttributeError, RecursionError for no form.
    """
    memory = _map(path)
    label, entries = _header_of(memory)
    return label, {name: _array(memory, *entry) for name, entry in entries.items()}


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _header_of(memory: mmap.mmap) -> tuple[str, dict[str, Entry]]:
    """The label, and where which array lies."""
    n_header = int.from_bytes(memory[CHECK_BYTES:_BEGIN], "little")
    if n_header > min(len(memory) - _BEGIN, _MOST_HEADER_BYTES):
        raise ValueError("its header is longer than the file")
    header = json.loads(memory[_BEGIN : _BEGIN + n_header])
    entries: dict[str, Entry] = header["arrays"]
    for _, sizes, begin in entries.values():
        if begin % LINE_BYTES or any(type(size) is not int or size < 0 for size in sizes):
            raise ValueError("an array of no size, or out of line")
    return header["label"], entries


def _array(memory: mmap.mmap, kind: str, sizes: list[int], begin: int) -> NDArray[Any]:
    return np.frombuffer(memory, _DTYPES[kind], math.prod(sizes), begin).reshape(sizes)


def _read(file: IO[bytes], kind: str, sizes: list[int], begin: int) -> NDArray[Any]:
    array = aligned_zeros(tuple(sizes), _DTYPES[kind])
    rest = array.reshape(-1).view(np.uint8).data
    file.seek(begin)
    while rest:
        n_bytes = file.readinto(rest)  # type: ignore[attr-defined]  # of a file without a buffer
        if not n_bytes:
            raise ValueError("the file ends before its arrays do")
        rest = rest[n_bytes:]
    return array


def _write_all(file: IO[bytes], label: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    state, place = xxhash.xxh3_128(), CHECK_BYTES
    file.write(bytes(CHECK_BYTES))
    for part in _parts(label, arrays):
        state.update(part)
        file.write(part)
        place += part.nbytes
    file.seek(0)
    file.write(state.digest())


def _parts(label: str, arrays: Mapping[str, NDArray[Any]]) -> Iterator[memoryview]:
    """Yield all of a file behind its check."""
    header = _header(label, arrays)
    place = _BEGIN + len(header)
    yield memoryview(len(header).to_bytes(8, "little") + header)
    for array in arrays.values():
        gap = -place % LINE_BYTES
        yield memoryview(bytes(gap))
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        place += gap + array.nbytes


def _header(label: str, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The header, as long as it is with the largest offsets: spaces fill it up."""
    n_most = len(json.dumps(_entries(label, arrays, 1 << 62)))
    text = json.dumps(_entries(label, arrays, _BEGIN + n_most))
    return text.encode().ljust(n_most)


def _entries(label: str, arrays: Mapping[str, NDArray[Any]], place: int) -> dict[str, object]:
    """What the header says, if what follows it begins at `place`."""
    entries: dict[str, object] = {}
    for name, array in arrays.items():
        place += -place % LINE_BYTES
        assert array.dtype.str in _DTYPES, "what is kept can be read again"
        entries[name] = array.dtype.str, array.shape, place
        place += array.nbytes
    return {"label": label, "arrays": entries}
