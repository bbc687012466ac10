"""What a history's first candidate is told by: its share, or how often it was all that came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from llmzip.adapt import drafts
from llmzip.adapt.drafts import N_KINDS
from llmzip.adapt.history import N_ORDERS

OF_ORDER = N_KINDS // N_ORDERS
kind = cast(Callable[[Any, Any], int], getattr(drafts._kind, "py_func", drafts._kind))


def kind_of(order: int, count: int, total: int) -> int:
    """The kind of what an order has seen so often, of so many times; lower orders know it, too."""
    counts, totals = np.zeros((2, N_ORDERS), dtype=np.int64)
    counts[: order + 1], totals[: order + 1] = 1, 9
    counts[order], totals[order] = count, total
    return int(kind(counts, totals))


@pytest.mark.parametrize(
    ("count", "total", "expected"),
    [
        *[(1, 9, 0), (4, 9, 0), (1, 2, 1), (5, 9, 1), (3, 4, 2), (99, 100, 2)],
        *[(1, 1, 3), (2, 2, 4), (3, 3, 5), (10, 10, 5)],
    ],
)
@pytest.mark.parametrize("order", range(N_ORDERS))
def test_kinds(order: int, count: int, total: int, expected: int) -> None:
    assert kind_of(order, count, total) == order * OF_ORDER + expected


def test_what_no_order_knows_is_of_the_first() -> None:
    nothing = np.zeros(N_ORDERS, dtype=np.int64)
    assert 0 <= kind(nothing, nothing) < OF_ORDER
