"""What kernels are written in: of numba only as much as is used, and when it is.

A process that finds its kernels compiled never imports numba, which takes a fifth of a second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cached_property, partial
from importlib import import_module
from typing import Any, cast

from llvmlite import binding, ir

__all__ = ["Later", "binding", "carray", "cgutils", "config", "intrinsic", "ir", "types"]


class Later:
    """Something that numba has or makes, which is fetched when it is used, by kernels or others."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch = fetch

    @cached_property
    def itself(self) -> Any:
        """What this stands for."""
        return self._fetch()

    @property
    def _numba_type_(self) -> Any:
        """What numba asks for of all that a kernel refers to."""
        context = of_numba("cpu_target").typing_context
        context.refresh()
        return context.resolve_value_type(self.itself)

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: D102
        return self.itself(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # who looks at objects of all kinds wants nothing of numba
            raise AttributeError(name)
        return getattr(self.itself, name)


class _Config:
    """What numba is told of the processor: by the environment, until numba is there."""

    @property
    def CPU_NAME(self) -> str | None:  # noqa: N802 - as numba calls it
        """The processor to compile for, if it is not this one."""
        return self._told("CPU_NAME")

    @property
    def CPU_FEATURES(self) -> str | None:  # noqa: N802
        """What that has."""
        return self._told("CPU_FEATURES")

    @property
    def has_avx(self) -> bool:
        """Whether numba lets code use AVX."""
        if "numba" in sys.modules:
            return bool(of_numba("config").ENABLE_AVX)
        told = os.environ.get("NUMBA_ENABLE_AVX")
        return binding.get_host_cpu_name() != "nocona" if told is None else told != "0"

    def _told(self, name: str) -> str | None:
        if "numba" in sys.modules:
            return cast("str | None", getattr(of_numba("config"), name))
        return os.environ.get(f"NUMBA_{name}")


def of_numba(name: str) -> Any:
    """Return what is called so in `importing`."""
    return getattr(import_module("llmzip.compiled.importing"), name)


def intrinsic(function: Callable[..., Any]) -> Any:
    """Let kernels call a function that writes LLVM's code."""
    return Later(lambda: of_numba("intrinsic")(function))


carray, cgutils, types = (Later(partial(of_numba, name)) for name in ("carray", "cgutils", "types"))
config = _Config()
