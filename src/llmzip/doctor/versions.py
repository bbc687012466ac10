"""Which versions of what are installed. Imports none of it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from llmzip.container.limits import DICTIONARY_VERSION, VERSION
from llmzip.doctor.findings import Finding, State, install_again
from llmzip.exact import ENGINE_VERSION
from llmzip.version import __version__

_REQUIRED = ("numpy", "numba", "llvmlite", "tokenizers", "safetensors", "torch", "transformers")
_OPTIONAL = ("triton", "ray")


def look() -> Iterator[Finding]:
    """Yield a finding for llmzip, for what its files depend on, and for each library."""
    yield Finding("llmzip", __version__)
    yield Finding("engine", f"{ENGINE_VERSION}")
    yield Finding("format", f"{VERSION} to {DICTIONARY_VERSION}")
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("Python", f"{platform.python_version()} on {system}")
    for name in _REQUIRED:
        yield _package(name) or _missing(name)
    for name in _OPTIONAL:
        yield _package(name) or Finding(name, "not installed")


def _package(name: str) -> Finding | None:
    """Return what is known of a package, None if nothing of it is there."""
    number = _version(name)
    is_there = _is_found(name)
    if number is None:
        return Finding(name, "of no known version") if is_there else None
    if is_there:
        return Finding(name, number)
    return Finding(name, f"{number}, but its files are gone", State.WRONG, install_again(name))


def _missing(name: str) -> Finding:
    return Finding(name, "not installed", State.WRONG, install_again(name))


def _version(name: str) -> str | None:
    try:
        return version(name) or None
    except (PackageNotFoundError, OSError, ValueError, KeyError):
        return None  # the notes of a broken installation may be anything


def _is_found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
