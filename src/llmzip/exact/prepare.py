"""From a loaded model to its integers, the same on every machine.

Norm gains (and LayerNorm's means and biases) are folded into the linears around
them, the residual stream is rotated by a Hadamard matrix (QuaRot, arXiv:2404.00456;
SliceGPT, arXiv:2401.15024, for the folding), and the weights are rounded to int8,
one scale a row: first each to its nearest, then, once that model has shown what its
linears take in, with errors passed on (`rounding`). Before that, weights are put on an
integer grid, so that every sum of a rotation is a sum of integers below 2^53 in float64
and has no order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact import constants
from llmzip.exact.calibration import SAMPLE, Moments, Sample, generate, second_moments
from llmzip.exact.engines import make_engine
from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel
from llmzip.exact.model import ExactModel, Layer, Linear
from llmzip.exact.rounding import feedback_rows, grid, nearest_rows
from llmzip.exact.tables import hadamard, hadamard_block, rope_tables
from llmzip.processors import usable_threads

Array = NDArray[np.float64]
Angles = NDArray[np.float32]

GRID_BITS = 28  # weights: two rotations of up to 2^12 terms stay below 2^53
VECTOR_BITS = 20  # biases folded through weights: products of 40 bits, up to 2^12 terms


def prepare(model: FloatModel, sample: Sample = SAMPLE) -> ExactModel:
    """Fold, rotate and quantise `model`; the text that it writes meanwhile is as long as `sample`.

    Raises DeviceError if nothing on the processor computes exactly; ModelUnsupportedError if
    the model's activations are no finite numbers.
    """
    rotation = Rotation.of(model.shape.d_model, centred=model.centred)
    plain = _plain(model, rotation)
    n_tokens = min(sample.n_tokens, model.shape.n_positions)
    n_threads = usable_threads()
    ids = generate(make_engine(plain, "cpu", n_tokens, n_threads), sample)
    return _with_linears(plain, model, rotation, second_moments(plain, ids, n_threads))


def _plain(model: FloatModel, rotation: Rotation) -> ExactModel:
    """The model with every weight rounded to its nearest."""
    rows, scale = nearest_rows(rotation.output(model.embedding.T).T, 32767)
    positions = None
    if model.positions is not None:
        positions = _cast(rotation.output(model.positions.T).T, np.float32)
    cos, sin = _rope(model)
    return ExactModel(
        model.shape,
        _cast(rows, np.int16),
        _cast(scale, np.float32),
        positions,
        cos,
        sin,
        _layers(model, rotation, {}),
        _reader(model.head, rotation, None, factor=constants.LOG2_E),
    )


def _with_linears(
    plain: ExactModel, model: FloatModel, rotation: Rotation, moments: Moments
) -> ExactModel:
    """`plain` with its linears rounded anew."""
    return replace(
        plain,
        layers=_layers(model, rotation, moments),
        head=_reader(model.head, rotation, moments["head"], factor=constants.LOG2_E),
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
        whole, unit = grid(weight, GRID_BITS)
        if self.centred:
            whole = whole * float(len(whole)) - whole.sum(0, keepdims=True)
            unit = unit / float(len(whole))
        return (self.matrix @ whole) * (unit / self.root)

    def input(self, weight: Array) -> Array:
        """Turn what reads from the stream: (anything, D)."""
        whole, unit = grid(weight, GRID_BITS)
        return (whole @ self.matrix.T) * (unit / self.root)


def _layers(model: FloatModel, rotation: Rotation, moments: Moments) -> tuple[Layer, ...]:
    return tuple(
        _layer(layer, rotation, f"{index}", moments) for index, layer in enumerate(model.layers)
    )


def _layer(layer: FloatLayer, rotation: Rotation, name: str, moments: Moments) -> Layer:
    return Layer(
        _reader(layer.qkv, rotation, moments.get(f"{name}.qkv")),
        _writer(layer.out, rotation, moments.get(f"{name}.out")),
        _reader(layer.up, rotation, moments.get(f"{name}.up")),
        _writer(layer.down, rotation, moments.get(f"{name}.down")),
        None if layer.gain is None else _cast(layer.gain, np.float32),
    )


def _reader(
    linear: FloatLinear, rotation: Rotation, moments: list[Array] | None, factor: float = 1.0
) -> Linear:
    """A linear behind a norm: the norm's gain and bias folded in, its input turned."""
    assert linear.norm_gain is not None
    weight = rotation.input(linear.weight * linear.norm_gain)
    bias = linear.bias
    if linear.norm_bias is not None:
        folded = _exact_product(linear.weight, linear.norm_bias)
        bias = folded if bias is None else bias + folded
    return _quantise_linear(weight, bias, factor, moments)


def _writer(linear: FloatLinear, rotation: Rotation, moments: list[Array] | None) -> Linear:
    """A linear whose output is added to the stream: its output turned."""
    bias = None if linear.bias is None else rotation.output(linear.bias[:, None])[:, 0]
    return _quantise_linear(rotation.output(linear.weight), bias, 1.0, moments)


def _quantise_linear(
    weight: Array, bias: Array | None, factor: float, moments: list[Array] | None
) -> Linear:
    """Round to int8: errors passed on by `moments`, or each weight to its nearest."""
    if moments is None:
        rows, scale = nearest_rows(weight, constants.INT8_MAX)
    else:
        rows, scale = feedback_rows(weight, constants.INT8_MAX, moments)
    return Linear(
        _cast(rows, np.int8),
        _cast(scale * factor, np.float32),
        None if bias is None else _cast(bias * factor, np.float32),
    )


def _exact_product(weight: Array, vector: Array) -> Array:
    """weight @ vector, both on grids so that the sums are exact."""
    a, a_unit = grid(weight, VECTOR_BITS)
    b, b_unit = grid(vector, VECTOR_BITS)
    return (a @ b) * (a_unit * b_unit)


def _rope(model: FloatModel) -> tuple[Angles | None, Angles | None]:
    if model.turns is None:
        return None, None
    return rope_tables(model.shape.n_positions, model.turns)


def _cast(values: Array, dtype: type[np.generic]) -> NDArray[Any]:
    return np.ascontiguousarray(values.astype(dtype))
