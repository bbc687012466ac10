"""Which processor this is, which way of computing it takes, and why not a faster one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmzip.doctor.findings import Finding, State
from llmzip.processors import processor_name, usable_processors, usable_threads

if TYPE_CHECKING:
    from llmzip.exact.cpu.ways import Way

ONEDNN_VARIABLE = "ONEDNN_MAX_CPU_ISA"
_BUSY = 0.75
"""Of the cores: threads of a step wait for each other, and so for whoever else is at work."""
_COMPILED_FOR = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")


def look() -> Iterator[Finding]:
    """Yield which processor it is, how much of it this process may use, and who else does."""
    yield Finding("processor", processor_name() or "of no known name")
    yield _cores()
    if hasattr(os, "getloadavg"):
        yield _load(os.getloadavg()[0])


def _cores() -> Finding:
    n_cores, n_threads = usable_processors(), usable_threads()
    cores = Finding("cores", f"{n_cores}", figures={"cores": n_cores, "threads": n_threads})
    if n_threads == n_cores:
        return cores
    value = f"{n_cores}, of which OMP_NUM_THREADS lets {n_threads} be used"
    advice = "unset OMP_NUM_THREADS" if n_threads < n_cores else ""
    return Finding("cores", value, State.NOTE, advice, cores.figures)


def _load(load: float) -> Finding:
    """Return what is at work on the machine, as it was when this process began."""
    value, figures = f"{load:.1f} in the last minute", {"load": round(load, 2)}
    if load <= _BUSY * usable_processors():
        return Finding("load", value, figures=figures)
    value += ": other programs want the cores, too, so that llmzip is slow"
    return Finding("load", value, State.NOTE, "wait for them", figures)


def look_at_ways() -> Iterator[Finding]:
    """Yield which instruction sets are there, and which way is taken. Imports the kernels."""
    from llmzip.doctor.tiny import tiny_shape
    from llmzip.exact.cpu.ways import known_ways, lacking, way_of

    known = dict.fromkeys(name for way in known_ways() for name in way.isa.FEATURES)
    lacked = {name for way in known_ways() for name in lacking(way)}
    there = [name for name in known if name not in lacked]
    yield Finding("instruction sets", " ".join(there) or "none that would be of use")
    yield _taken(way_of(tiny_shape()))


def _taken(way: Way) -> Finding:
    """Return which way is taken, and what would have to be for a faster one."""
    from llmzip.exact.cpu.ways import WAY_VARIABLE, known_ways, runnable_ways

    faster = known_ways()[known_ways().index(way) + 1 :]
    runnable = [one for one in faster if one in runnable_ways()]
    if runnable:
        variable = WAY_VARIABLE if os.environ.get(WAY_VARIABLE) else ONEDNN_VARIABLE
        value = f"{way}, because of {variable}; {runnable[-1]} is faster here"
        return Finding("way", value, State.NOTE, f"unset {variable}")
    held_back = [name for name in _COMPILED_FOR if os.environ.get(name)]
    if faster and held_back:
        value = f"{way}, because of {' and '.join(held_back)}"
        return Finding("way", value, State.NOTE, f"unset {' '.join(held_back)}")
    reasons = "; ".join(_reason(one) for one in faster)
    return Finding("way", f"{way} ({reasons})" if reasons else f"{way}, the fastest")


def _reason(way: Way) -> str:
    """Return why a way is not to be had, as far as that is known."""
    from llmzip.exact.cpu.ways import lacking

    lacked = lacking(way)
    if lacked:
        return f"{way} needs {' '.join(lacked)}"
    return f"{way} is not to be had on this system, though the processor has it"
