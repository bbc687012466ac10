"""numba's half of what is kept: what it compiles is kept, and compiled into more where it was.

numba has a cache of its own. It falls back to folders that know one source file's state alone,
refuses to work where a folder can be read but not written to, and runs what it finds.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmzip.compiled import store
from llmzip.compiled.importing import (
    CompileResult,
    Environment,
    NullCache,
    _rebuild_env,
    dumps,
    lookup_environment,
)
from llmzip.compiled.kinds import text_of_types
from llmzip.compiled.library import KeptLibrary, kept_of
from llmzip.compiled.runtime import begin_runtime
from llmzip.compiled.store import Kept, Key, Place

_RUNTIME = "runtime"


class KernelCache(NullCache):  # type: ignore[misc]  # numba has no types
    """What one kernel was compiled to, for each signature: what numba's dispatchers ask."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._place = Place(function)

    @property
    def cache_path(self) -> str | None:
        """The folder that is looked into first, if there is any."""
        folders = self._place.folders()
        return str(folders[0]) if folders else None

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The kernel for a signature, or None. Raises UntrustedError."""
        # what a kernel needs to run; who compiles one sees to the rest, which takes half a second
        codegen, folders = target_context.codegen(), self._place.folders()
        _begin_runtime(target_context, codegen, folders)
        kept = store.find(folders, self._place.name, self._key(signature, codegen))
        return None if kept is None else _rebuilt(target_context, kept, signature)

    def signatures(self, target_context: Any) -> Iterator[Any]:
        """Yield the signatures for which a kernel is kept."""
        folders, codegen = self._place.folders(), target_context.codegen()
        for key in store.keys(folders, self._place.name):
            kept = store.find(folders, self._place.name, key)
            signature = None if kept is None else _read(kept.rest)[0]
            if signature is not None and key == self._key(signature, codegen):
                yield signature

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a kernel in the first folder that takes it, if any does. Raises UntrustedError."""
        if compiled.lifted or compiled.library.has_dynamic_globals:
            return  # it holds addresses of this process
        key = self._key(signature, compiled.codegen)
        store.keep(self._place.folders(), self._place.name, key, _kept(signature, compiled))

    def _key(self, signature: Any, codegen: Any) -> Key:
        return self._place.key(_text(signature), _processor(codegen))


def _text(signature: Any) -> str:
    known = text_of_types(signature)
    return f"of numba: {signature}" if known is None else known


def _begin_runtime(target_context: Any, codegen: Any, folders: list[Path]) -> None:
    """Make ready what all kernels need, kept as they are."""
    key = store.key_of_all(_RUNTIME, _processor(codegen))
    begin_runtime(
        target_context,
        lambda: store.find(folders, _RUNTIME, key),
        lambda kept: store.keep(folders, _RUNTIME, key, kept),
    )


@lru_cache
def _processor(codegen: Any) -> Any:
    """What machine code is made for: numba asks LLVM each time."""
    return codegen.magic_tuple()


def _kept(signature: Any, compiled: Any) -> Kept:
    """What is to be kept of a kernel."""
    serialized, *rest = compiled._reduce()
    referred: tuple[Any, ...] = (compiled.environment, *rest[-1])
    wants_numba = compiled.reload_init or any(one.consts for one in referred)
    return kept_of(compiled.library, serialized)._replace(
        entry=None if wants_numba else compiled.fndesc.llvm_cpython_wrapper_name,
        environments=tuple(dict.fromkeys(one.env_name for one in referred)),
        rest=dumps((signature, *rest)),
    )


def _rebuilt(target_context: Any, kept: Kept, asked: Any) -> Any:
    """What numba has of a compiled function, as `CompileResult._rebuild` makes it.

    None if it was compiled for another signature than is asked for.
    """
    made_for, *rest = _read(kept.rest)
    description, environment, signature, objectmode, lifted, annotation, begins, others = rest
    if made_for != asked:
        return None
    for begin in begins:
        begin()
    library = KeptLibrary.of(target_context.codegen(), kept)
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
        reload_init=begins,
        referenced_envs=others,
    )
    for one in others:
        library.codegen.set_env(one.env_name, one)
    return found


def _read(rest: bytes) -> Any:
    return _Unpickler(io.BytesIO(rest)).load()


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
