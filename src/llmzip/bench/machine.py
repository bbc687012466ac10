"""What the figures of a benchmark depend on: the machine, the libraries, and how busy it is."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from llmzip import __version__
from llmzip.processors import usable_processors

Fact = str | int | float

_LIBRARIES = ("torch", "transformers", "numba", "numpy", "llama-cpp-python", "constriction")
_INT8_FLAGS = ("amx_int8", "avx512_vnni", "avx_vnni", "asimddp", "i8mm")


def describe() -> dict[str, Fact]:
    """Return the facts about this machine, now; imports nothing heavy."""
    facts: dict[str, Fact] = {
        "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cpus": usable_processors(),
        "int8 instructions": " ".join(_int8_instructions()) or "none known",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "llmzip": __version__,
    }
    for name in _LIBRARIES:
        try:
            facts[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if hasattr(os, "getloadavg"):
        facts["load average before"] = round(os.getloadavg()[0], 2)
    return facts


def describe_device(device: str) -> dict[str, Fact]:
    """Return the name of the accelerator that `device` ("auto", "cpu", "cuda") leads to, if any."""
    import torch

    if device == "cpu" or not torch.cuda.is_available():
        return {"device": "cpu"}
    return {"device": torch.cuda.get_device_name()}


def _int8_instructions() -> list[str]:
    present = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return [flag for flag in _INT8_FLAGS if flag in present]


def _cpuinfo(key: str) -> str:
    """Return the first value that Linux gives for `key`, "" where there is none."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
