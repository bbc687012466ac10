"""Kernels on single rows give the reference's integers, for ordinary and extreme rows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from cuda_device import DEVICE, numbers, same_bits
from torch import Tensor

from llmzip.exact import arith
from llmzip.exact.constants import INT8_MAX, INT16_MAX
from llmzip.exact.cuda import rows
from llmzip.exact.cuda.gemm import padded
from llmzip.exact.cuda.launch import block_of, launch

KINDS = ("ordinary", "zero", "largest", "outlier", "tiny", "huge")
EPS = 1e-5


@dataclass(frozen=True)
class Sums:
    """The sums of a linear with what turns them into numbers, on the CPU."""

    sums: Tensor  # int32 (rows, width)
    scale: Tensor  # float32 (width,)
    bias: Tensor
    row_scale: Tensor  # float32 (rows,)

    @classmethod
    def of(cls, kind: str, n_rows: int, width: int) -> Sums:
        some = numbers(width)
        sums = torch.from_numpy(some.integers(-300_000, 300_000, (n_rows, width))).int()
        if kind == "zero":
            sums[:] = 0
        if kind == "largest":
            sums = torch.where(sums > 0, 127 * 127 * 2048, -127 * 127 * 2048).int()
        if kind == "outlier":
            sums[:, width // 2] = 1 << 30
        spread = {"tiny": 1e-22, "huge": 1e12}.get(kind, 1e-2)
        scale = torch.from_numpy(some.random(width).astype("f")) * spread
        bias = torch.from_numpy(some.normal(0, spread, width).astype("f"))
        return cls(sums, scale, bias, torch.from_numpy(some.random(n_rows).astype("f")) * 1e-3)

    def values(self, biased: bool, low: Tensor | None = None) -> Tensor:
        """As the reference de-quantises them; `low`: halves, joined in int64."""
        wide = self.sums if low is None else self.sums.to(torch.int64) * 256 + low
        y = wide.to(torch.float32) * self.scale * self.row_scale[:, None]
        return y + self.bias if biased else y

    def padded(self) -> Tensor:
        """The sums as the GEMM leaves them, on the device."""
        return _padded(self.sums)


def _padded(sums: Tensor) -> Tensor:
    room = torch.full((sums.shape[0], padded(sums.shape[1])), 77, dtype=torch.int32)
    room[:, : sums.shape[1]] = sums
    return room.to(DEVICE)


def empty(*shape: int, dtype: torch.dtype) -> Tensor:
    """Room for results, filled with what must not stay."""
    return torch.full(shape, 55, dtype=dtype, device=DEVICE)


def check_int8(stored: Tensor, expected: Tensor) -> None:
    """The integers, and zeros in the padding."""
    width = expected.shape[1]
    assert torch.equal(stored[:, :width].cpu(), expected.to(torch.int8))
    assert not stored[:, width:].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 40, 576])
def test_rows_are_quantised(kind: str, width: int) -> None:
    x = Sums.of(kind, 3, width).values(biased=False)
    q, s = empty(3, padded(width), dtype=torch.int8), empty(3, dtype=torch.float32)
    constants = {"WIDTH": width, "PADDED": padded(width), "BLOCK": block_of(padded(width))}
    launch(rows.quantise_rows, (3,), x.to(DEVICE), q, s, **constants)
    expected, scale = arith.quantise(x, INT8_MAX)
    check_int8(q, expected)
    assert same_bits(s, scale[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("biased", "wide"), [(False, True), (True, False), (True, True)])
def test_sums_are_added_and_normalised(kind: str, biased: bool, wide: bool) -> None:
    n_rows, width = 3, 100
    given = Sums.of(kind, n_rows, width)
    low = torch.from_numpy(numbers(5).integers(-(1 << 22), 1 << 22, (n_rows, width))).int()
    sums = given.padded()
    if wide:
        sums = torch.cat([sums, _padded(low)])
    x = torch.from_numpy(numbers(6).normal(0, 3, (n_rows, width)).astype("f"))
    stream = x.clone().to(DEVICE)
    q, s = empty(n_rows, padded(width), dtype=torch.int8), empty(n_rows, dtype=torch.float32)
    launch(
        rows.add_normalise,
        (n_rows,),
        sums,
        given.scale.to(DEVICE),
        given.bias.to(DEVICE),
        given.row_scale.to(DEVICE),
        stream,
        q,
        s,
        n_rows,
        WIDTH=width,
        SUMS=padded(width),
        PADDED=padded(width),
        BIASED=biased,
        WIDE=wide,
        EPS=EPS,
        BLOCK=128,
    )
    x = x + given.values(biased, low if wide else None)
    expected, scale = arith.normalise(x, EPS)
    assert same_bits(stream, x)
    check_int8(q, expected)
    assert same_bits(s, scale[:, 0])


@pytest.mark.parametrize("kind", ["ordinary", "zero", "largest", "outlier", "tiny"])
@pytest.mark.parametrize(("gated", "biased"), [(False, True), (True, False), (True, True)])
def test_activations_are_split_into_halves(kind: str, gated: bool, biased: bool) -> None:
    n_rows, width = 3, 72
    given = Sums.of(kind, n_rows, 2 * width if gated else width)
    halves = empty(2 * n_rows, padded(width), dtype=torch.int8)
    s = empty(n_rows, dtype=torch.float32)
    launch(
        rows.activate,
        (n_rows,),
        given.padded(),
        given.scale.to(DEVICE),
        given.bias.to(DEVICE),
        given.row_scale.to(DEVICE),
        halves,
        s,
        n_rows,
        WIDTH=width,
        SUMS=padded(given.sums.shape[1]),
        PADDED=padded(width),
        BIASED=biased,
        GATED=gated,
        BLOCK=128,
    )
    values = given.values(biased)
    active = arith.silu_gate(*values.chunk(2, -1)) if gated else arith.gelu_new(values)
    q, scale = arith.quantise(active, INT16_MAX)
    for half, expected in zip(halves.chunk(2), arith.split_halves(q), strict=True):
        check_int8(half, expected)
    assert same_bits(s, scale[:, 0])
