"""The forward pass as a sequence of launches over fixed buffers: runs at once, or into a graph."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from llmzip.exact.constants import score_scale
from llmzip.exact.cuda import attention, linears, rows
from llmzip.exact.cuda.buffers import (
    N_INPUTS,
    DeviceModel,
    PaddedLayer,
    PaddedLinear,
    Workspace,
    view,
)
from llmzip.exact.cuda.gemm import Tile, tile_for
from llmzip.exact.cuda.kv_cache import CudaCache
from llmzip.exact.cuda.launch import block_of, launch, warps_for
from llmzip.exact.shape import ModelShape

STEP_KEYS = 64
"""Keys that a step takes at once."""
ROWS_KEYS = 64
"""Keys that prefill takes at once; at least 64, see `attention.MAX_POSITIONS`."""
ROWS_QUERIES = 32
"""Query rows that prefill takes at once."""


class Forward:
    """Runs rows that lie in the workspace's inputs through the layers, into its q and scale."""

    def __init__(self, shape: ModelShape, model: DeviceModel, work: Workspace) -> None:
        self._shape, self._model, self._work = shape, model, work
        self._heads = {
            "KV": shape.n_kv_heads,
            "G": shape.n_heads // shape.n_kv_heads,
            "D": shape.d_head,
            "BLOCK_D": block_of(shape.d_head, 32),
        }

    def __call__(self, n_rows: int, n_lanes: int, n_tokens: int, cache: CudaCache) -> None:
        """Run `n_rows` rows, of which the first n_lanes · n_tokens are lanes' (all, in a step)."""
        work = self._work
        inputs = view(work.inputs, N_INPUTS, n_rows)
        self._embed(inputs, n_rows)
        for index, layer in enumerate(self._model.layers):
            kv = (
                cache.keys[index],
                cache.key_scales[index],
                cache.values[index],
                cache.value_scales[index],
            )
            self._project_heads(layer, inputs, kv, n_rows)
            if n_tokens == 1:
                self._attend_step(inputs, kv, cache.scores(n_rows, self._shape.n_heads), n_rows)
            else:
                self._attend_rows(inputs, kv, n_rows, n_lanes, n_tokens)
            self._close_attention(layer.out, n_rows)
            self._feed_forward(layer, n_rows)

    def _embed(self, inputs: Tensor, n_rows: int) -> None:
        model, work, width = self._model, self._work, self._shape.d_model
        learned = len(model.positions) > 0
        block = block_of(width)
        launch(
            rows.embed_normalise,
            (n_rows,),
            inputs[0],
            inputs[2],
            model.embedding,
            model.embedding_scale,
            model.positions if learned else model.embedding_scale,
            work.stream,
            work.q,
            work.scale,
            WIDTH=width,
            PADDED=self._stream_padding,
            LEARNED=learned,
            EPS=self._shape.eps,
            BLOCK=block,
            num_warps=warps_for(block),
        )

    @property
    def _stream_padding(self) -> int:
        return self._model.head.n_in

    def _project_heads(
        self, layer: PaddedLayer, inputs: Tensor, kv: tuple[Tensor, ...], n_rows: int
    ) -> None:
        s, model, work, linear = self._shape, self._model, self._work, layer.qkv
        block = block_of(s.d_head, 16)
        tile = tile_for(n_rows, block, linear.n_in)
        launch(
            linears.project_heads,
            (s.n_heads + 2 * s.n_kv_heads, -(-n_rows // tile.rows)),
            work.q,
            linear.weight,
            linear.scale,
            linear.bias,
            work.scale,
            inputs[1],
            inputs[2],
            model.cos if s.rotary else linear.scale,
            model.sin if s.rotary else linear.scale,
            layer.gains if s.head_norm else linear.scale,
            work.queries,
            work.query_scales,
            *kv,
            n_rows,
            kv[0].shape[2],
            K=linear.n_in,
            HEADS=s.n_heads,
            KV=s.n_kv_heads,
            D=s.d_head,
            BIASED=linear.biased,
            ROTARY=s.rotary,
            NORMED=bool(s.head_norm),
            GAIN_FIRST=s.gain_first,
            EPS=s.eps,
            SCORE_SCALE=float(np.float32(score_scale(s.d_head))),
            BLOCK_M=tile.rows,
            BLOCK_D=block,
            BLOCK_K=tile.inner,
            num_warps=tile.warps,
            num_stages=tile.stages,
        )

    def _attend_rows(
        self, inputs: Tensor, kv: tuple[Tensor, ...], n_rows: int, n_lanes: int, n_tokens: int
    ) -> None:
        work = self._work
        n_queries = n_tokens * self._heads["G"]
        block = min(ROWS_QUERIES, block_of(n_queries, 16))
        launch(
            attention.attend_rows,
            (n_lanes, self._shape.n_kv_heads, -(-n_queries // block)),
            work.queries,
            work.query_scales,
            *kv,
            inputs[1],
            inputs[2],
            work.mixed,
            n_rows,
            n_tokens,
            kv[0].shape[2],
            **self._heads,
            BLOCK_M=block,
            BLOCK_N=ROWS_KEYS,
            num_warps=2,
        )

    def _attend_step(
        self, inputs: Tensor, kv: tuple[Tensor, ...], scores: Tensor, n_rows: int
    ) -> None:
        work, group = self._work, self._heads["G"]
        launch(
            attention.attend_step,
            (n_rows, self._shape.n_kv_heads),
            work.queries,
            work.query_scales,
            *kv,
            inputs[1],
            inputs[2],
            scores,
            work.mixed,
            n_rows,
            kv[0].shape[2],
            **self._heads,
            BLOCK_G=block_of(group),
            BLOCK_M=block_of(group, 16),
            BLOCK_N=STEP_KEYS,
            num_warps=4,
            num_stages=1,
        )

    def _close_attention(self, linear: PaddedLinear, n_rows: int) -> None:
        """Output projection, residual, next norm."""
        work, width = self._work, self._shape.d_heads
        block = block_of(linear.n_in)
        launch(
            rows.quantise_rows,
            (n_rows,),
            work.mixed,
            work.mixed_q,
            work.mixed_scale,
            WIDTH=width,
            PADDED=linear.n_in,
            BLOCK=block,
            num_warps=warps_for(block),
        )
        self._add(work.mixed_q, work.mixed_scale, linear, n_rows, wide=False)
        if not self._shape.parallel:
            self._normalise(n_rows)

    def _feed_forward(self, layer: PaddedLayer, n_rows: int) -> None:
        """Activation, down projection, residual, next norm."""
        s, work, up, down = self._shape, self._work, layer.up, layer.down
        tile = tile_for(n_rows, s.d_ff, up.n_in)
        launch(
            linears.activate_linear,
            tile.grid(n_rows, s.d_ff),
            work.q,
            up.weight,
            up.scale,
            up.bias,
            work.scale,
            work.active,
            n_rows,
            WIDTH=s.d_ff,
            K=up.n_in,
            BIASED=up.biased,
            ACTIVATION=int(s.feed_forward),
            GATED=s.gated,
            **_blocks(tile),
        )
        block = block_of(down.n_in)
        launch(
            rows.split_rows,
            (n_rows,),
            work.active,
            work.halves,
            work.active_scale,
            n_rows,
            WIDTH=s.d_ff,
            PADDED=down.n_in,
            BLOCK=block,
            num_warps=warps_for(block),
        )
        self._add(work.halves, work.active_scale, down, n_rows, wide=True)
        self._normalise(n_rows)

    def _add(
        self, a: Tensor, scale: Tensor, linear: PaddedLinear, n_rows: int, *, wide: bool
    ) -> None:
        """Add a linear to the stream. wide: of rows in halves."""
        work, width = self._work, self._shape.d_model
        tile = tile_for(n_rows, width, linear.n_in)
        launch(
            linears.add_linear,
            tile.grid(n_rows, width),
            a,
            linear.weight,
            linear.scale,
            linear.bias,
            scale,
            work.stream,
            n_rows,
            WIDTH=width,
            K=linear.n_in,
            BIASED=linear.biased,
            WIDE=wide,
            **_blocks(tile),
        )

    def _normalise(self, n_rows: int) -> None:
        work, block = self._work, block_of(self._stream_padding)
        launch(
            rows.normalise_rows,
            (n_rows,),
            work.stream,
            work.q,
            work.scale,
            WIDTH=self._shape.d_model,
            PADDED=self._stream_padding,
            EPS=self._shape.eps,
            BLOCK=block,
            num_warps=warps_for(block),
        )


def _blocks(tile: Tile) -> dict[str, int]:
    """A tile as kernels take it."""
    return {
        "BLOCK_M": tile.rows,
        "BLOCK_N": tile.columns,
        "BLOCK_K": tile.inner,
        "num_warps": tile.warps,
        "num_stages": tile.stages,
    }
