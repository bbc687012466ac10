"""The decorators of compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmzip.compiled.cache import KernelCache
from llmzip.compiled.compiler import njit
from llmzip.compiled.parts import compile_part


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function to be inlined into kernels by LLVM."""
    return compile_part(function, is_inlined=True)


def called(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call, and that is too large to be inlined."""
    return compile_part(function, is_inlined=False)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel: no GIL, cached on disk where that can be, IEEE arithmetic as written."""
    compiled = njit(nogil=True, error_model="numpy", boundscheck=False, no_cfunc_wrapper=True)(
        function
    )
    compiled._cache = KernelCache(function)
    compiled._compilation_chain_init_hook = _ask_no_extensions
    return compiled


def _ask_no_extensions() -> None:
    """Stand in for numba's search of all that is installed for extensions of itself, to run them.

    No kernel has use for one, and the search takes longer than loading ten kernels.
    """
