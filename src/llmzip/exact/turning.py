"""Weights behind what is folded into them, the stream turned: rows of them, as many as are wanted.

Norm gains (and LayerNorm's means and biases) are folded into the linears around them, the
residual stream is rotated by a Hadamard matrix (QuaRot, arXiv:2404.00456; SliceGPT,
arXiv:2401.15024, for the folding). Before that, weights are put on an integer grid, so that every
sum of a rotation is a sum of integers below 2^53 in float64 and has no order: whatever rows are
computed together, each is the same.

Where what a sublayer adds is normed, a gain stands between its weights and the stream, which so
can't be turned by them. Then it is turned when it is read, in blocks (`arith.butterfly`), and only
what reads it is turned here. Such streams have a few numbers far above all others, to which gains
of the norms before linears are next to nothing: these gains are not folded, but multiplied first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.floats import FloatLinear, Matrix
from llmzip.exact.rounding import grid, grid_unit
from llmzip.exact.shape import ModelShape
from llmzip.exact.tables import hadamard, hadamard_block

Array = NDArray[np.float64]

GRID_BITS = 28  # weights: two rotations of up to 2^12 terms stay below 2^53
VECTOR_BITS = 20  # biases folded through weights: products of 40 bits, up to 2^12 terms
_MOST_CENTRED, _MOST_FOLDED = 1 << 12, 1 << 13
"""Widths up to which no weights make sums too large: 28 + 1 + 2 · 12 bits, and 2 · 20 + 13."""
TOGETHER = 1 << 20
"""Weights that are computed at once, at least a row: 8 MB, and a few times that meanwhile."""


@dataclass(frozen=True)
class Turned:
    """A matrix of float64 that is computed by rows. compute: those of a slice."""

    shape: tuple[int, int]
    compute: Callable[[slice], Array]


def slices(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut the rows of a matrix into those that are computed at once."""
    n_rows, n_columns = shape
    step = max(1, TOGETHER // n_columns)
    return (slice(at, min(at + step, n_rows)) for at in range(0, n_rows, step))


class Turning(Protocol):
    """What becomes of weights that write to the residual stream, and of those that read it."""

    def output(self, weight: Array) -> Array:
        """Turn what writes to the stream: (D, anything)."""

    def writer(self, weight: Array) -> Turned:
        """The same, by rows."""

    def table(self, weight: Matrix) -> Turned:
        """Turn what is written to the stream row by row: (anything, D)."""

    def reader(self, linear: FloatLinear) -> Turned:
        """Turn what reads from the stream, (anything, D), its norm's gain folded in."""


def turning_of(shape: ModelShape, *, centred: bool) -> Turning:
    """How the weights of a model are turned."""
    if shape.norms:
        assert not centred, "means are not taken away where norms are RMSNorms"
        return TurnedWhenRead(shape.turned_block)
    return Rotation.of(shape.d_model, centred=centred)


@dataclass(frozen=True)
class TurnedWhenRead:
    """Leaves the stream as it is, and turns what reads it back by blocks of a power of two."""

    block: int

    def output(self, weight: Array) -> Array:
        """As it is."""
        return weight

    def writer(self, weight: Array) -> Turned:
        """As it is."""
        return self.table(weight)

    def table(self, weight: Matrix) -> Turned:
        """As it is."""
        return Turned(tuple(weight.shape), lambda rows: np.asarray(weight[rows]))

    def reader(self, linear: FloatLinear) -> Turned:
        """See `Turning`; the norm's gain is not folded in, for what is read has been multiplied."""
        weight = linear.weight
        unit = grid_unit(_largest(weight, None), GRID_BITS)

        def rows(wanted: slice) -> Array:
            whole: Array = np.rint(weight[wanted] / unit)
            return butterfly(whole, self.block) * (unit / float(self.block))

        return Turned(tuple(weight.shape), rows)


def butterfly(whole: Array, block: int) -> Array:
    """Rows of integers times the Walsh-Hadamard matrix of order `block`, block after block."""
    apart = 1
    while apart < block:
        pairs = whole.reshape(len(whole), -1, 2, apart)
        a, b = pairs[:, :, 0], pairs[:, :, 1]
        whole = np.stack([a + b, a - b], 2).reshape(whole.shape)
        apart *= 2
    return whole


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
        whole, unit = self._centred(*grid(weight, GRID_BITS), axis=0)
        return (self.matrix @ whole) * (unit / self.root)

    def writer(self, weight: Array) -> Turned:
        """The same, by rows."""
        whole, unit = self._centred(*grid(weight, GRID_BITS), axis=0)
        return Turned(
            (len(whole), whole.shape[1]),
            lambda rows: (self.matrix[rows] @ whole) * (unit / self.root),
        )

    def table(self, weight: Matrix) -> Turned:
        """Turn what is written to the stream row by row: (anything, D)."""
        unit = grid_unit(_largest(weight, None), GRID_BITS)

        def rows(wanted: slice) -> Array:
            whole, step = self._centred(np.rint(weight[wanted] / unit), unit, axis=1)
            return (whole @ self.matrix.T) * (step / self.root)

        return Turned(tuple(weight.shape), rows)

    def reader(self, linear: FloatLinear) -> Turned:
        """Turn what reads from the stream behind a norm, (anything, D), its gain folded in."""
        weight, gain = linear.weight, linear.norm_gain
        assert gain is not None
        unit = grid_unit(_largest(weight, gain), GRID_BITS)

        def rows(wanted: slice) -> Array:
            whole: Array = np.rint(weight[wanted] * gain / unit)
            return (whole @ self.matrix.T) * (unit / self.root)

        return Turned(tuple(weight.shape), rows)

    def _centred(self, whole: Array, unit: float, axis: int) -> tuple[Array, float]:
        if not self.centred:
            return whole, unit
        width = float(whole.shape[axis])
        moved = whole * width - whole.sum(axis, keepdims=True)
        if width > _MOST_CENTRED:
            _require_exact(float(np.abs(moved).sum(axis).max()))
        return moved, unit / width


def folded_bias(linear: FloatLinear) -> Array | None:
    """The bias of a linear behind a norm, the norm's own through its weights."""
    if linear.norm_bias is None:
        return linear.bias
    folded = _exact_product(linear.weight, linear.norm_bias)
    return folded if linear.bias is None else linear.bias + folded


def _exact_product(weight: Matrix, vector: Array) -> Array:
    """weight @ vector, both on grids so that the sums are exact."""
    a_unit = grid_unit(_largest(weight, None), VECTOR_BITS)
    b, b_unit = grid(vector, VECTOR_BITS)
    parts = []
    for rows in slices(weight.shape):
        whole = np.rint(weight[rows] / a_unit)
        if len(vector) > _MOST_FOLDED:
            _require_exact(float((np.abs(whole) @ np.abs(b)).max()))
        parts.append(whole @ b)
    return np.concatenate(parts) * (a_unit * b_unit)


def _require_exact(largest: float) -> None:
    """Raise ModelUnsupportedError where sums of integers may be too large for float64."""
    if largest >= 2.0**53:
        raise ModelUnsupportedError(
            "the model is so wide, and its weights are so uneven, that they cannot be turned "
            "exactly; --float runs it, tied to one machine"
        )


def _largest(weight: Matrix, gain: Array | None) -> float:
    """The largest magnitude in a matrix, its columns multiplied by `gain`."""

    def of(part: Array) -> float:
        return float(np.abs(part if gain is None else part * gain).max())

    return max(of(weight[rows]) for rows in slices(weight.shape))
