"""Which processor this is, and how many of them and of threads there are for this process."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path


def usable_threads() -> int:
    """How many threads this process may use: OMP_NUM_THREADS where set, else its CPUs."""
    with suppress(KeyError, ValueError):
        return max(1, int(os.environ["OMP_NUM_THREADS"].split(",")[0]))
    return usable_processors()


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    """Return the processor's name, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
