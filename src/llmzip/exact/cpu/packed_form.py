"""A packed model as arrays with names: how it is kept, and made of them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.checks import rope_names
from llmzip.exact.constants import score_scale
from llmzip.exact.cpu import pairs, tiles
from llmzip.exact.cpu.caps import cap_of
from llmzip.exact.cpu.head_blocks import angles, in_blocks
from llmzip.exact.cpu.product import StepLinear
from llmzip.exact.cpu.scalars import f32
from llmzip.exact.cpu.step import ALL_KEYS, StepModel
from llmzip.exact.cpu.ways import Way
from llmzip.exact.model import LINEARS, Rope
from llmzip.exact.shape import ModelShape
from llmzip.exact.stored import KeptForms

PACKING = 1
"""The order in which weights are packed; another order is another number."""

_TABLES = "embedding", "embedding_scale", "positions"
_PARTS = "weight", "scale", "bias"


def kept_step(forms: KeptForms, shape: ModelShape, way: Way) -> StepModel | None:
    """The model of this shape packed for a way, if it is kept."""
    arrays = forms.load(_name(way), _rules(way))
    if arrays is None or not _are_of(shape, way, arrays):
        return None
    ropes = [arrays[name] for name in rope_names(max(shape.n_ropes, 1))]
    return step_model(
        shape,
        way,
        ropes=list(zip(ropes[::2], ropes[1::2], strict=True)),
        gains=arrays["gains"] if shape.head_norm else np.empty((shape.n_layers, 0, 0), np.float32),
        taken_gains=arrays["taken_gains"] if shape.norms else np.empty((0, 0), np.float32),
        added_gains=arrays["added_gains"] if shape.norms else np.empty((0, 0, 0), np.float32),
        **{name: arrays[name] for name in _TABLES},
        **{name: _linear_of(arrays, name) for name in (*LINEARS, "head")},
    )


def step_model(shape: ModelShape, way: Way, *, ropes: Sequence[Rope], **parts: Any) -> StepModel:
    """A packed model of its arrays and linears, by their names, and of what its shape says."""
    cos, sin = (_stacked([rope[part] for rope in ropes], shape.d_head) for part in (0, 1))
    layers = range(shape.n_layers)
    windows = [shape.window_of(layer) or ALL_KEYS for layer in layers]
    return StepModel(
        cos=cos,
        sin=sin,
        ropes=np.array([shape.rope_of(layer) for layer in layers], dtype=np.int64),
        turned_block=shape.turned_block,
        takes_normed=shape.norms != "after",
        gain_first=shape.gain_first,
        d_head=shape.d_head,
        whole=shape.head_norm == "whole",
        eps=shape.eps,
        activation=int(shape.feed_forward),
        score_scale=f32(score_scale(shape.d_head, shape.score_cap)),
        score_cap=cap_of(shape.score_cap),
        logit_cap=cap_of(shape.logit_cap),
        windows=np.array(windows, dtype=np.int64),
        isa=way.isa,
        **parts,
    )


def _stacked(tables: Sequence[NDArray[np.float32]], d_head: int) -> NDArray[np.float32]:
    """Tables of RoPE one above the other, by blocks; one of nothing where there is none."""
    by_blocks = [angles(table, d_head) for table in tables]
    if not tables:
        by_blocks = [angles(np.empty((0, 0), dtype=np.float32), d_head)]
    return by_blocks[0][None] if len(by_blocks) == 1 else np.stack(by_blocks)


def read_step(forms: KeptForms, way: Way, step: StepModel) -> StepModel:
    """A kept model whose weights are in memory of their own, if they are still kept."""
    mapped = {name: getattr(step, name).weight for name in (*LINEARS, "head")}
    arrays = forms.read(_name(way), [f"{name}.weight" for name in mapped])
    if arrays is None or any(arrays[f"{n}.weight"].shape != w.shape for n, w in mapped.items()):
        return step
    return step._replace(
        **{name: getattr(step, name)._replace(weight=arrays[f"{name}.weight"]) for name in mapped}
    )


def _linear_of(arrays: Mapping[str, NDArray[Any]], name: str) -> StepLinear:
    weight, scale, bias = (arrays[f"{name}.{part}"] for part in _PARTS)
    return StepLinear(weight, scale, bias)


def keep_step(forms: KeptForms, way: Way, step: StepModel) -> None:
    """Keep a packed model."""
    forms.keep(_name(way), _rules(way), dict(_named_arrays(step)))


def _named_arrays(step: StepModel) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in _TABLES:
        yield name, getattr(step, name)
    for name, table in zip(rope_names(len(step.cos)), _tables_of(step), strict=True):
        yield name, table.reshape(len(table), table[:1].size)
    if step.gains.size:
        yield "gains", step.gains
    if step.added_gains.size:
        yield "taken_gains", step.taken_gains
        yield "added_gains", step.added_gains
    for name in (*LINEARS, "head"):
        for part in _PARTS:
            yield f"{name}.{part}", getattr(getattr(step, name), part)


def _tables_of(step: StepModel) -> Iterator[NDArray[np.float32]]:
    for tables in zip(step.cos, step.sin, strict=True):
        yield from tables


def _name(way: Way) -> str:
    return f"packed-{way}"


def _rules(way: Way) -> str:
    return f"packing {PACKING} for {way}"


def _are_of(shape: ModelShape, way: Way, arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether these are all arrays, of the sizes and types that kernels take for granted."""
    wanted = dict(_wanted(shape, way))
    return arrays.keys() == wanted.keys() and all(
        arrays[name].dtype == dtype and arrays[name].shape in sizes
        for name, (dtype, *sizes) in wanted.items()
    )


