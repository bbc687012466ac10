"""Parts of kernels: written down once, made machine code of only within what calls them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmzip.compiled import array_at, called, inlined, kernel


@inlined
def _doubled(x: Any) -> Any:
    return x + x


@called
def _sum(values: Any, least: Any) -> Any:
    if values.size < least:
        raise ValueError("too few")
    total = values.dtype.type(0)
    for value in values:
        total += _doubled(value)
    return total


@kernel
def _sums(values: Any, least: Any) -> Any:
    return _sum(values, least), _sum(values[1:], least)


@kernel
def _mark(addresses: Any, n_rows: Any) -> None:
    for i in range(addresses.size):
        array_at(addresses[i], (n_rows[i], 2), np.int32)[n_rows[i] - 1, 1] += i + 1


def test_arrays_are_found_by_their_addresses() -> None:
    arrays = [np.arange(2 * n, dtype=np.int32).reshape(n, 2) for n in (1, 3, 2)]
    expected = [array.tolist() for array in arrays]
    _mark(np.array([array.ctypes.data for array in arrays]), np.array([1, 3, 2]))
    for i, rows in enumerate(expected):
        rows[-1][1] += i + 1
    assert [array.tolist() for array in arrays] == expected


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_a_kernel_calls_its_parts(dtype: type[np.generic]) -> None:
    assert _sums(np.arange(5).astype(dtype), 0) == (20, 20)
    assert _sums(np.arange(1, 5).astype(dtype), 2) == (20, 18)


def test_what_a_part_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="too few"):
        _sums(np.arange(2), 2)


@pytest.mark.parametrize("values", [np.arange(5), np.arange(5.0)])
def test_only_kernels_may_call_a_part(values: Any) -> None:
    _sums(np.arange(5), 0)  # so of one kind of values the part has been compiled
    with pytest.raises(TypeError, match="only they may call it"):
        _sum(values, 0)
