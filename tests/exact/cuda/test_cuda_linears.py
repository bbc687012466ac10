"""Linears with all that follows them give the reference's numbers, at any tile, for any rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from cuda_device import DEVICE, numbers, same_bits
from torch import Tensor

from llmzip.exact import arith
from llmzip.exact.constants import INT8_MAX, score_scale
from llmzip.exact.cuda import linears
from llmzip.exact.cuda.gemm import ALIGNMENT, Tile, padded, tile_for
from llmzip.exact.cuda.launch import launch
from llmzip.exact.shape import Activation

KINDS = ("ordinary", "zero", "largest", "tiny", "huge")
TILES = (Tile(16, 16, 32, 4, 2), Tile(64, 32, 64, 4, 3))


@dataclass(frozen=True)
class Given:
    """Quantised rows and a linear, on the CPU. a: int8 (rows, K), K padded with zeros."""

    a: Tensor
    weight: Tensor  # int8 (N, K)
    scale: Tensor  # float32 (N,)
    bias: Tensor
    row_scale: Tensor  # float32 (rows,)

    @classmethod
    def of(cls, kind: str, n_rows: int, width: int, n_inner: int) -> Given:
        some = numbers(width + n_rows)

        def integers(rows: int) -> Tensor:
            found = torch.from_numpy(some.integers(-127, 128, (rows, n_inner))).to(torch.int8)
            if kind == "zero":
                found[:] = 0
            if kind == "largest":
                found = torch.where(found > 0, 127, -127).to(torch.int8)
            return torch.nn.functional.pad(found, (0, padded(n_inner) - n_inner))

        spread = {"tiny": 1e-22, "huge": 1e12}.get(kind, 1e-2)
        scale = torch.from_numpy(some.random(width).astype("f")) * spread
        bias = torch.from_numpy(some.normal(0, spread, width).astype("f"))
        row_scale = torch.from_numpy(some.random(n_rows).astype("f")) * 1e-3
        return cls(integers(n_rows), integers(width), scale, bias, row_scale)

    def values(self, biased: bool, low: Tensor | None = None) -> Tensor:
        """As the reference computes them; `low`: halves, joined in int64."""
        sums = self.a.long() @ self.weight.long().t()
        if low is not None:
            sums = sums * 256 + low.long() @ self.weight.long().t()
        y = sums.to(torch.float32) * self.scale * self.row_scale[:, None]
        return y + self.bias if biased else y

    def on_device(self, low: Tensor | None = None) -> list[Tensor]:
        """What every kernel takes first."""
        a = self.a if low is None else torch.cat([self.a, low])
        given = (a, self.weight, self.scale, self.bias, self.row_scale)
        return [tensor.contiguous().to(DEVICE) for tensor in given]


def blocks(tile: Tile) -> dict[str, int]:
    return {"BLOCK_M": tile.rows, "BLOCK_K": tile.inner, "num_warps": tile.warps}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("biased", "wide"), [(False, True), (True, False)])
@pytest.mark.parametrize(("tile", "added"), [(TILES[0], False), *((tile, True) for tile in TILES)])
def test_linears_are_added_to_the_stream(
    kind: str, biased: bool, wide: bool, tile: Tile, added: bool
) -> None:
    n_rows, width = 19, 40
    given = Given.of(kind, n_rows, width, 100)
    low = Given.of("ordinary", n_rows, width, 100).a if wide else None
    x = torch.from_numpy(numbers(6).normal(0, 3, (n_rows, width)).astype("f"))
    stream = x.clone().to(DEVICE)
    launch(
        linears.add_linear,
        tile.grid(n_rows, width),
        *given.on_device(low),
        stream,
        n_rows,
        WIDTH=width,
        K=given.a.shape[1],
        BIASED=biased,
        WIDE=wide,
        ADDED=added,
        BLOCK_N=tile.columns,
        **blocks(tile),
    )
    found = given.values(biased, low)
    assert same_bits(stream, x + found if added else found)


@pytest.mark.parametrize("kind", KINDS[:-1])
@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("tile", TILES)
def test_activations_follow_linears(
    kind: str, activation: Activation, biased: bool, tile: Tile
) -> None:
    n_rows, width = 19, 72
    given = Given.of(kind, n_rows, 2 * width if activation.is_gate else width, 48)
    active = torch.full((n_rows, width), 5.0, device=DEVICE)
    launch(
        linears.activate_linear,
        tile.grid(n_rows, width),
        *given.on_device(),
        active,
        n_rows,
        WIDTH=width,
        K=given.a.shape[1],
        BIASED=biased,
        ACTIVATION=int(activation),
        GATED=activation.is_gate,
        BLOCK_N=tile.columns,
        **blocks(tile),
    )
    y = given.values(biased)
    assert same_bits(active, arith.activate(activation, y))


@dataclass(frozen=True)
class Heads:
    """Heads of queries and of keys, and their width."""

    n_heads: int
    kv: int
    d: int
    n_positions: int = 32

    @property
    def group(self) -> int:
        return self.n_heads // self.kv


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heads", [Heads(2, 2, 16), Heads(6, 2, 64), Heads(3, 1, 50)])
@pytest.mark.parametrize(
    ("rotary", "biased", "norm"),
    [
        (True, False, ""),
        (False, True, ""),
        (True, True, "before"),
        (True, False, "after"),
        (False, False, "before"),
        (True, True, "whole"),
        (False, False, "whole"),
    ],
)
def test_heads_are_rotated_quantised_and_kept(
    kind: str, heads: Heads, rotary: bool, biased: bool, norm: str
) -> None:
    """Rows of lanes 2 and 0, and one of no lane, which leaves the cache alone."""
    n_rows, n_lanes = 5, 3
    given = Given.of(kind, n_rows, (heads.n_heads + 2 * heads.kv) * heads.d, 48)
    lanes, at = torch.tensor([2, 2, 0, 0, -1]), torch.tensor([3, 4, 0, 23, 7])
    angles = torch.from_numpy(numbers(8).uniform(-3, 3, (heads.n_positions, heads.d // 2)))
    cos, sin = angles.cos().float(), angles.sin().float()
    n_keys = heads.n_heads + heads.kv
    gains = torch.from_numpy(numbers(9).normal(1, 0.5, (n_keys, heads.d)).astype("f"))
    q = torch.full((heads.kv, n_rows, heads.group, heads.d), 55, dtype=torch.int8, device=DEVICE)
    q_scale = torch.full((heads.kv, n_rows, heads.group), 5.0, device=DEVICE)
    size = (n_lanes, heads.kv, heads.n_positions)
    cache = [
        torch.full((*size, heads.d), 66, dtype=torch.int8, device=DEVICE),
        torch.full(size, 6.0, device=DEVICE),
        torch.full((*size[:2], 2, heads.d, 16), 77, dtype=torch.int8, device=DEVICE),
        torch.full(size, 7.0, device=DEVICE),
    ]
    tile, unit = TILES[0], float(np.float32(score_scale(heads.d)))
    factors = torch.full((2, n_rows), 3.0, device=DEVICE)
    sizes = {
        "K": given.a.shape[1],
        "HEADS": heads.n_heads,
        "KV": heads.kv,
        "D": heads.d,
        "BIASED": biased,
        "EPS": 1e-5,
        "BLOCK_D": 64 if heads.d > 16 else 16,
        **blocks(tile),
    }
    if norm == "whole":
        grid = (2, -(-n_rows // tile.rows))
        launch(linears.whole_factors, grid, *given.on_device(), factors, n_rows, **sizes)
    launch(
        linears.project_heads,
        (heads.n_heads + 2 * heads.kv, -(-n_rows // tile.rows)),
        *given.on_device(),
        *(tensor.to(DEVICE) for tensor in (lanes, at, cos, sin, gains)),
        factors,
        q,
        q_scale,
        *cache,
        n_rows,
        heads.n_positions,
        ROTARY=rotary,
        NORMED=bool(norm),
        WHOLE=norm == "whole",
        GAIN_FIRST=norm != "after",
        SCORE_SCALE=unit,
        **sizes,
    )
    y = given.values(biased).view(n_rows, -1, heads.d)
    values, placed = y[:, n_keys:], y[:, :n_keys]
    if norm == "whole":
        sides = placed[:, : heads.n_heads], placed[:, heads.n_heads :]
        factored = [x * arith.norm_factor(x.flatten(1), 1e-5)[:, None] for x in sides]
        placed = torch.cat(factored, 1)
    elif norm:
        placed = placed * arith.norm_factor(placed, 1e-5)
    if norm in ("before", "whole"):
        placed = placed * gains
    if rotary:
        placed = turned(placed, cos[at], sin[at])
    if norm == "after":
        placed = placed * gains
    queries, keys = placed[:, : heads.n_heads], placed[:, heads.n_heads :]
    expected, scale = arith.quantise(queries, INT8_MAX)
    order = (n_rows, heads.kv, heads.group)
    assert torch.equal(q.cpu(), expected.view(*order, heads.d).transpose(0, 1).to(torch.int8))
    assert same_bits(q_scale, (scale.view(order) * torch.tensor(unit)).transpose(0, 1).contiguous())
    in_order = cache[2].transpose(3, 4).reshape(*size, heads.d)
    for stored, kept_scale, x in ((*cache[:2], keys), (in_order, cache[3], values)):
        expected, scale = arith.quantise(x, INT8_MAX)
        for row in range(4):
            place = int(lanes[row]), slice(None), int(at[row])
            assert torch.equal(stored.cpu()[place], expected[row].to(torch.int8))
            assert same_bits(kept_scale.cpu()[place], scale[row, :, 0])
        n_written = (kept_scale.cpu() != kept_scale.cpu()[1, 0, 0]).sum()
        assert n_written <= 4 * heads.kv


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE of heads (rows, heads, d) by each row's angles (rows, d / 2)."""
    first, second = x.chunk(2, -1)
    c, s = cos[:, None], sin[:, None]
    return torch.cat([first * c - second * s, second * c + first * s], -1)


def test_tiles_fit_their_products() -> None:
    for n_rows in (1, 16, 33, 512, 1024, 16384):
        for width in (2, 64, 576, 49152):
            tile = tile_for(n_rows, width, 576)
            n_columns, n_blocks = tile.grid(n_rows, width)
            assert n_columns * tile.columns >= width
            assert n_blocks * tile.rows >= n_rows
            assert tile.columns % ALIGNMENT == tile.rows % ALIGNMENT == 0
