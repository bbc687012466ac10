"""How many threads torch may use in the calling thread. Importing this imports no torch.

Two kinds of thread are kept from asking torch's own for help. Those of a pool that runs engines
side by side: they are the parallelism. And those of a forked child whose parent had imported
torch: its threads were made by a library that does not know of forks, and stayed behind.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from llmzip.errors import UsageError

_mine = threading.local()
_torch_is_inherited = False  # imported before the fork that made this process


def be_alone() -> None:
    """Let torch work in the calling thread without helpers; it need not be imported yet."""
    _mine.alone = True


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute by the calling thread: helpers that wait for a core would set the pace."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def settle() -> None:
    """Tell torch what was said of the calling thread; whoever computes by it calls this before."""
    if getattr(_mine, "alone", False):
        import torch

        torch.set_num_threads(1)
        _mine.alone = False  # is told


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