def _wanted(shape: ModelShape, way: Way) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield each array's name, its type, and the sizes that it may have."""
    shape = in_blocks(shape)
    n_tokens, d_model, none = shape.vocab_size, shape.d_model, (0, 0)
    yield "embedding", (np.int16, (n_tokens, d_model))
    yield "embedding_scale", (np.float32, (n_tokens,))
    yield "positions", (np.float32, none if shape.rotary else (shape.n_positions, d_model))
    angles = (shape.n_positions, shape.d_head // 2) if shape.rotary else none
    for name in rope_names(max(shape.n_ropes, 1)):
        yield name, (np.float32, angles)
    if shape.head_norm:
        yield "gains", (np.float32, (shape.n_layers, *shape.gains))
    if shape.norms:
        yield "taken_gains", (np.float32, (2 * shape.n_layers + 1, d_model))
        yield "added_gains", (np.float32, (shape.n_layers, 2, d_model))
    linears = {
        "qkv": (shape.n_layers, shape.d_qkv, d_model),
        "out": (shape.n_layers, d_model, shape.d_heads),
        "up": (shape.n_layers, shape.d_up, d_model),
        "down": (shape.n_layers, d_model, shape.d_ff),
        "head": (1, n_tokens, d_model),
    }
    for name, (n_layers, n_out, n_in) in linears.items():
        yield f"{name}.weight", (np.int8, packed_shape(way, n_layers, n_out, n_in))
        yield f"{name}.scale", (np.float32, (n_layers, n_out))
        yield f"{name}.bias", (np.float32, (n_layers, n_out), (n_layers, 0))


def packed_shape(way: Way, n_layers: int, n_out: int, n_in: int) -> tuple[int, ...]:
    """Of packed weights, with outputs for whole blocks; see `StepLinear`."""
    if way is not Way.AVX2:
        return n_layers, -(-n_out // tiles.OUTPUTS) * tiles.OUTPUTS, n_in
    block, together = pairs.OUTPUTS, pairs.TOGETHER
    return n_layers, -(-n_out // block), n_in // together, block, together
