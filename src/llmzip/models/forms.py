"""Forms of a prepared model that are made at every start otherwise: kept beside it, as arrays.

    prepared/KEY/NAME.form

A form says nothing that its model does not, so one that is missing, damaged, another's or an older
release's is as none: whoever wants it makes it anew. What cannot be written is not kept; nobody
waits and nothing fails.

The file: XXH3-128 of all that follows; how long the header is (8 bytes, little endian); the header,
JSON, with a label and where which array lies; zeros; and the arrays, each from a multiple of
LINE_BYTES on. The label says what the arrays were made of, and by which rules.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from llmzip.errors import LlmzipError
from llmzip.models import home

SUFFIX = ".form"
PACKED, TOKENS = "packed-", "tokens"
"""What the names of packed models begin with, a way following; the name of a tokenizer's tables."""
ONE_OF_MANY = "primed-"
"""What the names of forms begin with of which there may be many: what dictionaries lead to."""
MOST_BYTES = 256 << 20
"""Of such forms, all models' together; what was not used for longest goes first."""
LINE_BYTES = 64
"""Arrays begin where a line of the processor's cache does."""

Arrays = dict[str, NDArray[Any]]

_CHECK_BYTES = 16
_BEGIN = _CHECK_BYTES + 8
_MOST_HEADER_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
_DTYPES = {
    np.dtype(name).str: np.dtype(name) for name in ("u1", "i1", "i2", "i4", "i8", "u8", "f4", "f8")
}
_UNREADABLE = (
    *(OSError, LlmzipError, ValueError, KeyError, TypeError, AttributeError, RecursionError),
)


@dataclass(frozen=True)
class Forms:
    """The forms of one prepared model. folder: where it lies. of: its check, part of each label."""

    folder: Path
    of: str

    def load(self, name: str, rules: str) -> Arrays | None:
        """The arrays of a form, mapped into memory, if it is kept as it was written; else None.

        rules: by which it was made, a name and a number.
        """
        try:
            path = home.trusted(self._path(name))
            if _check_of(path) != _check_in(path):
                return None
            label, arrays = _mapped(path)
        except _UNREADABLE:
            return None
        return arrays if label == self._label(rules) else None

    def keep(
        self,
        name: str,
        rules: str,
        arrays: Mapping[str, NDArray[Any]],
        *,
        is_private: bool = False,
    ) -> None:
        """Keep the arrays of a form, if they can be written; others see all of the file or none.

        Where another process is at work with the model, that one may keep it, or the next.
        is_private: no other user may read it, whoever may read the model.
        """
        with suppress(OSError, LlmzipError):
            path = home.trusted(self._path(name))
            if not os.access(self.folder, os.W_OK):
                return  # not even a lock is written for what is there already
            with home.held_if_free(home.lock_path(self.folder.name)) as held:
                if held and self.folder.is_dir():
                    mode = 0o600 if is_private else _mode_below(self.folder)
                    _write(path, self._label(rules), arrays, mode)

    def load_one_of_many(self, name: str, rules: str) -> Arrays | None:
        """As `load`, for a form of which there are many: it was used now."""
        arrays = self.load(f"{ONE_OF_MANY}{name}", rules)
        if arrays is not None:
            with suppress(OSError):
                os.utime(self._path(f"{ONE_OF_MANY}{name}"))
        return arrays

    def keep_one_of_many(self, name: str, rules: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """As `keep`, but of all models' such forms those that were used last, up to MOST_BYTES."""
        if sum(array.nbytes for array in arrays.values()) <= MOST_BYTES // 2:
            self.keep(f"{ONE_OF_MANY}{name}", rules, arrays, is_private=True)
            with suppress(OSError, LlmzipError):
                _drop_oldest(home.trusted(self.folder.parent))

    def has_any_of(self, beginning: str) -> bool:
        """Whether there is a form whose name begins so, in whatever state."""
        return any(self.folder.glob(f"{beginning}*{SUFFIX}"))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _label(self, rules: str) -> str:
        return f"{rules} of {self.of}"


def _drop_oldest(folder: Path) -> None:
    """Remove forms of which there are many, in all folders of models, beyond MOST_BYTES."""
    found = [(path, path.stat()) for path in folder.glob(f"*/{ONE_OF_MANY}*{SUFFIX}")]
    n_bytes = 0
    for path, status in sorted(found, key=lambda item: item[1].st_mtime_ns, reverse=True):
        n_bytes += status.st_size
        if n_bytes > MOST_BYTES:
            path.unlink(missing_ok=True)


def _check_in(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_CHECK_BYTES)


def _check_of(path: Path) -> bytes:
    """The check of all behind a file's check; it is read, not mapped, so it takes no memory."""
    state, block = xxhash.xxh3_128(), bytearray(_BLOCK_BYTES)
    with path.open("rb", buffering=0) as file:
        file.seek(_CHECK_BYTES)
        while n_bytes := file.readinto(block):
            state.update(memoryview(block)[:n_bytes])
    return state.digest()


def _mapped(path: Path) -> tuple[str, Arrays]:
    """A file's label, and its arrays; what is written to them stays in memory.

    Raises: OSError; ValueError, KeyError, TypeError, AttributeError, RecursionError for no form.
    """
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    n_header = int.from_bytes(memory[_CHECK_BYTES:_BEGIN], "little")
    if n_header > min(len(memory) - _BEGIN, _MOST_HEADER_BYTES):
        raise ValueError("its header is longer than the file")
    header = json.loads(memory[_BEGIN : _BEGIN + n_header])
    return header["label"], {
        name: _array(memory, *entry) for name, entry in header["arrays"].items()
    }


def _array(memory: mmap.mmap, kind: str, sizes: list[int], begin: int) -> NDArray[Any]:
    if begin % LINE_BYTES or any(type(size) is not int or size < 0 for size in sizes):
        raise ValueError("an array of no size, or out of line")
    array = np.frombuffer(memory, _DTYPES[kind], math.prod(sizes), begin)
    return array.reshape(sizes)


def _mode_below(folder: Path) -> int:
    """That of a file which whoever may read the folder may read."""
    return folder.stat().st_mode & 0o666 & ~0o022


def _write(path: Path, label: str, arrays: Mapping[str, NDArray[Any]], mode: int) -> None:
    """Put a file in place, whole or not at all; the model's lock is held. Raises OSError."""
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


def _write_all(file: IO[bytes], label: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    state, place = xxhash.xxh3_128(), _CHECK_BYTES
    file.write(bytes(_CHECK_BYTES))
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
