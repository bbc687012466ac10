"""Linears of a decoding step: integer products of few rows with many weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import called, inlined, kernel
from llmzip.exact.cpu import fours, pairs, simd, tiles
from llmzip.exact.cpu.instruction_set import is_tiled, outputs_of
from llmzip.exact.cpu.scalars import address_of, keep

PADDED_ROWS = 2 * tiles.ROWS
"""Buffers have a multiple of so many rows, for either way."""
OUTPUTS = 2 * tiles.ROWS
"""Outputs that threads take at once."""


class StepLinear(NamedTuple):
    """The same linear of all layers (the first axis); the head has one."""

    weight: NDArray[np.int8]  # (layers, n_out, n_in), n_out rounded up, in blocks of 16 outputs:
    # for tiles (n_out / 16, n_in / 4, 16, 4); so too, with SIGN_BITS added, for fours; for
    # pairs in that many axes, see `pairs`
    scale: NDArray[np.float32]  # (layers, n_out)
    bias: NDArray[np.float32]  # (layers, n_out) or (layers, 0)


@kernel
def product(isa: Any, a: Any, n_rows: int, weight: Any, layer: int, outputs: Any, out: Any) -> None:
    """Outputs of a linear for rows a (n_rows, K), as int32 sums.

    outputs: first, last, shift; of first … last - 1, n goes to out[:, n - shift]. weight: that of a
    `StepLinear`. isa: that of the way for which it is packed. The rows are int8; those for pairs
    have been widened to int16.

    a and out have rows for a multiple of PADDED_ROWS, and out has outputs for a multiple of
    OUTPUTS, of which `first` is one.
    """
    if weight.ndim == 5:  # numba compiles what the array's type says, and no more
        pairs.product(a[:n_rows], weight[layer], *outputs, out)
    elif is_tiled(isa):
        _product_tiled(a, n_rows, weight[layer], outputs, out)
    else:
        _product_fours(isa, a, n_rows, weight[layer], outputs, out)


@called
def _product_tiled(a: Any, n_rows: int, weight: Any, outputs: Any, out: Any) -> None:
    """The weights of OUTPUTS outputs are all asked for in the course of the OUTPUTS before."""
    (first, last, shift), n_inner = outputs, np.int64(a.shape[1])
    weight_at, out_at, a_at = address_of(weight), address_of(out), address_of(a)
    n_bytes, stride = OUTPUTS * n_inner, np.int64(out.shape[1] * 4)
    n_blocks = (n_rows + 2 * tiles.ROWS - 1) // (2 * tiles.ROWS)
    n_asking = 1 if n_blocks == 1 else 2 if n_blocks < 4 else 4
    for n in range(first, last, OUTPUTS):
        w_at, n_at = weight_at + n * n_inner, out_at + (n - shift) * 4
        for block in range(n_blocks):
            row = block * 2 * tiles.ROWS
            two = n_rows - row > tiles.ROWS
            ahead = w_at + n_bytes + block * (n_bytes // n_asking)
            asking, places = n_asking if block < n_asking else 0, (a_at + row * n_inner, w_at)
            _block(two, asking, n_inner, stride, *places, n_at + row * stride, ahead)


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
def _product_fours(isa: Any, a: Any, n_rows: int, weight: Any, outputs: Any, out: Any) -> None:
    """All rows go through a block of weights before the next."""
    (first, last, shift), n_inner = outputs, np.int64(a.shape[1])
    weight_at, a_at, stride = address_of(weight), address_of(a), np.int64(out.shape[1] * 4)
    undo = fours.corrections(isa, a_at, n_rows, n_inner)
    apart, n_fours = n_inner * simd.LANES, n_inner // np.int64(fours.TOGETHER)
    for n in range(first, last, outputs_of(isa)):
        w_at, o_at = weight_at + n * n_inner, address_of(out) + (n - shift) * 4
        columns = w_at, apart, n_fours
        fours.strips(isa, n_rows, (a_at, n_inner, *columns, address_of(undo), o_at, stride))
    keep(undo)
