"""Scalar functions that the kernels inline: `arith` once more, constant by constant."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numba
import numpy as np
from numba.core import config

from llmzip.exact import arith
from llmzip.exact.cpu.kernel_cache import kernel_folder

f32 = np.float32
i32 = np.int32
"""numba widens sums and products of int32 to int64, so each is narrowed where int32 suffices."""

C0, C1, C2, C3, C4 = (f32(c) for c in arith.EXP2_COEFFICIENTS)
LIMIT = f32(arith.EXP2_LIMIT)
MINUS_LOG2_E = f32(-arith.LOG2_E)
GELU_CUBIC = f32(arith.GELU_CUBIC)
GELU_LINEAR = f32(arith.GELU_LINEAR)
ONE = f32(1.0)
TINY = f32(arith.TINY)
MAGNITUDE = i32(0x7FFFFFFF)


_naming_the_cache = Lock()
"""numba's folder is global: of engines made side by side, one would write where another stood."""


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function to be inlined into kernels by LLVM."""
    return numba.njit(forceinline=True, error_model="numpy")(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel: no GIL, cached on disk where that can be, IEEE arithmetic as written."""
    compiled = numba.njit(nogil=True, error_model="numpy", boundscheck=False)(function)
    with _naming_the_cache:
        usual, config.CACHE_DIR = config.CACHE_DIR, str(kernel_folder())
        try:
            compiled.enable_caching()
        except (RuntimeError, OSError):
            pass  # no folder for the cache can be written: compile every time
        finally:
            config.CACHE_DIR = usual
    return compiled


@inlined
def exp2(t: Any) -> Any:
    """See `arith.exp2`."""
    t = max(min(t, LIMIT), -LIMIT)
    whole = np.rint(t)
    f = t - whole
    p = C0 * f + C1
    p = p * f + C2
    p = p * f + C3
    p = p * f + C4
    bits = f32(p).view(np.int32) + i32(i32(whole) << i32(23))
    return i32(bits).view(np.float32)


@inlined
def silu_gate(gate: Any, up: Any) -> Any:
    """See `arith.silu_gate`."""
    return gate / (exp2(gate * MINUS_LOG2_E) + ONE) * up


@inlined
def gelu_new(x: Any) -> Any:
    """See `arith.gelu_new`."""
    z = (x * x) * GELU_CUBIC
    z = (z + GELU_LINEAR) * x
    return x / (exp2(z) + ONE)


@inlined
def ordered(x: Any) -> Any:
    """A float32 as an int32 that orders as it does: LLVM vectorises maxima of integers only."""
    return _mirrored(f32(x).view(np.int32))


@inlined
def _mirrored(bits: Any) -> Any:
    """Reverse the order of negative floats' bits; its own inverse."""
    return i32(bits ^ i32(i32(bits >> i32(31)) & MAGNITUDE))


@inlined
def maximum(row: Any) -> Any:
    """Largest of a float32 row."""
    top = ordered(row[0])
    for i in range(row.size):
        value = ordered(row[i])
        top = value if value > top else top
    return i32(_mirrored(top)).view(np.float32)


@inlined
def largest(row: Any) -> Any:
    """Largest magnitude of a float32 row, at least TINY; by the bits, which order alike."""
    top = i32(0)
    for i in range(row.size):
        value = i32(f32(row[i]).view(np.int32) & MAGNITUDE)
        top = value if value > top else top
    return max(i32(top).view(np.float32), TINY)


@inlined
def high_half(q: Any) -> Any:
    """The high int8 half of a 16-bit integer; see `arith.split_halves`."""
    return i32(i32(q + i32(128)) >> i32(8))


@inlined
def low_half(q: Any) -> Any:
    """The low int8 half of a 16-bit integer."""
    return i32(q - i32(high_half(q) << i32(8)))
