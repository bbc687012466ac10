"""Telling that memory ran out: Python and the system have a word for it, libraries have many."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from llmzip.room import require_room

_PHRASES = (
    "cannot allocate memory",  # the system's own words
    "can't allocate memory",  # torch
    "not enough memory",
    "out of memory",
    "failed to map segment",  # the loader of shared libraries
    "unable to mmap",
    "bad_alloc",  # C++
    "can't start new thread",  # which needs memory for its stack
    "could not find/load shared object file",  # llvmlite, whatever kept it from loading its library
)


LEAST_BYTES = 100 << 20
"""What numpy and its threads take before anything is done. Where they get less they end the
process themselves, with words of their own."""


def require_least() -> None:
    """Raise MemoryError if the libraries that every file needs could not even start."""
    require_room(LEAST_BYTES)


def is_out_of_memory(exc: BaseException) -> bool:
    """Return whether it, or what it was raised from, is an allocation that failed."""
    return any(_says_so(one) for one in _causes(exc))


def _says_so(exc: BaseException) -> bool:
    if isinstance(exc, MemoryError) or getattr(exc, "errno", None) == errno.ENOMEM:
        return True
    if not isinstance(exc, OSError | ImportError | RuntimeError):
        return False
    text = str(exc).lower()
    return any(phrase in text for phrase in _PHRASES)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what it was raised from, and what was being handled then."""
    seen: set[int] = set()
    at: BaseException | None = exc
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__
