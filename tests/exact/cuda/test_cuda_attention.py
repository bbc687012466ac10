"""Attention kernels against the reference's attention, with keys and scales far apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from cuda_device import DEVICE, numbers, same_bits
from torch import Tensor

from llmzip.exact.cuda import attention
from llmzip.exact.cuda.launch import block_of, launch
from llmzip.exact.cuda.scalars import cap_constants
from llmzip.exact.reference import _attend

N_POSITIONS = 160


@dataclass(frozen=True)
class Case:
    """Queries of some lanes over a cache full of other lanes' and of stale keys."""

    kv: int
    group: int
    d: int
    lanes: tuple[int, ...]
    starts: tuple[int, ...]
    n_tokens: int
    kind: str = "ordinary"
    window: int = 0
    cap: float = 0.0

    def integers(self, seed: int, *shape: int) -> Tensor:
        some = torch.from_numpy(numbers(seed).integers(-127, 128, shape)).to(torch.int8)
        if self.kind == "largest":
            return torch.where(some > 0, 127, -127).to(torch.int8)
        return some

    def scales(self, seed: int, *shape: int) -> Tensor:
        some = numbers(seed)
        if self.kind == "far apart":
            return torch.from_numpy(10.0 ** some.uniform(-25, 3, shape)).float()
        return torch.from_numpy(some.uniform(0.001, 0.03, shape)).float()

    def cache(self) -> tuple[Tensor, ...]:
        """Keys, their scales, values, theirs: one layer."""
        size = (max(self.lanes) + 1, self.kv, N_POSITIONS)
        keys, values = self.integers(1, *size, self.d), self.integers(2, *size, self.d)
        return keys, self.scales(3, *size), values, self.scales(4, *size)

    def queries(self) -> tuple[Tensor, Tensor]:
        """q (KV, M, G, d) and its scales."""
        size = (self.kv, len(self.lanes) * self.n_tokens, self.group)
        return self.integers(5, *size, self.d), self.scales(6, *size)

    def expected(self) -> Tensor:
        """The reference's answer, (M, H, d)."""
        cache, (q, q_scale) = self.cache(), self.queries()
        rows = []
        for index, (lane, start) in enumerate(zip(self.lanes, self.starts, strict=True)):
            own = slice(index * self.n_tokens, (index + 1) * self.n_tokens)
            n_keys = start + self.n_tokens
            k, k_scale, v, v_scale = (
                x[lane, :, :n_keys].repeat_interleave(self.group, 0)[None] for x in cache
            )
            heads = [x[:, own].transpose(1, 2).flatten(0, 1)[None] for x in (q, q_scale)]
            before = torch.arange(start, n_keys)[:, None] - torch.arange(n_keys)
            mixed = _attend(
                heads[0],
                heads[1][..., None],
                k.double(),
                k_scale[:, :, None],
                v.double(),
                v_scale[:, :, None],
                (before >= 0) & (before < (self.window or n_keys)),
                self.cap,
            )
            rows.append(mixed[0].transpose(0, 1))
        return torch.cat(rows)

    def inputs(self) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """What both kernels take first, and room for the answer."""
        keys, key_scales, values, value_scales = self.cache()
        cache = keys, key_scales, in_pieces(values), value_scales
        tensors = [x.contiguous().to(DEVICE) for x in (*self.queries(), *cache)]
        at = [s + t for s in self.starts for t in range(self.n_tokens)]
        lanes = torch.tensor(self.lanes).repeat_interleave(self.n_tokens)
        mixed = torch.full((len(at), self.kv * self.group, self.d), 7.0, device=DEVICE)
        return tensors, [lanes.to(DEVICE), torch.tensor(at).to(DEVICE)], mixed

    def heads(self) -> dict[str, Any]:
        sizes = {"KV": self.kv, "G": self.group, "D": self.d, "BLOCK_D": block_of(self.d, 32)}
        depth = cap_constants(self.cap)["CAP_DEPTH"]
        return sizes | {"WINDOW": self.window, "CAP_DEPTH": depth}


