"""The decorators of compiled functions."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Any, cast

from llmzip.compiled import machine, store
from llmzip.compiled.compiler import Later, of_numba
from llmzip.compiled.kinds import kind_of, text_of_kinds
from llmzip.compiled.store import Place

_finding = RLock()  # threads run a kernel together, the first time, too


def _begin_anew() -> None:
    """Give a forked child a lock that no thread of its parent holds."""
    global _finding
    _finding = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


class Kernel(Later):
    """A function that runs compiled: by machine code that was kept, else by what numba makes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(partial(_compile_kernel, function))
        self._function = function
        self._found: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:  # noqa: D102
        return self.ready(*arguments)(*arguments)

    def ready(self, *arguments: Any) -> Callable[..., Any]:
        """What runs for arguments of the kinds of these: threads that have them alike ask once."""
        if "itself" in vars(self):
            return cast("Callable[..., Any]", self.itself)
        kinds = tuple(map(kind_of, arguments))
        return self._found.get(kinds) or self._find(kinds)

    def _find(self, kinds: tuple[Any, ...]) -> Callable[..., Any]:
        with _finding:
            if kinds not in self._found:
                self._found[kinds] = self._kept(kinds) or self.itself
            return self._found[kinds]

    def _kept(self, kinds: tuple[Any, ...]) -> Callable[..., Any] | None:
        """What was kept for arguments of these kinds, if it is and can be run without numba.

        Raises UntrustedError.
        """
        text = text_of_kinds(kinds)
        if text is None or machine.is_asked_for_numba():
            return None
        place, made_for = Place(self._function), store.processor()
        kept = store.find(place.folders(), place.name, place.key(text, made_for))
        if kept is None:
            return None
        try:
            return machine.runnable(kept, self._function)
        except (ImportError, AttributeError):  # a numba that is made otherwise
            return None


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel: no GIL, cached on disk where that can be, IEEE arithmetic as written."""
    return Kernel(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function to be inlined into kernels by LLVM."""
    return _part(function, is_inlined=True)


def called(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call, and that is too large to be inlined."""
    return _part(function, is_inlined=False)


def _part(function: Callable[..., Any], *, is_inlined: bool) -> Any:
    def make() -> Any:
        from llmzip.compiled.parts import compile_part

        return compile_part(function, is_inlined=is_inlined)

    return Later(make)


def _compile_kernel(function: Callable[..., Any]) -> Any:
    from llmzip.compiled.cache import KernelCache

    compiled = of_numba("njit")(
        nogil=True, error_model="numpy", boundscheck=False, no_cfunc_wrapper=True
    )(function)
    compiled._cache = KernelCache(function)
    compiled._compilation_chain_init_hook = _ask_no_extensions
    return compiled


def _ask_no_extensions() -> None:
    """Stand in for numba's search of all that is installed for extensions of itself, to run them.

    No kernel has use for one, and the search takes longer than loading ten kernels.
    """
