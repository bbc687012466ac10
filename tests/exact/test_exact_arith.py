"""The elementary functions: kernels equal the reference bit for bit, and both are accurate."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from by_kernel import by_kernel
from llmzip.exact import arith, constants
from llmzip.exact.cpu import rows, scalars

F32 = NDArray[np.float32]
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
anything = st.floats(width=32, allow_nan=False)
# Beyond this an activation's sum of squares no longer fits float32 products.
row_values = st.floats(-(2.0**99), 2.0**99, width=32) | st.sampled_from([0.0, 1e-30, 1e-38, -1e-45])


def _loop(function: Any) -> Any:
    """Apply a scalar kernel to each element of its array arguments."""

    def one(x: Any, out: Any) -> None:
        for i in range(x.size):
            out[i] = function(x[i])

    def two(x: Any, y: Any, out: Any) -> None:
        for i in range(x.size):
            out[i] = function(x[i], y[i])

    return numba.njit(two if function is scalars.silu_gate else one)


KERNELS = {f: _loop(f) for f in (scalars.exp2, scalars.silu_gate, scalars.gelu_new)}


def _in_a_loop(function: Any, *x: F32) -> F32:
    out = np.empty_like(x[0])
    KERNELS[function](*x, out)
    return out


def _by_torch(function: Any, *x: F32) -> F32:
    result: F32 = function(*map(torch.from_numpy, x)).numpy()
    return result


def _same_bits(a: F32, b: F32) -> bool:
    """Equal as bits, and NaN where the other has NaN (a NaN's own bits mean nothing)."""
    both_nan = np.isnan(a) & np.isnan(b)
    return bool(((a.view(np.uint32) == b.view(np.uint32)) | both_nan).all())


def _every_kind_of_float(step: int) -> F32:
    """Every `step`-th float32 by its bits: all exponents, both signs, infinities; no NaN."""
    values = np.arange(0, 1 << 32, step, dtype=np.uint32).view(np.float32)
    return np.ascontiguousarray(values[~np.isnan(values)])


def _near_ties() -> F32:
    """The fractions where `round` changes its mind, and their neighbours."""
    half = np.arange(-260, 261, dtype=np.float32) / np.float32(2)
    below, above = (np.nextafter(half, np.float32(to)) for to in (-np.inf, np.inf))
    return np.concatenate([half, below, above])


FLOATS = np.concatenate(
    [_every_kind_of_float(4093), _near_ties(), np.array([np.inf, -np.inf], dtype=np.float32)]
)
PAIRS = [(scalars.exp2, arith.exp2), (scalars.gelu_new, arith.gelu_new)]


@pytest.mark.parametrize(("kernel", "reference"), PAIRS)
def test_a_kernel_equals_the_reference_over_every_kind_of_float(
    kernel: Any, reference: Any
) -> None:
    assert _same_bits(_in_a_loop(kernel, FLOATS), _by_torch(reference, FLOATS))


def test_the_gate_kernel_equals_the_reference_over_every_kind_of_float() -> None:
    up = np.random.default_rng(1).permutation(FLOATS)
    assert _same_bits(
        _in_a_loop(scalars.silu_gate, FLOATS, up), _by_torch(arith.silu_gate, FLOATS, up)
    )


@given(x=arrays(np.float32, 7, elements=anything), y=arrays(np.float32, 7, elements=anything))
def test_kernels_equal_the_reference(x: F32, y: F32) -> None:
    for kernel, reference in PAIRS:
        assert _same_bits(_in_a_loop(kernel, x), _by_torch(reference, x))
    assert _same_bits(_in_a_loop(scalars.silu_gate, x, y), _by_torch(arith.silu_gate, x, y))


def test_a_function_gives_the_same_bits_for_one_number_as_for_many() -> None:
    """Vector and tail code agree: torch takes other paths for the last few elements."""
    x = FLOATS[:: len(FLOATS) // 301]
    for reference in (arith.exp2, arith.gelu_new):
        singly = np.concatenate([_by_torch(reference, x[i : i + 1]) for i in range(len(x))])
        assert _same_bits(singly, _by_torch(reference, x))


def test_exp2_is_within_its_bound_and_exact_at_whole_numbers() -> None:
    t = np.linspace(-125, 125, 2_000_001).astype(np.float32)
    relative = _in_a_loop(scalars.exp2, t) / np.exp2(t.astype(np.float64)) - 1.0
    assert np.abs(relative).max() < 3e-6
    whole = np.arange(-125, 126, dtype=np.float32)
    assert (_in_a_loop(scalars.exp2, whole) == np.ldexp(np.float32(1), whole.astype(int))).all()


def test_exp2_is_clamped_into_the_normal_numbers() -> None:
    far = np.array([-np.inf, -3e38, -125.5, 125.5, 3e38, np.inf], dtype=np.float32)
    limits = np.array([2.0**-125] * 3 + [2.0**125] * 3, dtype=np.float32)
    assert (_in_a_loop(scalars.exp2, far) == limits).all()


def test_exp2_never_falls_where_it_should_rise_by_more_than_its_error() -> None:
    t = np.linspace(-3, 3, 1_000_001).astype(np.float32)
    steps = np.diff(_in_a_loop(scalars.exp2, t).astype(np.float64))
    assert steps.min() > -3e-6 * 8.0


def test_silu_and_gelu_are_accurate() -> None:
    x = np.linspace(-30, 30, 600_001).astype(np.float32)
    wide = x.astype(np.float64)
    silu = _in_a_loop(scalars.silu_gate, x, np.ones_like(x))
    assert np.abs(silu - wide / (1 + np.exp(-wide))).max() < 6e-6
    tanh = np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3))
    assert np.abs(_in_a_loop(scalars.gelu_new, x) - 0.5 * wide * (1 + tanh)).max() < 6e-6