def in_pieces(values: Tensor) -> Tensor:
    """Values (lanes, KV, positions, d) as a CudaCache holds them."""
    lanes, kv, n_positions, d = values.shape
    piece = attention.PIECE.value
    return values.view(lanes, kv, n_positions // piece, piece, d).transpose(3, 4)


CASES = [
    Case(2, 2, 16, (1,), (0,), 9),
    Case(2, 2, 16, (1,), (0,), 9, "largest"),
    Case(3, 3, 64, (2, 0), (70, 1), 4),
    Case(3, 3, 64, (2, 0), (70, 1), 4, "far apart"),
    Case(1, 1, 12, (0, 1), (130, 3), 20),
    Case(1, 5, 50, (0,), (120,), 30, "largest"),
    Case(2, 1, 2, (0,), (60,), 70, "far apart"),
    Case(2, 2, 16, (1,), (0,), 9, window=1),
    Case(1, 3, 64, (2, 0), (70, 1), 20, "far apart", window=7),
    Case(1, 1, 12, (0, 1), (130, 3), 30, "largest", window=64),
    Case(1, 2, 16, (0,), (60,), 100, window=65),
    Case(2, 2, 16, (1,), (0,), 9, cap=50.0),
    Case(1, 3, 64, (2, 0), (70, 1), 20, "far apart", window=7, cap=1.0),
    Case(1, 1, 12, (0, 1), (130, 3), 20, "largest", cap=3.0),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("block", [16, 64])
def test_rows_of_lanes_attend_to_what_came_before(case: Case, block: int) -> None:
    tensors, places, mixed = case.inputs()
    n_blocks = -(-case.n_tokens * case.group // block)
    launch(
        attention.attend_rows,
        (len(case.lanes), case.kv, n_blocks),
        *tensors,
        *places,
        mixed,
        len(case.lanes) * case.n_tokens,
        case.n_tokens,
        N_POSITIONS,
        **case.heads(),
        BLOCK_M=block,
        BLOCK_N=64,
    )
    assert same_bits(mixed, case.expected())


STEPS = [
    Case(2, 2, 16, (1, 0, 4, 2), (0, 1, 63, 64), 1),
    Case(2, 2, 16, (1, 0), (128, 127), 1, "largest"),
    Case(3, 3, 64, (2, 0), (159, 1), 1, "far apart"),
    Case(1, 5, 50, (0,), (100,), 1),
    Case(1, 20, 12, (0,), (150,), 1, "far apart"),
    Case(2, 1, 2, (0,), (60,), 1, "largest"),
    Case(2, 2, 16, (1, 0, 4, 2), (0, 1, 63, 64), 1, window=1),
    Case(3, 3, 64, (2, 0), (159, 1), 1, "far apart", window=65),
    Case(1, 5, 50, (0, 1), (100, 128), 1, "largest", window=64),
    Case(2, 2, 16, (1, 0), (128, 127), 1, cap=50.0),
    Case(3, 3, 64, (2, 0), (159, 1), 1, "far apart", window=65, cap=1.0),
    Case(1, 5, 50, (0,), (100,), 1, "largest", cap=3.0),
]


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("block", [64, 128])
def test_a_step_of_lanes_attends_to_what_came_before(case: Case, block: int) -> None:
    tensors, places, mixed = case.inputs()
    n_rows = len(case.lanes)
    scratch = torch.full((n_rows * case.kv * case.group * N_POSITIONS,), 5.0, device=DEVICE)
    launch(
        attention.attend_step,
        (n_rows, case.kv),
        *tensors,
        *places,
        scratch,
        mixed,
        n_rows,
        N_POSITIONS,
        **case.heads(),
        BLOCK_G=block_of(case.group),
        BLOCK_M=block_of(case.group, 16),
        BLOCK_N=block,
    )
    assert same_bits(mixed, case.expected())
