"""Kernels on single rows give the reference's integers, for ordinary and extreme rows."""

from __future__ import annotations

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


def rows_of(kind: str, n_rows: int, width: int) -> Tensor:
    """Float32 rows as linears leave them."""
    some = numbers(width)
    x = torch.from_numpy(some.normal(0, 3, (n_rows, width)).astype("f"))
    if kind == "zero":
        x[:] = 0
    if kind == "largest":
        x = torch.where(x > 0, 3e38, -3e38)
    if kind == "outlier":
        x[:, width // 2] = 1e9
    return x * {"tiny": 1e-38, "huge": 1e30}.get(kind, 1.0)


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
    x = rows_of(kind, 3, width)
    q, s = empty(3, padded(width), dtype=torch.int8), empty(3, dtype=torch.float32)
    constants = {"WIDTH": width, "PADDED": padded(width), "BLOCK": block_of(padded(width))}
    launch(rows.quantise_rows, (3,), x.to(DEVICE), q, s, **constants)
    expected, scale = arith.quantise(x, INT8_MAX)
    check_int8(q, expected)
    assert same_bits(s, scale[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("width", "block"), [(1, 0), (100, 0), (1, 1), (100, 4), (64, 64), (96, 32)]
)
@pytest.mark.parametrize("normed", [True, False])
def test_rows_are_turned_and_normalised(kind: str, width: int, block: int, normed: bool) -> None:
    x = rows_of(kind, 3, width)
    gain = rows_of("ordinary", 1, width)[0]
    if kind == "largest":
        x = x / (100 * width)  # else sums overflow, which no model may come to
    q, s = empty(3, padded(width), dtype=torch.int8), empty(3, dtype=torch.float32)
    constants = {"WIDTH": width, "PADDED": padded(width), "EPS": EPS, "BLOCK": 128}
    constants |= {"TURNED": block, "NORMED": normed}
    launch(rows.normalise_rows, (3,), x.to(DEVICE), gain.to(DEVICE), q, s, **constants)
    if not block:
        expected, scale = arith.normalise(x, EPS)
    elif normed:
        expected, scale = arith.turned_norm(x, gain, block, EPS)
    else:
        expected, scale = arith.turned(x, gain, block)
    check_int8(q, expected)
    assert same_bits(s, scale[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 100])
def test_what_is_added_is_normed(kind: str, width: int) -> None:
    y, gain = rows_of(kind, 3, width), rows_of("ordinary", 1, width)[0]
    x = rows_of("ordinary", 3, width) * 2
    stream = x.clone().to(DEVICE)
    given = y.to(DEVICE), gain.to(DEVICE), stream
    launch(rows.add_normed, (3,), *given, WIDTH=width, EPS=EPS, BLOCK=128)
    assert same_bits(stream, arith.added(x, y, gain, EPS))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 72])
def test_rows_are_split_into_halves(kind: str, width: int) -> None:
    n_rows, x = 3, rows_of(kind, 3, width)
    halves = empty(2 * n_rows, padded(width), dtype=torch.int8)
    s = empty(n_rows, dtype=torch.float32)
    constants = {"WIDTH": width, "PADDED": padded(width), "BLOCK": block_of(padded(width))}
    launch(rows.split_rows, (n_rows,), x.to(DEVICE), halves, s, n_rows, **constants)
    q, scale = arith.quantise(x, INT16_MAX)
    for half, expected in zip(halves.chunk(2), arith.split_halves(q), strict=True):
        check_int8(half, expected)
    assert same_bits(s, scale[:, 0])
