"""Files of machine code: found again by later processes, and never believed if others wrote them.

A file is a SHA-256, and what that is of, pickled: a key, which says all that the code depends on,
and what was kept. A file that others may have written, or that is damaged, or that answers another
question, is as none; a folder that cannot be written to is read all the same; a disk that is full
costs the time of compiling again.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from llmzip.compiled.compiler import binding, of_numba
from llmzip.compiled.folders import KERNEL_SUFFIX, kernel_folders, sources_digest
from llmzip.errors import UntrustedError
from llmzip.ownership import is_trusted_file, make_private

Key = tuple[Any, ...]

_DIGEST_BYTES = 32
_MODE = 0o644
"""Others may read what they can't change, where the folder lets them."""
_PLAIN = int, float, bool, str, bytes, type(None)


class Kept(NamedTuple):
    """What is kept of something that was compiled."""

    name: str
    """Of what numba calls a library."""
    code: bytes
    """The machine code."""
    defines: frozenset[str]
    """The names that it defines."""
    wants: frozenset[str]
    """The names that it takes from elsewhere."""
    entry: str | None = None
    """Which of its functions Python calls; None where numba alone can call it."""
    environments: tuple[str, ...] = ()
    """The names that it finds Python's objects by, the entry's first."""
    bitcode: bytes = b""
    """The intermediate code, to be compiled into others."""
    rest: bytes = b""
    """What else numba has of it, pickled by numba."""


class Place:
    """Where what one function is compiled to is kept."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = re.sub(r"[^\w.]", "", f"{function.__module__}.{function.__qualname__}")
        self._code, self._cells = function.__code__, function.__closure__ or ()

    def key(self, signature: str, processor: Any) -> Key:
        """All that the machine code depends on. signature: the text of its arguments' types.

        Two kernels of one name may differ in what they enclose: a function makes them.
        """
        code, enclosed = self._code, _enclosed([cell.cell_contents for cell in self._cells])
        own = _file_digest(code.co_filename), code.co_firstlineno, code.co_code, enclosed
        return sources_digest(), own, signature, processor

    def folders(self) -> list[Path]:
        """Where to look; nowhere for a function without a file, whose state nobody knows.

        Raises UntrustedError.
        """
        return kernel_folders() if _file_digest(self._code.co_filename) else []


def _enclosed(contents: list[Any]) -> bytes:
    if all(isinstance(one, _PLAIN) for one in contents):
        return repr(contents).encode()
    return bytes(of_numba("dumps")(contents))


@cache
def processor() -> tuple[str, str, str]:
    """What machine code is made for, as numba says it if nothing but the environment tells it."""
    name = os.environ.get("NUMBA_CPU_NAME")
    features = os.environ.get("NUMBA_CPU_FEATURES")
    return (
        binding.get_process_triple(),
        binding.get_host_cpu_name() if name is None else name,
        binding.get_host_cpu_features().flatten() if features is None else features,
    )


def key_of_all(name: str, processor: Any) -> Key:
    """What code depends on that is kept for all kernels."""
    return sources_digest(), name, processor


def find(folders: list[Path], name: str, key: Key) -> Kept | None:
    """What was kept under `key` in the first folder that has it, if any has."""
    for folder in folders:
        body = _body(folder / _file_name(name, key))
        found = None if body is None else pickle.loads(body)
        if found is not None and found[0] == key:
            return Kept(*found[1])
    return None


def keep(folders: list[Path], name: str, key: Key, kept: Kept) -> None:
    """Put what is to be kept into the first folder that takes it, if any does."""
    body = pickle.dumps((key, tuple(kept)))
    for folder in folders:
        with suppress(OSError, UntrustedError):
            make_private(folder)
            _write(folder / _file_name(name, key), body)
            return


def keys(folders: list[Path], name: str) -> list[Key]:
    """The keys of all that is kept under a name."""
    paths = [path for folder in folders for path in folder.glob(f"{name}-*{KERNEL_SUFFIX}")]
    bodies = [body for path in paths if (body := _body(path)) is not None]
    return [pickle.loads(body)[0] for body in bodies]


def _file_name(name: str, key: Key) -> str:
    return f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}{KERNEL_SUFFIX}"


@lru_cache
def _file_digest(path: str) -> bytes | None:
    """Of the file that holds a kernel, if it can be read: tests have some of their own."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return None


def _body(path: Path) -> bytes | None:
    """What was kept at `path`, whole and by somebody who is trusted; else None."""
    try:
        with path.open("rb") as file:
            if not is_trusted_file(file.fileno(), path):
                return None
            digest, body = file.read(_DIGEST_BYTES), file.read()
    except OSError:
        return None
    return body if digest == hashlib.sha256(body).digest() else None


def _write(path: Path, body: bytes) -> None:
    """Put a file in place, whole or not at all. Raises OSError."""
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:16]}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
