"""From a loaded model to its integers, the same on every machine.

Norm gains (and LayerNorm's means and biases) are folded into the linears around
them, the residual stream is rotated by a Hadamard matrix (QuaRot, arXiv:2404.00456;
SliceGPT, arXiv:2401.15024, for the folding), and the weights are rounded to int8,
one scale a row. Weights are first put on an integer grid, so that every sum of a
rotation is a sum of integers below 2^53 in float64 and has no order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip.exact import arith
from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel
from llmzip.exact.model import ExactModel, Layer, Linear
from llmzip.exact.tables import hadamard, hadamard_block, rope_tables

Array = NDArray[np.float64]

GRID_BITS = 28  # weights: two rotations of up to 2^12 terms stay below 2^53
VECTOR_BITS = 20  # biases folded through weights: products of 40 bits, up to 2^12 terms


def prepare(model: FloatModel) -> ExactModel:
    """Fold, rotate and quantise `model`."""
    shape = model.shape
    rotation = Rotation.of(shape.d_model, centred=model.centred)
    embedding = rotation.output(model.embedding.T).T
    rows, scale = _quantise_rows(embedding, 32767)
    positions = None
    if model.positions is not None:
        positions = _tensor(rotation.output(model.positions.T).T, np.float32)
    cos, sin = _rope(model)
    return ExactModel(
        shape,
        _tensor(rows, np.int16),
        _tensor(scale, np.float32),
        positions,
        cos,
        sin,
        tuple(_layer(layer, rotation) for layer in model.layers),
        _reader(model.head, rotation, factor=arith.LOG2_E),
    )


@dataclass(frozen=True)
class Rotation:
    """Turns the residual stream: x' = matrix · (x - mean x) / √block, orthonormal."""

    matrix: Array  # (D, D), entries 0 and ±1
    root: float  # √block
    centred: bool  # the stream's mean over D is taken away (LayerNorm)

    @classmethod
    def of(cls, d_model: int, *, centred: bool) -> Rotation:
        """The rotation for a stream of width `d_model`."""
        return cls(hadamard(d_model), float(np.sqrt(float(hadamard_block(d_model)))), centred)

    def output(self, weight: Array) -> Array:
        """Turn what writes to the stream: (D, anything)."""
        grid, unit = _grid(weight, GRID_BITS)
        if self.centred:
            grid = grid * float(len(grid)) - grid.sum(0, keepdims=True)
            unit = unit / float(len(grid))
        return (self.matrix @ grid) * (unit / self.root)

    def input(self, weight: Array) -> Array:
        """Turn what reads from the stream: (anything, D)."""
        grid, unit = _grid(weight, GRID_BITS)
        return (grid @ self.matrix.T) * (unit / self.root)


def _layer(layer: FloatLayer, rotation: Rotation) -> Layer:
    return Layer(
        _reader(layer.qkv, rotation),
        _writer(layer.out, rotation),
        _reader(layer.up, rotation),
        _writer(layer.down, rotation),
    )


def _reader(linear: FloatLinear, rotation: Rotation, factor: float = 1.0) -> Linear:
    """A linear behind a norm: the norm's gain and bias folded in, its input turned."""
    assert linear.norm_gain is not None
    weight = rotation.input(linear.weight * linear.norm_gain)
    bias = linear.bias
    if linear.norm_bias is not None:
        folded = _exact_product(linear.weight, linear.norm_bias)
        bias = folded if bias is None else bias + folded
    return _quantise_linear(weight, bias, factor)


def _writer(linear: FloatLinear, rotation: Rotation) -> Linear:
    """A linear whose output is added to the stream: its output turned."""
    bias = None if linear.bias is None else rotation.output(linear.bias[:, None])[:, 0]
    return _quantise_linear(rotation.output(linear.weight), bias, 1.0)


def _quantise_linear(weight: Array, bias: Array | None, factor: float) -> Linear:
    rows, scale = _quantise_rows(weight, arith.INT8_MAX)
    return Linear(
        _tensor(rows, np.int8),
        _tensor(scale * factor, np.float32),
        None if bias is None else _tensor(bias * factor, np.float32),
    )


def _quantise_rows(weight: Array, limit: int) -> tuple[Array, Array]:
    """Round each row to integers within ± limit: (integers, scale of each row)."""
    top = np.maximum(np.abs(weight).max(1), arith.TINY)
    return np.rint(weight * (limit / top)[:, None]), top / limit


def _grid(weight: Array, bits: int) -> tuple[Array, float]:
    """Round to integers within ± 2^bits: (integers, their unit, a power of two)."""
    _, exponent = np.frexp(max(float(np.abs(weight).max()), arith.TINY))
    unit = float(np.ldexp(1.0, int(exponent) - bits))
    return np.rint(weight / unit), unit


def _exact_product(weight: Array, vector: Array) -> Array:
    """weight @ vector, both on grids so that the sums are exact."""
    a, a_unit = _grid(weight, VECTOR_BITS)
    b, b_unit = _grid(vector, VECTOR_BITS)
    return (a @ b) * (a_unit * b_unit)


def _rope(model: FloatModel) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if model.rope_theta is None:
        return None, None
    cos, sin = rope_tables(model.shape.n_positions, model.shape.d_head, model.rope_theta)
    return torch.from_numpy(cos), torch.from_numpy(sin)


def _tensor(values: Array, dtype: type[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.astype(dtype)))
