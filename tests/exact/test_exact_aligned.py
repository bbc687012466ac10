"""Memory of caches and weights begins at a line of the processor's cache."""

from __future__ import annotations

import numpy as np
import pytest

from exact_models import LLAMA, exact_model
from llmzip.exact.aligned import LINE_BYTES, aligned_zeros
from llmzip.exact.cpu.buffers import cpu_cache
from llmzip.exact.cpu.ways import Way


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 4, 100), (1000, 1003)])
@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.int64])
def test_aligned_zeros_are_zeros_of_their_own(shape: tuple[int, ...], dtype: type) -> None:
    first, second = aligned_zeros(shape, dtype), aligned_zeros(shape, dtype)
    assert first.shape == shape
    assert first.dtype == dtype
    assert first.ctypes.data % LINE_BYTES == 0
    assert not first.any()
    first[...] = 1
    assert not second.any()


def test_a_cache_begins_at_a_line() -> None:
    cache = cpu_cache(Way.PLAIN, exact_model(LLAMA).shape, 3, 37)
    for array in (cache.keys, cache.values, cache.key_scales, cache.value_scales):
        assert array.ctypes.data % LINE_BYTES == 0
        assert not array.any()
