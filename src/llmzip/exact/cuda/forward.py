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
from llmzip.exact.cuda.scalars import cap_constants
from llmzip.exact.shape import ModelShape

STEP_KEYS = 64
"""Keys that a step takes at once; at least 32, see `attention.MAX_POSITIONS`."""
MANY_ROWS = 1024
"""Rows from which on a step has enough programs of one warp to keep a device busy."""
ROWS_KEYS = 32
"""Keys that prefill takes at once; at least 32, likewise."""
ROWS_QUERIES = 64
"""Query rows that prefill takes at once."""


class Forward:
    """Runs rows that lie in the workspace's inputs through the layers, into its q and scale."""

    def __init__(self, shape: ModelShape, model: DeviceModel, work: Workspace) -> None:
        self._shape, self._model, self._work = shape, model, work
        self._cap_depth = cap_constants(shape.score_cap)["CAP_DEPTH"]
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
            window = self._shape.window_of(index)
            self._project_heads(layer, self._shape.rope_of(index), inputs, kv, n_rows)
            if n_tokens == 1:
                scores = cache.scores(n_rows, self._shape.n_heads)
                self._attend_step(inputs, kv, scores, n_rows, window)
            else:
                self._attend_rows(inputs, kv, n_rows, n_lanes, n_tokens, window)
            self._close_attention(index, layer, n_rows)
            self._feed_forward(index, layer, n_rows)

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
            model.taken_gains[0],
            work.stream,
            work.q,
            work.scale,
            WIDTH=width,
            PADDED=self._stream_padding,
            LEARNED=learned,
            **self._taking(0),
            BLOCK=block,
            num_warps=warps_for(block),
        )

    @property
    def _stream_padding(self) -> int:
        return self._model.head.n_in

    def _taking(self, index: int) -> dict[str, float]:
        """How the stream is taken in, see `rows.store_taken` and `ModelShape.takes_normed`."""
        s = self._shape
        turned = s.turned_block if s.norms else 0
        return {"EPS": s.eps, "TURNED": turned, "NORMED": s.takes_normed(index)}

    def _project_heads(
        self, layer: PaddedLayer, rope: int, inputs: Tensor, kv: tuple[Tensor, ...], n_rows: int
    ) -> None:
        """Queries, keys and values. rope: the table that turns the former two, or -1."""
        s, model, work, linear = self._shape, self._model, self._work, layer.qkv
        block = block_of(s.d_head, 16)
        tile = tile_for(n_rows, block, linear.n_in, alone=False)
        cos, sin = model.ropes[rope] if rope >= 0 else (linear.scale, linear.scale)
        whole = s.head_norm == "whole"
        if whole:
            self._find_factors(linear, tile, n_rows)
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
            cos,
            sin,
            layer.gains if s.head_norm else linear.scale,
            work.factors if whole else linear.scale,
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
            ROTARY=rope >= 0,
            NORMED=bool(s.head_norm),
            WHOLE=whole,
            GAIN_FIRST=s.gain_first,
            EPS=s.eps,
            SCORE_SCALE=float(np.float32(score_scale(s.d_head, s.score_cap))),
            BLOCK_M=tile.rows,
            BLOCK_D=block,
            BLOCK_K=tile.inner,
            num_warps=tile.warps,
            num_stages=tile.stages,
        )

    def _find_factors(self, linear: PaddedLinear, tile: Tile, n_rows: int) -> None:
        """What norms all queries together, and all keys."""
        s, work = self._shape, self._work
        launch(
            linears.whole_factors,
            (2, -(-n_rows // tile.rows)),
            work.q,
            linear.weight,
            linear.scale,
            linear.bias,
            work.scale,
            work.factors,
            n_rows,
            K=linear.n_in,
            HEADS=s.n_heads,
            KV=s.n_kv_heads,
            D=s.d_head,
            BIASED=linear.biased,
            EPS=s.eps,
            BLOCK_M=tile.rows,
            BLOCK_D=block_of(s.d_head, 16),
            BLOCK_K=tile.inner,
            num_warps=tile.warps,
            num_stages=tile.stages,
        )

    def _attend_rows(
        self,
        inputs: Tensor,
        kv: tuple[Tensor, ...],
        n_rows: int,
        n_lanes: int,
        n_tokens: int,
        window: int,
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
            WINDOW=window,
            CAP_DEPTH=self._cap_depth,
            num_warps=4,
            num_stages=3,
        )

    def _attend_step(
        self, inputs: Tensor, kv: tuple[Tensor, ...], scores: Tensor, n_rows: int, window: int
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
            WINDOW=window,
            CAP_DEPTH=self._cap_depth,
            num_warps=1 if n_rows >= MANY_ROWS else 4,
            num_stages=1,
        )

    def _close_attention(self, index: int, layer: PaddedLayer, n_rows: int) -> None:
        """Output projection, residual, next norm."""
        work, width, linear = self._work, self._shape.d_heads, layer.out
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
        gain = layer.added_gains.get("out")
        self._add(work.mixed_q, work.mixed_scale, linear, gain, n_rows, wide=False)
        if not self._shape.parallel:
            self._take_in(2 * index + 1, n_rows)

    def _feed_forward(self, index: int, layer: PaddedLayer, n_rows: int) -> None:
        """Activation, down projection, residual, next norm."""
        s, work, up, down = self._shape, self._work, layer.up, layer.down
        tile = tile_for(n_rows, s.d_ff, up.n_in, alone=not s.gated)
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
            **tile.constants,
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
        gain = layer.added_gains.get("down")
        self._add(work.halves, work.active_scale, down, gain, n_rows, wide=True)
        self._take_in(2 * index + 2, n_rows)

    def _add(
        self,
        a: Tensor,
        scale: Tensor,
        linear: PaddedLinear,
        gain: Tensor | None,
        n_rows: int,
        *,
        wide: bool,
    ) -> None:
        """Add a linear to the stream, or its norm times a gain. wide: of rows in halves."""
        work, width, normed = self._work, self._shape.d_model, gain is not None
        tile = tile_for(n_rows, width, linear.n_in)
        launch(
            linears.add_linear,
            tile.grid(n_rows, width),
            a,
            linear.weight,
            linear.scale,
            linear.bias,
            scale,
            work.added if normed else work.stream,
            n_rows,
            WIDTH=width,
            K=linear.n_in,
            BIASED=linear.biased,
            WIDE=wide,
            ADDED=not normed,
            **tile.constants,
        )
        if normed:
            block = block_of(width)
            launch(
                rows.add_normed,
                (n_rows,),
                work.added,
                gain,
                work.stream,
                WIDTH=width,
                EPS=self._shape.eps,
                BLOCK=block,
                num_warps=warps_for(block),
            )

    def _take_in(self, index: int, n_rows: int) -> None:
        """The stream as the next linear takes it in: `qkv` and `up` in turn, at last the head."""
        work, block = self._work, block_of(self._stream_padding)
        launch(
            rows.normalise_rows,
            (n_rows,),
            work.stream,
            self._model.taken_gains[index],
            work.q,
            work.scale,
            WIDTH=self._shape.d_model,
            PADDED=self._stream_padding,
            **self._taking(index),
            BLOCK=block,
            num_warps=warps_for(block),
        )
