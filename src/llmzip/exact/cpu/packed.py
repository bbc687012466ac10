"""A model's weights as decoding steps and tiles read them: stacked by layers, in memory.

Of a model on disk they are kept there, too, and mapped by the next process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.aligned import aligned_zeros
from llmzip.exact.cpu import pairs, tiles
from llmzip.exact.cpu.buffers import LinearView, ModelView
from llmzip.exact.cpu.head_blocks import spread
from llmzip.exact.cpu.packed_form import keep_step, kept_step, packed_shape, read_step, step_model
from llmzip.exact.cpu.product import StepLinear
from llmzip.exact.cpu.step import StepModel
from llmzip.exact.cpu.ways import Way
from llmzip.exact.model import LINEARS, ExactModel
from llmzip.exact.narrowed import NarrowedModel
from llmzip.exact.stored import AnyModel, StoredModel, whole_model


@dataclass(eq=False)
class PackedModel:
    """The kernels' view of `model`: one for all engines, for as long as one of them lives.

    read_weights: puts weights that are mapped into memory of their own, once.
    """

    model: AnyModel
    step: StepModel
    read_weights: Callable[[StepModel], StepModel] | None = None

    def for_steps(self) -> StepModel:
        """The view for whoever goes through all weights token by token.

        A mapped file comes in small pages, in which that takes a quarter longer; blocks of rows
        make up for it.
        """
        with _lock:
            return self._read()

    def _read(self) -> StepModel:
        if self.read_weights is not None:
            self.step, self.read_weights = self.read_weights(self.step), None
        return self.step

    def narrowed(self, model: NarrowedModel, way: Way) -> PackedModel:
        """The view of a narrowed one, which holds this. way: that of this."""
        ids, whole = model.ids, self.step.head
        bias = whole.bias[:, ids] if whole.bias.size else whole.bias
        head = StepLinear(packed_part(whole.weight, ids, way), whole.scale[:, ids], bias)

        def read(_: StepModel) -> StepModel:
            return self._read()._replace(head=head)

        return PackedModel(model, self.step._replace(head=head), read)


_shared: WeakValueDictionary[tuple[int, Way], PackedModel] = WeakValueDictionary()
_lock = threading.Lock()


def packed_model(model: AnyModel, way: Way) -> PackedModel:
    """The model packed for a way, by whoever asks for it first. Raises as `whole_model` does."""
    with _lock:
        return _shared_of(model, way)


def _shared_of(model: AnyModel, way: Way) -> PackedModel:
    key = id(model), way
    packed = _shared.get(key)
    if packed is None:
        packed = _packed_of(model, way)
        _shared[key] = packed
    return packed


def _packed_of(model: AnyModel, way: Way) -> PackedModel:
    """As it is kept, or packed now and kept."""
    if isinstance(model, NarrowedModel):
        return _shared_of(model.of, way).narrowed(model, way)
    if not isinstance(model, StoredModel):
        return PackedModel(model, _step_model(whole_model(model), way))
    step = kept_step(model.forms, model.shape, way)
    if step is not None:
        return PackedModel(model, step, partial(read_step, model.forms, way))
    step = _step_model(whole_model(model), way)
    keep_step(model.forms, way, step)
    return PackedModel(model, step)


def _step_model(model: ExactModel, way: Way) -> StepModel:
    view, d_head = ModelView.of(model), model.shape.d_head
    linears = {name: [layer[name] for layer in view.layers] for name in LINEARS}
    linears["head"] = [view.head]
    with ThreadPoolExecutor(len(linears), "llmzip-pack") as pool:
        packed = pool.map(partial(_step_linear, way, d_head), linears, linears.values())
    named = dict(zip(linears, packed, strict=True))
    gains = np.stack(view.gains)
    return step_model(
        model.shape,
        way,
        embedding=view.embedding,
        embedding_scale=view.embedding_scale,
        positions=view.positions,
        ropes=view.ropes,
        gains=spread(gains, d_head) if gains.size else gains,
        taken_gains=view.taken_gains,
        added_gains=view.added_gains,
        **named,
    )


class _Rows(Sequence[NDArray[np.int8]]):
    """Weights (outputs, inputs) of each layer, heads in blocks, made when they are asked for."""

    def __init__(self, linears: Sequence[LinearView], d_head: int, axis: int | None) -> None:
        self._linears, self._d_head, self._axis = linears, d_head, axis

    def __len__(self) -> int:
        return len(self._linears)

    def __getitem__(self, index: Any) -> Any:
        rows = self._linears[index].weight.T
        return rows if self._axis is None else spread(rows, self._d_head, self._axis)


_HEADS = {"qkv": 0, "out": 1}
"""Linears that give or take heads, and the axis of their weights along which these lie."""


def _step_linear(way: Way, d_head: int, name: str, linears: Sequence[LinearView]) -> StepLinear:
    scale, bias = (np.stack([getattr(linear, n) for linear in linears]) for n in ("scale", "bias"))
    if name == "qkv":
        scale, bias = (spread(part, d_head) if part.size else part for part in (scale, bias))
    # a mapped file comes in small pages; numpy asks for huge ones, which are read faster
    weights = packed_rows(_Rows(linears, d_head, _HEADS.get(name)), way)
    return StepLinear(weights.reshape(packed_shape(way, *weights.shape)), scale, bias)


def packed_rows(rows: Sequence[NDArray[np.int8]], way: Way) -> NDArray[np.int8]:
    """Weights (outputs, inputs) in the order in which a way's kernels read them, one after another.

    That is in blocks of 16 outputs, with the terms that an integer holds side by side. There are
    outputs for whole blocks.
    """
    (n_out, n_in), (block, together) = rows[0].shape, _order(way)
    weights = aligned_zeros((len(rows), -(-n_out // block) * block, n_in), np.int8)
    for source, target in zip(rows, weights, strict=True):
        tiles.pack_rows(source.view(together), target.reshape(-1).view(together))
    if way.isa.SIGN_BITS:
        weights ^= np.int8(-way.isa.SIGN_BITS)
    return weights


def _order(way: Way) -> tuple[int, type[np.int16 | np.int32]]:
    """Of how many outputs packed weights are a multiple, and what holds terms side by side."""
    return (pairs.OUTPUTS, np.int16) if way is Way.AVX2 else (tiles.OUTPUTS, np.int32)


def packed_part(
    weights: NDArray[np.int8], outputs: NDArray[np.int64], way: Way
) -> NDArray[np.int8]:
    """Some outputs of a linear (1, …) that is packed for a way, packed likewise."""
    block, together = _order(way)
    n_blocks = weights.shape[1] * (pairs.OUTPUTS if way is Way.AVX2 else 1) // tiles.ROWS
    whole = weights.reshape(-1).view(together).reshape(n_blocks, -1, tiles.ROWS)
    n_out = -(-len(outputs) // block) * block
    part = aligned_zeros((n_out // tiles.ROWS, whole.shape[1], tiles.ROWS), np.dtype(together))
    for first in range(0, len(outputs), tiles.ROWS):
        at, row = np.divmod(outputs[first : first + tiles.ROWS], tiles.ROWS)
        part[first // tiles.ROWS, :, : len(row)] = whole[at, :, row].T
    found: NDArray[np.int8] = part.reshape(-1).view(np.int8)
    return found.reshape(1, -1, *weights.shape[2:])
