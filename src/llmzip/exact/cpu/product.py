"""Linears of a decoding step: integer products of few rows with many weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined, kernel
from llmzip.exact.cpu import pairs, simd, tiles
from llmzip.exact.cpu.scalars import address_of

COLUMNS = 4
"""Activation rows that a block takes without tiles."""
PADDED_ROWS = 2 * tiles.ROWS
"""Buffers have a multiple of so many rows, for either way."""
OUTPUTS = 2 * tiles.ROWS
"""Outputs that threads take at once."""


class StepLinear(NamedTuple):
    """The same linear of all layers (the first axis); the head has one."""

    weight: NDArray[np.int8]  # (layers, n_out, n_in), or as many in tiles, n_out rounded up;
    # for pairs (layers, n_out / 16, n_in / 2, 16, 2), see `pairs`
    correction: NDArray[np.int32]  # (layers, n_out); only rows need any
    scale: NDArray[np.float32]  # (layers, n_out)
    bias: NDArray[np.float32]  # (layers, n_out) or (layers, 0)


@inlined
def _product_rest(
    n_rest: int, w_at: Any, n_inner: Any, x_at: Any, c_at: Any, y_at: Any, stride: Any
) -> None:
    """The one or two rows of activations that blocks of COLUMNS leave; addresses all."""
    if n_rest == 1:
        simd.weights_16x1(w_at, n_inner, x_at, n_inner, n_inner, c_at, y_at, stride, w_at)
        return
    for i in range(0, simd.LANES, 8):
        rows_at, undo_at, out_at = w_at + i * n_inner, c_at + i * 4, y_at + i * 4
        simd.weights_8x2(rows_at, n_inner, x_at, n_inner, n_inner, undo_at, out_at, stride, w_at)


@kernel
def product(
    tiled: bool,
    a: Any,
    n_rows: int,
    linear: Any,
    layer: int,
    first: int,
    last: int,
    shift: int,
    out: Any,
) -> None:
    """Outputs first … last - 1 of a linear for rows a (n_rows, K), as int32 sums.

    The rows are int8; those for pairs have been widened to int16.

    Output n goes to out[:, n - shift]. a and out have rows for a multiple of PADDED_ROWS, and out
    has outputs for a multiple of OUTPUTS. With tiles or pairs, `first` is one.
    """
    _product(linear.weight, tiled, a, n_rows, linear, layer, first, last, shift, out)


@inlined
def _product(
    weight: Any,
    tiled: bool,
    a: Any,
    n_rows: int,
    linear: Any,
    layer: int,
    first: int,
    last: int,
    shift: int,
    out: Any,
) -> None:
    if weight.ndim == 5:  # numba compiles what the array's type says, and no more
        pairs.product(a[:n_rows], weight[layer], first, last, shift, out)
    elif tiled:
        _product_tiled(a, n_rows, linear, layer, first, last, shift, out)
    else:
        _product_rows(a, n_rows, linear, layer, first, last, shift, out)


@called
def _product_tiled(
    a: Any, n_rows: int, linear: Any, layer: int, first: int, last: int, shift: int, out: Any
) -> None:
    """The weights of OUTPUTS outputs are all asked for in the course of the OUTPUTS before."""
    n_inner, stride = np.int64(a.shape[1]), np.int64(out.shape[1] * 4)
    weight, out_at, a_at = address_of(linear.weight[layer]), address_of(out), address_of(a)
    n_bytes = OUTPUTS * n_inner
    n_blocks = (n_rows + 2 * tiles.ROWS - 1) // (2 * tiles.ROWS)
    n_asking = 1 if n_blocks == 1 else 2 if n_blocks < 4 else 4
    for n in range(first, last, OUTPUTS):
        w_at, n_at = weight + n * n_inner, out_at + (n - shift) * 4
        for block in range(n_blocks):
            row = block * 2 * tiles.ROWS
            two = n_rows - row > tiles.ROWS
            ahead = w_at + n_bytes + block * (n_bytes // n_asking)
            _block(
                two,
                n_asking if block < n_asking else 0,
                n_inner,
                stride,
                a_at + row * n_inner,
                w_at,
                n_at + row * stride,
                ahead,
            )


@inlined
def _block(
    two: bool, n_asking: int, n_inner: Any, stride: Any, x_at: Any, w_at: Any, y_at: Any, ahead: Any
) -> None:
    """One or two tiles of rows with two of weights; an n_asking-th of as many is asked for."""
    far = np.int64(tiles.ROWS * n_inner)
    if two:
        if n_asking == 0:
            tiles.products_2x2(x_at, n_inner, w_at, far, n_inner, y_at, stride)
        elif n_asking == 1:
            tiles.all_2x2(x_at, n_inner, w_at, far, n_inner, y_at, stride, ahead)
        elif n_asking == 2:
            tiles.half_2x2(x_at, n_inner, w_at, far, n_inner, y_at, stride, ahead)
        else:
            tiles.quarter_2x2(x_at, n_inner, w_at, far, n_inner, y_at, stride, ahead)
    elif n_asking == 0:
        tiles.products_1x2(x_at, n_inner, w_at, far, n_inner, y_at, stride)
    elif n_asking == 1:
        tiles.all_1x2(x_at, n_inner, w_at, far, n_inner, y_at, stride, ahead)
    elif n_asking == 2:
        tiles.half_1x2(x_at, n_inner, w_at, far, n_inner, y_at, stride, ahead)
    else:
        tiles.quarter_1x2(x_at, n_inner, w_at, far, n_inner, y_at, stride, ahead)


@called
def _product_rows(
    a: Any, n_rows: int, linear: Any, layer: int, first: int, last: int, shift: int, out: Any
) -> None:
    weight, undo_at = address_of(linear.weight[layer]), address_of(linear.correction[layer])
    n_inner, stride = np.int64(a.shape[1]), np.int64(out.shape[1] * 4)
    a_at, out_at = address_of(a), address_of(out) - shift * 4
    full = first + (last - first) // simd.LANES * simd.LANES
    for n in range(first, full, simd.LANES):
        w_at, c_at, o_at = weight + n * n_inner, undo_at + n * 4, out_at + n * 4
        next_at = w_at + simd.LANES * n_inner
        row = 0
        while n_rows - row >= 3:
            x_at, y_at = a_at + row * n_inner, o_at + row * stride
            for i in range(0, simd.LANES, 4):
                rows_at, undo_rows_at, out_rows_at = w_at + i * n_inner, c_at + i * 4, y_at + i * 4
                if n_rows > 2 * COLUMNS:
                    ahead = next_at + min(row + i // 4, simd.LANES - 1) * n_inner
                    simd.weights_4x4_busy(
                        rows_at,
                        n_inner,
                        x_at,
                        n_inner,
                        n_inner,
                        undo_rows_at,
                        out_rows_at,
                        stride,
                        ahead,
                    )
                else:
                    simd.weights_4x4(
                        rows_at,
                        n_inner,
                        x_at,
                        n_inner,
                        n_inner,
                        undo_rows_at,
                        out_rows_at,
                        stride,
                        next_at + i * n_inner,
                    )
            row += COLUMNS
        if row < n_rows:
            x_at, y_at = a_at + row * n_inner, o_at + row * stride
            _product_rest(n_rows - row, w_at, n_inner, x_at, c_at, y_at, stride)
    if full < last:
        _product_tail(a, n_rows, linear, layer, full, last, shift, out)


@called
def _product_tail(
    a: Any, n_rows: int, linear: Any, layer: int, first: int, last: int, shift: int, out: Any
) -> None:
    """As `product`, for fewer outputs than a vector has: their weights are copied and padded."""
    n_inner, n_outputs = np.int64(a.shape[1]), last - first
    weights = np.empty((simd.LANES, n_inner), dtype=np.int8)
    undo, sums = np.zeros(simd.LANES, dtype=np.int32), np.empty(simd.LANES, dtype=np.int32)
    source = address_of(linear.weight[layer]) + first * n_inner
    simd.copy_bytes(address_of(weights), source, n_outputs * n_inner)
    for i in range(n_outputs):
        undo[i] = linear.correction[layer, first + i]
    zero = np.int64(0)
    for row in range(n_rows):
        x_at = address_of(a) + row * n_inner
        w_at, undo_at, sums_at = address_of(weights), address_of(undo), address_of(sums)
        simd.weights_16x1(w_at, n_inner, x_at, n_inner, n_inner, undo_at, sums_at, zero, w_at)
        for i in range(n_outputs):
            out[row, first - shift + i] = sums[i]
