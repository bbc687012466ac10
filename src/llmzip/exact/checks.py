"""What the kernels take for granted of a model, checked before they see it.

Kernels check no index and no bound: they read as many rows as the shape says, and their sums stay
exact because no weight is -128. So a prepared model is held against its shape to the last tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.shape import ACTIVATIONS, HEAD_NORMS, NORMS, ModelShape

MOST_TOKENS = 1 << 19
"""Below this a distribution's total, mixed with candidates, stays below the coder's 2^48."""
MOST_LAYERS = 1024
MOST_WIDTH = 1 << 16
"""Of the stream, and of all heads together."""
MOST_FEED_FORWARD = 1 << 20
MOST_POSITIONS = 1 << 22
MOST_ANGLES = 1 << 26
"""Positions times pairs of a head: RoPE's tables take minutes to make at this size, and 512 MB."""

MOST_ROPES = 4
"""Tables of RoPE."""
LEAST_CAP, MOST_CAP = 1.0, 1000.0
"""Soft caps: a number is rounded to 10^-6 of them."""

_KINDS = {"int": int, "float": float, "bool": bool, "str": str, "tuple[int, ...]": tuple}
Wanted = tuple[type[np.generic], tuple[int, ...]]


def check_shape(shape: ModelShape) -> None:
    """Make sure that a model of this shape can be, and is of a size that we are ready to run.

    Raises: ValueError, with which size is wrong.
    """
    for field in fields(shape):
        if type(getattr(shape, field.name)) is not _KINDS[str(field.type)]:
            raise ValueError(f"{field.name} is no {field.type}")
    limits = {
        "n_layers": MOST_LAYERS,
        "d_model": MOST_WIDTH,
        "n_heads": MOST_WIDTH,
        "n_kv_heads": shape.n_heads,
        "d_head": MOST_WIDTH,
        "d_ff": MOST_FEED_FORWARD,
        "vocab_size": MOST_TOKENS - 1,
        "n_positions": MOST_POSITIONS,
    }
    for name, most in limits.items():
        if not 1 <= getattr(shape, name) <= most:
            raise ValueError(f"{name} is {getattr(shape, name):,}, not 1 to {most:,}")
    if shape.n_heads % shape.n_kv_heads or shape.d_heads > MOST_WIDTH:
        raise ValueError(f"{shape.n_heads} heads of {shape.d_head} on {shape.n_kv_heads}")
    if shape.rotary and (shape.d_head % 2 or shape.n_positions * shape.d_head // 2 > MOST_ANGLES):
        raise ValueError(f"RoPE for {shape.n_positions:,} positions and heads of {shape.d_head}")
    if shape.head_norm not in HEAD_NORMS:
        raise ValueError(f"norms of heads are {shape.head_norm!r}")
    if (shape.gated, shape.activation) not in ACTIVATIONS:
        raise ValueError(f"the activation is {shape.activation!r}, gated {shape.gated}")
    if not (math.isfinite(shape.eps) and shape.eps >= 0):
        raise ValueError(f"eps is {shape.eps}")
    for name in ("score_cap", "logit_cap"):
        cap = getattr(shape, name)
        if cap and not LEAST_CAP <= cap <= MOST_CAP:
            raise ValueError(f"{name} is {cap}, not {LEAST_CAP:g} to {MOST_CAP:,g}")
    if shape.norms not in NORMS or (shape.norms and shape.parallel):
        raise ValueError(f"norms are {shape.norms!r}, side by side {shape.parallel}")
    _check_layers("layer_window", shape.layer_window, shape.n_layers, 0, MOST_POSITIONS)
    _check_layers("layer_rope", shape.layer_rope, shape.n_layers, -1, MOST_ROPES - 1)
    if shape.layer_rope and not shape.rotary:
        raise ValueError("there are tables of RoPE for layers, and no RoPE")


def _check_layers(
    name: str, numbers: tuple[int, ...], n_layers: int, least: int, most: int
) -> None:
    """Make sure that there is a number for each layer, or for none."""
    if len(numbers) not in (0, n_layers):
        raise ValueError(f"{name} has {len(numbers):,} numbers for {n_layers:,} layers")
    if not all(type(number) is int and least <= number <= most for number in numbers):
        raise ValueError(f"{name} has a number that is not one of {least} to {most:,}")


def check_tensors(shape: ModelShape, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Make sure that `tensors`, by their names in the file, are a model of this shape.

    All that there must be and no other, of the right sizes and types, contiguous, finite, and
    integers symmetric about 0.

    Raises: ValueError, with which tensor is wrong.
    """
    wanted = dict(_wanted(shape))
    biases = {name for name in wanted if name.endswith(".bias")}
    if odd := (tensors.keys() - wanted.keys()) | (wanted.keys() - biases - tensors.keys()):
        raise ValueError(f"{min(odd)} is missing, or should not be there")
    for name, tensor in tensors.items():
        dtype, sizes = wanted[name]
        if tensor.dtype != dtype or tensor.shape != sizes or not tensor.flags.c_contiguous:
            found = f"{tensor.dtype} {tensor.shape}"
            raise ValueError(f"{name} is {found}, not {dtype.__name__} {sizes}")
        if not _BOUNDS[dtype](tensor):
            raise ValueError(f"{name} holds a number that it may not")
        if name.endswith("scale") and bool(tensor.min() < 0):
            raise ValueError(f"{name} holds a negative scale")
        if name.startswith(("cos", "sin")) and bool(np.abs(tensor).max() > 1):
            raise ValueError(f"{name} holds a number beyond 1")


def _wanted(shape: ModelShape) -> Iterator[tuple[str, Wanted]]:
    """Yield every tensor that a model of this shape may have; biases are optional."""
    d_model, n_tokens = shape.d_model, shape.vocab_size
    yield "embedding", (np.int16, (n_tokens, d_model))
    yield "embedding_scale", (np.float32, (n_tokens,))
    if shape.rotary:
        for name in rope_names(shape.n_ropes):
            yield name, (np.float32, (shape.n_positions, shape.d_head // 2))
    else:
        yield "positions", (np.float32, (shape.n_positions, d_model))
    linears = {
        "qkv": (shape.d_qkv, d_model),
        "out": (d_model, shape.d_heads),
        "up": (shape.d_up, d_model),
        "down": (d_model, shape.d_ff),
    }
    for index in range(shape.n_layers):
        for name, sizes in linears.items():
            yield from _wanted_linear(f"{index}.{name}", sizes)
        if shape.head_norm:
            yield f"{index}.heads.gain", (np.float32, shape.gains)
        gained = {"": (), "after": ("out", "down"), "both": ("qkv", "out", "up", "down")}
        for name in gained[shape.norms]:
            yield f"{index}.{name}.gain", (np.float32, (d_model,))
    yield from _wanted_linear("head", (n_tokens, d_model), may_have_bias=not shape.logit_cap)
    if shape.norms:
        yield "head.gain", (np.float32, (d_model,))


def rope_names(n_ropes: int) -> Iterator[str]:
    """Yield the names of RoPE's tables in the file: cos, sin, cos1, sin1, …."""
    for table in range(n_ropes):
        for name in ("cos", "sin"):
            yield f"{name}{table or ''}"


def _wanted_linear(
    name: str, sizes: tuple[int, int], *, may_have_bias: bool = True
) -> Iterator[tuple[str, Wanted]]:
    yield f"{name}.weight", (np.int8, sizes)
    yield f"{name}.scale", (np.float32, sizes[:1])
    if may_have_bias:
        yield f"{name}.bias", (np.float32, sizes[:1])


_BOUNDS: dict[type[np.generic], Callable[[NDArray[Any]], bool]] = {
    np.int8: lambda tensor: bool(tensor.min() > -128),
    np.int16: lambda tensor: bool(tensor.min() > -32768),
    np.float32: lambda tensor: bool(np.isfinite(tensor).all()),
}