@given(x=arrays(np.float32, st.integers(1, 40), elements=row_values))
def test_quantised_rows_agree_and_stay_within_their_limits(x: F32) -> None:
    q, high, low = (np.zeros(x.size, dtype=np.int8) for _ in range(3))
    tensor = torch.from_numpy(x)
    narrow, scale = arith.quantise(tensor, constants.INT8_MAX)
    assert by_kernel(rows.quantise_row)(x, q) == scale.item()
    assert (q == narrow.numpy()).all()
    assert np.abs(q.astype(int)).max() <= 127
    wide, wide_scale = arith.quantise(tensor, constants.INT16_MAX)
    assert by_kernel(rows.quantise_row_wide)(x, high, low) == wide_scale.item()
    assert (high.astype(int) * 256 + low == wide.numpy()).all()
    assert all((half.numpy() == ours).all() for half, ours in _halves(wide, high, low))


def _halves(wide: torch.Tensor, high: Any, low: Any) -> Any:
    return zip(arith.split_halves(wide), (high, low), strict=True)


@given(x=arrays(np.float32, st.integers(1, 40), elements=row_values))
def test_normalised_rows_agree(x: F32) -> None:
    q = np.zeros(x.size, dtype=np.int8)
    ours = by_kernel(rows.normalise_row)(x, 1e-5, q)
    expected, scale = arith.normalise(torch.from_numpy(x)[None], 1e-5)
    assert ours == scale.item()
    assert (q == expected[0].numpy()).all()


@given(x=arrays(np.float32, 24, elements=st.floats(-1000, 1000, width=32)))
def test_a_normalised_row_is_the_row_over_its_root_mean_square(x: F32) -> None:
    q, scale = arith.normalise(torch.from_numpy(x)[None], 1e-5)
    wide = x.astype(np.float64)
    wanted = wide / np.sqrt((wide**2).mean() + 1e-5)
    step = np.abs(wanted).max() / 127
    assert np.abs(q[0].numpy() * scale.item() - wanted).max() <= 0.51 * step + 1e-4


@pytest.mark.parametrize("cap", [1.0, 30.0, 50.0, 1000.0])
def test_a_capped_number_is_that_far_below_the_cap(cap: float) -> None:
    t = np.concatenate([np.linspace(-12 * cap, 12 * cap, 20_001), [-1e30, -1e-30, 0, 1e-30, 1e30]])
    found = arith.capped(torch.from_numpy((t * constants.cap_unit(cap)).astype(np.float32)), cap)
    in_base_2 = cap * constants.LOG2_E
    wanted = in_base_2 * np.tanh(t / in_base_2) - in_base_2
    assert np.abs(found.numpy() - wanted).max() < 4e-6 * in_base_2
    assert found.max() <= 0


@given(q=st.integers(-constants.INT16_MAX, constants.INT16_MAX))
def test_sixteen_bits_are_two_halves(q: int) -> None:
    high, low = arith.split_halves(torch.tensor([float(q)]))
    assert int(high) * 256 + int(low) == q


@given(x=arrays(np.float32, st.integers(1, 80), elements=anything))
def test_maxima_by_bits_are_maxima(x: F32) -> None:
    assert by_kernel(scalars.maximum)(x) == x.max()
    assert by_kernel(scalars.largest)(x) == max(np.abs(x).max(), np.float32(constants.TINY))


@given(x=arrays(np.float32, (5, 33), elements=row_values), limit=st.sampled_from([127, 32639]))
def test_a_row_does_not_depend_on_its_neighbours(x: F32, limit: int) -> None:
    together = arith.quantise(torch.from_numpy(x), limit)
    for row in range(len(x)):
        alone = arith.quantise(torch.from_numpy(x[row : row + 1]), limit)
        assert all(torch.equal(a[row : row + 1], b) for a, b in zip(together, alone, strict=True))
