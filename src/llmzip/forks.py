"""What is left of threads after a fork: their memory, and nothing that goes on working in it.

A forked child that waits for a thread of its parent waits for ever. So threads are asked for
work through Threads, which refuses at once; what keeps a model open opens it anew in the child
(see `kept`); and torch, whose threads were made by a library that does not know of forks, does
without them there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from llmzip.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")

_torch_is_inherited = False  # imported before the fork that made this process


class Origin:
    """The process in which something was made."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def require(self) -> None:
        """Raise UsageError in any other process."""
        if os.getpid() != self._pid:
            raise UsageError(
                "this was begun before a fork, and its threads have stayed in the parent process: "
                "begin it anew in the child"
            )


class Threads(ThreadPoolExecutor):
    """A pool of threads for the process that made it: others are refused, not kept waiting."""

    def __init__(
        self, n_threads: int, name: str, initializer: Callable[[], None] | None = None
    ) -> None:
        super().__init__(n_threads, name, initializer=initializer)
        self._origin = Origin()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As the class it extends. Raises UsageError in a forked child."""
        self._origin.require()
        return super().submit(fn, *args, **kwargs)


def spare_lost_threads() -> None:
    """Before torch computes in the calling thread: keep it from asking threads that are lost.

    Where torch came from the process that was forked, it is told to use this thread alone. Other
    threads that the child starts are not affected: their helpers are made in the child.
    """
    if _torch_is_inherited:
        import torch

        torch.set_num_threads(1)


def require_threads(n_threads: int) -> None:
    """Raise UsageError where torch cannot compute with so many threads."""
    if n_threads > 1 and _torch_is_inherited:
        raise UsageError(
            f"floating point by {n_threads} threads is not to be had in a process forked from one "
            "that had loaded torch: use threads=1, or start processes by spawn"
        )


def _note_torch() -> None:
    global _torch_is_inherited
    _torch_is_inherited = "torch" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_torch)
