"""Compiled kernels on disk: found again by later processes, or compiled anew without a word.

numba has a cache of its own. It falls back to folders that know one source file's state alone,
refuses to work where a folder can be read but not written to, and runs what it finds. Here a
kernel is a file: a SHA-256, and what that is of, pickled. A file that others may have written, or
that is damaged, or that answers another question, is as none; a folder that cannot be written to
is read all the same; a disk that is full costs the time of compiling again.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmzip.compiled.compiler import (
    CompileResult,
    Environment,
    NullCache,
    _rebuild_env,
    dumps,
    lookup_environment,
)
from llmzip.compiled.folders import KERNEL_SUFFIX, kernel_folders, sources_digest
from llmzip.compiled.library import KeptCode, KeptLibrary, code_of
from llmzip.compiled.runtime import begin_runtime
from llmzip.errors import UntrustedError
from llmzip.ownership import is_trusted_file, make_private

_DIGEST_BYTES = 32
_RUNTIME = "runtime"
_MODE = 0o644
"""Others may read what they can't change, where the folder lets them."""


class KernelCache(NullCache):  # type: ignore[misc]  # numba has no types
    """What one kernel was compiled to, for each signature: what numba's dispatchers ask."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = re.sub(r"[^\w.]", "", f"{function.__module__}.{function.__qualname__}")
        self._code, self._cells = function.__code__, function.__closure__ or ()

    @property
    def cache_path(self) -> str | None:
        """The folder that is looked into first, if there is any."""
        folders = self._folders()
        return str(folders[0]) if folders else None

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The kernel for a signature, or None. Raises UntrustedError."""
        # what a kernel needs to run; who compiles one sees to the rest, which takes half a second
        codegen, folders = target_context.codegen(), self._folders()
        _begin_runtime(target_context, codegen, folders)
        key = self._key(signature, codegen)
        found = _read_any(folders, _file_name(self._name, key), key)
        if found is None:
            return None
        return _rebuilt(target_context, *found)

    def signatures(self, target_context: Any) -> Iterator[Any]:
        """Yield the signatures for which a kernel is kept."""
        for folder in self._folders():
            for path in folder.glob(f"{self._name}-*{KERNEL_SUFFIX}"):
                body = _body(path)
                key = None if body is None else _Unpickler(io.BytesIO(body)).load()[0]
                if key is not None and key == self._key(key[2], target_context.codegen()):
                    yield key[2]

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a kernel in the first folder that takes it, if any does. Raises UntrustedError."""
        if compiled.lifted or compiled.library.has_dynamic_globals:
            return  # it holds addresses of this process
        key = self._key(signature, compiled.codegen)
        serialized, *rest = compiled._reduce()
        kept = code_of(compiled.library, serialized), *rest
        _write_first(self._folders(), _file_name(self._name, key), dumps((key, kept)))

    def _key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        """All that the machine code depends on.

        Two kernels of one name may differ in what they enclose: a function makes them.
        """
        code, enclosed = self._code, dumps([cell.cell_contents for cell in self._cells])
        own = _file_digest(code.co_filename), code.co_firstlineno, code.co_code, enclosed
        return sources_digest(), own, signature, _processor(codegen)

    def _folders(self) -> list[Path]:
        """Where to look; nowhere for a function without a file, whose state nobody knows."""
        return kernel_folders() if _file_digest(self._code.co_filename) else []


def _file_name(name: str, key: tuple[Any, ...]) -> str:
    return f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}{KERNEL_SUFFIX}"


def _begin_runtime(target_context: Any, codegen: Any, folders: list[Path]) -> None:
    """Make ready what all kernels need, kept as they are."""
    key = sources_digest(), _RUNTIME, _processor(codegen)
    name = _file_name(_RUNTIME, key)

    def keep(code: KeptCode) -> None:
        _write_first(folders, name, dumps((key, code)))

    begin_runtime(target_context, lambda: _read_any(folders, name, key), keep)


@lru_cache
def _processor(codegen: Any) -> Any:
    """What machine code is made for: numba asks LLVM each time."""
    return codegen.magic_tuple()


def _rebuilt(
    target_context: Any,
    code: KeptCode,
    description: Any,
    environment: Any,
    signature: Any,
    objectmode: bool,
    lifted: Any,
    annotation: str,
    reload_init: Any,
    environments: Any,
) -> Any:
    """What numba has of a compiled function, as `CompileResult._rebuild` makes it."""
    for begin in reload_init:
        begin()
    library = KeptLibrary.of(target_context.codegen(), code)
    found = CompileResult(
        target_context=target_context,
        typing_context=target_context.typing_context,
        library=library,
        environment=environment,
        entry_point=target_context.get_executable(library, description, environment),
        fndesc=description,
        type_annotation=annotation,
        signature=signature,
        objectmode=objectmode,
        lifted=lifted,
        typing_error=None,
        call_helper=None,
        metadata=None,
        reload_init=reload_init,
        referenced_envs=environments,
    )
    for one in environments:
        library.codegen.set_env(one.env_name, one)
    return found


@lru_cache
def _file_digest(path: str) -> bytes | None:
    """Of the file that holds a kernel, if it can be read: tests have some of their own."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return None


def _read_any(folders: list[Path], name: str, key: tuple[Any, ...]) -> Any:
    """What was kept under `key` in the first folder that has it, or None."""
    for folder in folders:
        found = _read(folder / name, key)
        if found is not None:
            return found
    return None


def _read(path: Path, key: tuple[Any, ...]) -> Any:
    """What was kept at `path` under `key`, or None."""
    body = _body(path)
    if body is None:
        return None
    kept_key, found = _Unpickler(io.BytesIO(body)).load()
    return found if kept_key == key else None


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


class _Unpickler(pickle.Unpickler):
    """Reads a kernel without importing what it was compiled from.

    numba's own half is its compiler's library, which takes longer to import than all kernels.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (_rebuild_env.__module__, _rebuild_env.__name__):
            return _environment
        return super().find_class(module, name)


def _environment(module: str, constants: list[Any], name: str) -> Environment:
    """An inlined function's constants; its globals, which no machine code asks for, are left out.

    module: where the function stands.
    """
    found = lookup_environment(name)
    if found is None:
        found = Environment({"__name__": module})
        found.consts[:] = constants
        found.env_name = name
        Environment._memo[name] = found
    return found


def _write_first(folders: list[Path], name: str, body: bytes) -> None:
    """Put a file into the first folder that takes it, if any does."""
    for folder in folders:
        with suppress(OSError, UntrustedError):
            make_private(folder)
            _write(folder / name, body)
            return


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
