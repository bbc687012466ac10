"""Threads of one step on processors of their own.

Linux may wake a thread on the processor of the one that woke it, though others are idle, and sees
only after some steps that two run there: each of these takes twice as long as it should.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

# what tells on which processor its caller runs, where threads can be moved at all
_processor: Callable[[], int] | None = (
    getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None
)


class Apart:
    """The processors of a step's threads: one that comes where another is goes elsewhere."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take_place(self) -> None:
        """Let the calling thread run where none that called before does, if there is such a place.

        It is free to be moved on: what it may use is as before.
        """
        if _processor is None:
            return
        here = _processor()
        if here in self._taken:
            allowed = os.sched_getaffinity(0)
            if free := allowed - self._taken:
                _move(free, allowed)
                here = _processor()
        self._taken.add(here)


def _move(processors: set[int], allowed: set[int]) -> None:
    """Bring the calling thread to one of these processors, then let it go where it is allowed."""
    with suppress(OSError):
        os.sched_setaffinity(0, processors)
        os.sched_setaffinity(0, allowed)
