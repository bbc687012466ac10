"""Integer matrix products: right ones are taken, wrong ones are noticed."""

from __future__ import annotations

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llmzip.errors import DeviceError
from llmzip.exact import gemm
from llmzip.exact.gemm import (
    BACKENDS,
    exact_gemm,
    float32_slices,
    float64_product,
    is_exact,
    product,
)

CPU = torch.device("cpu")


def saturating(a: Tensor, b: Tensor, out: Tensor) -> None:
    """As vpmaddubsw: a shifted to unsigned, two products added in 16 bits that saturate."""
    b = b.to(torch.int32)
    terms = (a.to(torch.int32) + 128)[:, :, None] * b[None]  # (M, K, N)
    if terms.shape[1] % 2:
        terms = torch.cat([terms, torch.zeros_like(terms[:, :1])], 1)
    pairs = terms[:, ::2] + terms[:, 1::2]
    out.copy_(pairs.clamp(-32768, 32767).sum(1) - 128 * b.sum(0))


def in_float32(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Sum in float32 without slices: wrong once sums pass 2^24."""
    out.copy_(torch.mm(a.to(torch.float32), b.to(torch.float32)))


def in_bfloat16(a: Tensor, b: Tensor, out: Tensor) -> None:
    """A product in low precision."""
    out.copy_(torch.mm(a.to(torch.bfloat16), b.to(torch.bfloat16)).to(torch.float32))


def forgetting_tails(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Leave out what does not fill a block of 16 terms."""
    whole = a.shape[1] // 16 * 16
    float64_product(a[:, :whole], b[:whole], out)


def unimplemented(a: Tensor, b: Tensor, out: Tensor) -> None:
    raise RuntimeError("not implemented for this device")


@pytest.mark.parametrize("backend", [float32_slices, float64_product])
def test_backends_that_are_exact_anywhere_prove_it(backend: gemm.Gemm) -> None:
    assert is_exact(backend, CPU)


@pytest.mark.parametrize(
    "backend", [saturating, in_float32, in_bfloat16, forgetting_tails, unimplemented]
)
def test_wrong_backends_are_noticed(backend: gemm.Gemm) -> None:
    assert not is_exact(backend, CPU)


def test_a_backend_that_fails_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemm, "BACKENDS", (saturating, float32_slices))
    assert exact_gemm.__wrapped__(CPU) is float32_slices


def slow(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Right, but a plain loop, as oneDNN's int8 products on processors that have none."""
    until_s = time.thread_time() + 0.02
    while time.thread_time() < until_s:
        float64_product(a, b, out)


def test_of_exact_backends_the_fastest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemm, "BACKENDS", (slow, float32_slices))
    assert exact_gemm.__wrapped__(CPU) is float32_slices


def test_no_exact_backend_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gemm, "BACKENDS", (saturating,))
    with pytest.raises(DeviceError, match="use --device cpu"):
        exact_gemm.__wrapped__(CPU)


def test_the_backend_in_use_is_one_of_ours_and_exact() -> None:
    assert exact_gemm(CPU) in BACKENDS
    assert is_exact(exact_gemm(CPU), CPU)


@settings(max_examples=40)
@given(
    rows=st.integers(1, 70),
    inner=st.integers(2, 1200),  # of one term, torch._int_mm makes nothing: no model has such
    columns=st.integers(1, 70),
    extreme=st.booleans(),
    seed=st.integers(0, 1 << 30),
)
def test_the_backend_in_use_equals_int64_sums(
    rows: int, inner: int, columns: int, extreme: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    least = 126 if extreme else -127
    a = torch.randint(least, 128, (rows, inner), generator=generator).to(torch.int8)
    b = torch.randint(least, 128, (columns, inner), generator=generator).to(torch.int8)
    expected = (a.to(torch.int64)[:, None] * b.to(torch.int64)[None]).sum(-1)
    assert torch.equal(product(exact_gemm(CPU), a, b.t()).to(torch.int64), expected)


def test_products_take_strided_operands() -> None:
    """Prefill hands over slices of the cache: rows that are not next to each other."""
    a = torch.randint(-127, 128, (3, 50, 24), dtype=torch.int8)
    b = torch.randint(-127, 128, (2, 96, 24), dtype=torch.int8)
    for backend in BACKENDS:
        if is_exact(backend, CPU):
            ours = product(backend, a[1, 5:40], b[1, :64].t())
            assert torch.equal(ours, product(float64_product, a[1, 5:40], b[1, :64].t()))
