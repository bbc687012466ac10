"""Which processor this is, and how many of them and of threads there are for this process."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

_ARM = ("implementer", "part", "variant", "revision")
"""What tells ARM's processors apart."""


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
    found = _told_by(cpuinfo.read_text(errors="replace")) if cpuinfo.is_file() else ""
    return found or _told_by_macos() or platform.processor()


def _told_by(cpuinfo: str) -> str:
    """Return the name in what Linux says of its processors; of ARM's it says numbers only."""
    values: dict[str, set[str]] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), set()).add(value.strip())
        if name.startswith("model name"):
            return value.strip()
    known = ((name, sorted(values[f"CPU {name}"])) for name in _ARM if f"CPU {name}" in values)
    return ", ".join(f"{name} {' '.join(found)}" for name, found in known)


def _told_by_macos() -> str:
    """Return the name on macOS, where Python knows the architecture only; else nothing."""
    if sys.platform != "darwin":
        return ""
    name, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    key = b"machdep.cpu.brand_string"
    failed = ctypes.CDLL(None).sysctlbyname(key, name, ctypes.byref(size), None, 0)
    return "" if failed else name.value.decode(errors="replace")
