"""A model's weights as decoding steps and tiles read them: stacked by layers, in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.aligned import aligned_zeros
from llmzip.exact.constants import score_scale
from llmzip.exact.cpu import fours, pairs, simd, tiles
from llmzip.exact.cpu.buffers import LinearView, ModelView
from llmzip.exact.cpu.product import StepLinear
from llmzip.exact.cpu.scalars import f32
from llmzip.exact.cpu.step import StepModel
from llmzip.exact.cpu.ways import Way
from llmzip.exact.model import LINEARS, ExactModel


@dataclass(frozen=True, eq=False)
class PackedModel:
    """The kernels' view of `model`: one for all engines, for as long as one of them lives."""

    model: ExactModel
    step: StepModel


_shared: WeakValueDictionary[tuple[int, Way], PackedModel] = WeakValueDictionary()
_lock = threading.Lock()


def packed_model(model: ExactModel, way: Way) -> PackedModel:
    """The model packed for a way, by whoever asks for it first."""
    key = id(model), way
    with _lock:
        packed = _shared.get(key)
        if packed is None:
            packed = PackedModel(model, _step_model(model, way))
            _shared[key] = packed
        return packed


def _step_model(model: ExactModel, way: Way) -> StepModel:
    view = ModelView.of(model)
    linears = {name: [layer[name] for layer in view.layers] for name in LINEARS}
    with ThreadPoolExecutor(len(linears) + 1, "llmzip-pack") as pool:
        packed = pool.map(partial(_step_linear, way), [*linears.values(), [view.head]])
    named = dict(zip((*LINEARS, "head"), packed, strict=True))
    return StepModel(
        view.embedding,
        view.embedding_scale,
        view.positions,
        view.cos,
        view.sin,
        model.shape.eps,
        model.shape.gated,
        f32(score_scale(model.shape.d_head)),
        way is Way.AMX,
        **named,
    )


def _step_linear(way: Way, linears: Sequence[LinearView]) -> StepLinear:
    # a mapped file comes in small pages; numpy asks for huge ones, which are read faster
    rows = [linear.weight.T for linear in linears]
    scale, bias = (np.stack([getattr(linear, n) for linear in linears]) for n in ("scale", "bias"))
    weights = packed_rows(rows, way)
    if way is Way.AVX2:
        n_layers, n_out, n_in = weights.shape
        block, together = pairs.OUTPUTS, pairs.TOGETHER
        weights = weights.reshape(n_layers, n_out // block, n_in // together, block, together)
    return StepLinear(weights, scale, bias)


def packed_rows(rows: Sequence[NDArray[np.int8]], way: Way) -> NDArray[np.int8]:
    """Weights (outputs, inputs) in the order in which a way's kernels read them, one after another.

    There are outputs for whole blocks.
    """
    if way is Way.AVX2:
        return _packed(rows, pairs.OUTPUTS, np.int16)
    if way is Way.AMX:
        return _packed(rows, tiles.OUTPUTS, np.int32)
    weights = _packed(rows, fours.BLOCK, np.int32)
    weights ^= np.int8(-simd.SIGN_BITS)
    return weights


def _packed(rows: Sequence[NDArray[np.int8]], n_outputs: int, together: type) -> NDArray[np.int8]:
    """Weights in blocks of 16 outputs, the terms that an integer `together` holds side by side.

    There are outputs for a multiple of n_outputs.
    """
    n_out, n_in = rows[0].shape
    n_out = -(-n_out // n_outputs) * n_outputs
    weights = aligned_zeros((len(rows), n_out, n_in), np.int8)
    for source, target in zip(rows, weights, strict=True):
        tiles.pack_rows(source.view(together), target.reshape(-1).view(together))
    return weights
