"""How many processors and threads there are for this process."""

from __future__ import annotations

import os
from contextlib import suppress


def usable_threads() -> int:
    """How many threads this process may use: OMP_NUM_THREADS where set, else its CPUs."""
    with suppress(KeyError, ValueError):
        return max(1, int(os.environ["OMP_NUM_THREADS"].split(",")[0]))
    return usable_processors()


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
