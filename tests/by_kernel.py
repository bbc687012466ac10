"""What only kernels may call, for tests that are no kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba


@cache
def by_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel that calls `function`, a part of kernels, with its own arguments."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)

    return numba.njit(call)  # type: ignore[no-any-return]
