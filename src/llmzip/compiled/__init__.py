"""Compiled code: the decorators of all kernels, and the cache that keeps what they compile to.

Every room that has kernels takes numba from here and nowhere else: numba by itself would take
orders from a file in the current folder, and go on using a kernel after a change of what was
inlined into it.
"""

from llmzip.compiled.kernels import called, inlined, kernel
from llmzip.compiled.memory import array_at

__all__ = ["array_at", "called", "inlined", "kernel"]
