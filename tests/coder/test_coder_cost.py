"""What tokens cost: near what mathematics says, and the same to the last digit everywhere."""

from __future__ import annotations

import math
from decimal import Context, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmzip.coder import MAX_TOTAL
from llmzip.coder.cost import ideal_bits

_EXACTLY = Context(prec=40)


def bits(freq: int, total: int) -> float:
    found = ideal_bits(np.array([freq], dtype=np.uint64), np.array([total], dtype=np.uint64))
    return float(found[0])


@given(st.integers(1, MAX_TOTAL).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_it_is_the_logarithm(pair: tuple[int, int]) -> None:
    freq, total = pair
    share = _EXACTLY.divide(Decimal(freq), Decimal(total))
    exact = -_EXACTLY.divide(_EXACTLY.ln(share), _EXACTLY.ln(Decimal(2)))
    assert bits(freq, total) == pytest.approx(float(exact), rel=1e-15, abs=3e-16)


@pytest.mark.parametrize("power", [0, 1, 10, 48])
def test_powers_of_two_cost_whole_bits(power: int) -> None:
    assert bits(1, 1 << power) == power
    assert bits(MAX_TOTAL >> power, MAX_TOTAL) == power


def test_what_is_certain_costs_nothing() -> None:
    assert math.copysign(1.0, bits(7, 7)) == 1.0
    assert bits(7, 7) == 0.0


def test_digits_are_those_of_every_machine() -> None:
    freq = np.array([1, 2, 5, 70, 12345, MAX_TOTAL - 1], dtype=np.uint64)
    total = np.array([3, 3, 7, 99, 98765432, MAX_TOTAL], dtype=np.uint64)
    assert [one.hex() for one in ideal_bits(freq, total).tolist()] == [
        "0x1.95c01a39fbd69p+0",
        "0x1.2b803473f7ad2p-1",
        "0x1.f113baed305dcp-2",
        "0x1.0009a5b61cc32p-1",
        "0x1.9ee85ad9da9aep+3",
        "0x1.71547652b830ap-48",
    ]
