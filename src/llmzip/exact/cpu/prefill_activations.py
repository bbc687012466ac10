"""The activations of prefill over blocks of sums, in hand-made vectors; see `rows`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from llmzip.compiled import called, inlined
from llmzip.exact.cpu import prefill_passes as passes
from llmzip.exact.cpu.instruction_set import INTS, emitted
from llmzip.exact.cpu.prefill_passes import ROW_BYTES, Vectors, each_row, note_largest, scaled
from llmzip.exact.cpu.rows import GELU, GELU_GATE, RELU, SILU_GATE
from llmzip.exact.cpu.scalars import (
    GELU_CUBIC,
    GELU_LINEAR,
    MINUS_LOG2_E,
    ZERO,
    address_of,
)
from llmzip.exact.cpu.vectors import BLOCK, LINE, Emitter, floats

Function = Callable[[Emitter, Vectors], Vectors]
PAIR = BLOCK // 2
"""Rows, and outputs, of a block of sums that is activated."""


def _gelu_new(code: Emitter, xs: Vectors) -> Vectors:
    builder = code.builder
    zs = [builder.fmul(z, floats(GELU_CUBIC)) for z in code.products(xs, xs)]
    zs = code.products([builder.fadd(z, floats(GELU_LINEAR)) for z in zs], xs)
    return code.divided(xs, zs)


def _silu(code: Emitter, xs: Vectors) -> Vectors:
    return code.divided(xs, [code.builder.fmul(x, floats(MINUS_LOG2_E)) for x in xs])


def _relu(code: Emitter, xs: Vectors) -> Vectors:
    builder, zero = code.builder, floats(ZERO)
    return [builder.select(builder.fcmp_ordered(">", x, zero), x, zero) for x in xs]


def _squared_relu(code: Emitter, xs: Vectors) -> Vectors:
    rest = _relu(code, xs)
    return code.products(rest, rest)


def _rows(  # type: ignore[no-untyped-def]
    builder, function, gated, sums, up_sums, scale, up_scale, bias, up_bias, s, n_rows, out, largest
):
    """function of rows of 32 sums each into `out`, half of a block of floats.

    up_sums, up_scale, up_bias: of what is multiplied by that, if it is `gated`.
    """
    code = Emitter(builder)
    for row, own_bias in each_row(code, n_rows, bias):
        factor = code.spread(code.number(s, row))
        linears = [(sums, scale, own_bias)]
        if gated:
            linears.append((up_sums, up_scale, None if own_bias is None else up_bias))
        xs, *ups = (
            scaled(code, code.loads(code.moved(own, row, 4 * PAIR), INTS, 2), at, added, factor)
            for own, at, added in linears
        )
        active = function(code, xs)
        for up in ups:
            active = code.products(active, up)
        code.stores(active, code.moved(out, row, ROW_BYTES))
        note_largest(code, active, largest, row)


silu_gate_rows, gelu_gate_rows = emitted(_rows, _silu, True), emitted(_rows, _gelu_new, True)
gelu_rows, relu_rows = emitted(_rows, _gelu_new, False), emitted(_rows, _relu, False)
squared_relu_rows = emitted(_rows, _squared_relu, False)


@called
def _activate_other(activation: int, rows: Any) -> None:
    """An activation that few models have: one copy of it is enough."""
    if activation == GELU_GATE:
        gelu_gate_rows(*rows)
    elif activation == RELU:
        relu_rows(*rows)
    else:
        squared_relu_rows(*rows)


@inlined
def activate(
    activation: int,
    scale: Any,
    bias: Any,
    n_active: Any,
    sums: Any,
    s: Any,
    done: int,
    n: int,
    c: int,
    r: int,
    active: Any,
    active_line: Any,
    largest: Any,
) -> None:
    """An `Activation` of n rows after the first `done` of a block of sums; addresses most."""
    own, n_rows = sums + done * (4 * PAIR), np.int64(n)
    out = active + c // BLOCK * active_line + (r + done) * (4 * BLOCK) + c % BLOCK * 4
    s_at, largest_at = s + 4 * (r + done), largest + (r + done) * LINE
    scale_at = address_of(scale) + 4 * c
    sums_at, scales_at = (own, own + 4 * PAIR * PAIR), (scale_at, scale_at + 4 * n_active)
    biases_at = passes.bias_at(bias, c), passes.bias_at(bias, n_active + c)
    rows = *sums_at, *scales_at, *biases_at, s_at, n_rows, out, largest_at
    if activation == GELU:
        gelu_rows(*rows)
    elif activation == SILU_GATE:
        silu_gate_rows(*rows)
    else:
        _activate_other(activation, rows)
