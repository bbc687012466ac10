"""What stays on the device: the model as the kernels take it, and the memory they work in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact.cuda.gemm import padded
from llmzip.exact.model import ExactModel, Linear
from llmzip.exact.shape import ModelShape
from llmzip.exact.tensors import on_device

N_INPUTS = 4
"""What each row is fed with: its token, lane and position, and which bias its head has."""


@dataclass(frozen=True)
class PaddedLinear:
    """A linear whose weight is padded with zeros for the GEMM."""

    weight: Tensor  # int8 (padded n_out, padded n_in)
    scale: Tensor  # float32 (n_out,)
    bias: Tensor  # float32 (n_out,); the scale again where there is none
    biased: bool

    @classmethod
    def of(cls, linear: Linear, device: torch.device) -> PaddedLinear:
        """The linear on a device."""
        n_out, n_in = linear.weight.shape
        weight = on_device(linear.weight, device)
        if (padded(n_out), padded(n_in)) != (n_out, n_in):
            room = torch.zeros(padded(n_out), padded(n_in), dtype=torch.int8, device=device)
            room[:n_out, :n_in] = weight
            weight = room
        scale = on_device(linear.scale, device)
        bias = scale if linear.bias is None else on_device(linear.bias, device)
        return cls(weight, scale, bias, linear.bias is not None)

    @property
    def n_out(self) -> int:
        """Columns of its sums, padding included."""
        return self.weight.shape[0]

    @property
    def n_in(self) -> int:
        """Columns of the int8 rows it takes, padding included."""
        return self.weight.shape[1]


@dataclass(frozen=True)
class PaddedLayer:
    """The four linears of a layer."""

    qkv: PaddedLinear
    out: PaddedLinear
    up: PaddedLinear
    down: PaddedLinear
    gains: Tensor  # float32 (heads of queries and keys, d_head); empty where these are not normed
    added_gains: dict[str, Tensor]  # float32 (d_model,), of `out` and `down`: with `norms`


class DeviceModel:
    """A model on a device, as the kernels take it."""

    def __init__(self, model: ExactModel, device: torch.device) -> None:
        def moved(array: NDArray[Any] | None) -> Tensor:
            return torch.empty(0, device=device) if array is None else on_device(array, device)

        self.embedding, self.embedding_scale = moved(model.embedding), moved(model.embedding_scale)
        self.positions = moved(model.positions)
        self.ropes = [(moved(cos), moved(sin)) for cos, sin in model.ropes]
        self.layers = [
            PaddedLayer(
                **{name: PaddedLinear.of(own, device) for name, own in layer.named_linears()},
                gains=moved(layer.gain),
                added_gains={n: moved(gain) for n, gain in layer.gains.items()},
            )
            for layer in model.layers
        ]
        self.head = PaddedLinear.of(model.head, device)
        one = torch.ones(model.shape.d_model, device=device)
        taken = [layer.gains.get(n) for layer in model.layers for n in ("qkv", "up")]
        self.taken_gains = [  # of `qkv`, `up`, …, of the head
            one if gain is None else moved(gain) for gain in (*taken, model.head_gain)
        ]


class Workspace:
    """The buffers of one engine for up to `n_rows` rows, padding included. All start as zeros."""

    def __init__(self, shape: ModelShape, n_rows: int, device: torch.device) -> None:
        def zeros(size: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros(size, dtype=dtype, device=device)

        self.inputs = zeros(N_INPUTS * n_rows, torch.int64)
        self.stream = zeros(n_rows * shape.d_model, torch.float32)
        self.q = zeros(n_rows * padded(shape.d_model), torch.int8)
        self.scale = zeros(n_rows, torch.float32)
        self.queries = zeros(n_rows * shape.d_heads, torch.int8)
        self.query_scales = zeros(n_rows * shape.n_heads, torch.float32)
        self.mixed = zeros(n_rows * shape.d_heads, torch.float32)
        self.mixed_q = zeros(n_rows * padded(shape.d_heads), torch.int8)
        self.mixed_scale = zeros(n_rows, torch.float32)
        self.added = zeros(n_rows * shape.d_model if shape.norms else 0, torch.float32)
        self.factors = zeros(2 * n_rows if shape.head_norm == "whole" else 0, torch.float32)
        self.active = zeros(n_rows * shape.d_ff, torch.float32)
        self.halves = zeros(2 * n_rows * padded(shape.d_ff), torch.int8)
        self.active_scale = zeros(n_rows, torch.float32)

    @classmethod
    def row_bytes(cls, shape: ModelShape) -> int:
        """Bytes that each row takes, about."""
        heads = shape.n_heads * (6 * shape.d_head + 4)
        return (9 if shape.norms else 5) * shape.d_model + heads + 6 * shape.d_ff + 64


def view(buffer: Tensor, *shape: int) -> Tensor:
    """The first elements of a flat buffer as a tensor of `shape`."""
    size = 1
    for n in shape:
        size *= n
    return buffer[:size].view(shape)


def to_device(array: NDArray[np.int64] | NDArray[np.float32], device: torch.device) -> Tensor:
    """A copy on the device, made without waiting for it (pinned memory outlives the copy)."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type != "cuda":
        return tensor.clone()
    return tensor.pin_memory().to(device, non_blocking=True)


def put(array: NDArray[np.int64], place: Tensor) -> None:
    """Copy an array to its place on the device, without waiting for it, likewise."""
    tensor = torch.from_numpy(array)
    if place.device.type == "cuda":
        tensor = tensor.pin_memory()
    place.copy_(tensor, non_blocking=True)


def to_host(tensor: Tensor) -> NDArray[np.int64]:
    """A copy on the host, once all that was launched is done."""
    return begin_to_host(tensor)()


def begin_to_host(tensor: Tensor) -> Callable[[], NDArray[np.int64]]:
    """Begin a copy on the host; return what waits for it, and for nothing launched later."""
    if tensor.device.type != "cuda":
        plain: NDArray[np.int64] = tensor.numpy()
        return lambda: plain
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    copied = torch.cuda.current_stream(tensor.device).record_event()

    def wait() -> NDArray[np.int64]:
        copied.synchronize()
        numbers: NDArray[np.int64] = host.numpy()
        return numbers

    return wait
