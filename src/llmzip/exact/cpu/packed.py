"""A model's weights as decoding steps and tiles read them: stacked by layers, in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np

from llmzip.exact.aligned import aligned_zeros
from llmzip.exact.cpu import simd, tiles
from llmzip.exact.cpu.buffers import LinearView, ModelView
from llmzip.exact.cpu.product import StepLinear
from llmzip.exact.cpu.rows import row_sums
from llmzip.exact.cpu.scalars import f32, i32
from llmzip.exact.cpu.step import StepModel
from llmzip.exact.model import ExactModel
from llmzip.exact.reference import score_scale

NAMES = ("qkv", "out", "up", "down")
"""The linears of a layer."""


@dataclass(frozen=True, eq=False)
class PackedModel:
    """The kernels' view of `model`: one for all engines, for as long as one of them lives."""

    model: ExactModel
    step: StepModel


_shared: WeakValueDictionary[tuple[int, bool], PackedModel] = WeakValueDictionary()
_lock = threading.Lock()


def packed_model(model: ExactModel) -> PackedModel:
    """The model packed, by whoever asks for it first."""
    key = id(model), tiles.AVAILABLE
    with _lock:
        packed = _shared.get(key)
        if packed is None:
            packed = PackedModel(model, _step_model(model))
            _shared[key] = packed
        return packed


def _step_model(model: ExactModel) -> StepModel:
    view = ModelView.of(model)
    linears = {name: [layer[name] for layer in view.layers] for name in NAMES}
    with ThreadPoolExecutor(len(linears) + 1, "llmzip-pack") as pool:
        packed = pool.map(_step_linear, [*linears.values(), [view.head]])
    named = dict(zip((*NAMES, "head"), packed, strict=True))
    return StepModel(
        view.embedding,
        view.embedding_scale,
        view.positions,
        view.cos,
        view.sin,
        model.shape.eps,
        model.shape.gated,
        f32(score_scale(model.shape.d_head)),
        tiles.AVAILABLE,
        **named,
    )


def _step_linear(linears: Sequence[LinearView]) -> StepLinear:
    # a mapped file comes in small pages; numpy asks for huge ones, which are read faster
    rows = [linear.weight.t().numpy() for linear in linears]
    scale, bias = (np.stack([getattr(linear, n) for linear in linears]) for n in ("scale", "bias"))
    if not tiles.AVAILABLE:
        corrections = [row_sums(weight) * i32(simd.SIGN_BITS) for weight in rows]
        return StepLinear(np.stack(rows), np.stack(corrections), scale, bias)
    n_out, n_in = rows[0].shape
    n_out = -(-n_out // tiles.OUTPUTS) * tiles.OUTPUTS
    weights = aligned_zeros((len(rows), n_out, n_in), np.int8)
    for source, target in zip(rows, weights, strict=True):
        tiles.pack_rows(source.view(np.int32), target.reshape(-1).view(np.int32))
    return StepLinear(weights, np.empty((len(rows), 0), dtype=np.int32), scale, bias)
