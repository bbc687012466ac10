"""A model and its KV cache as torch's tensors on a device: what the reference computes with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact.cache import KVCache, Zeros
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ExactModel, Layer, Linear

TensorCache = KVCache[Tensor]

_DTYPES: dict[type[np.generic], torch.dtype] = {np.int8: torch.int8, np.float32: torch.float32}


class TensorHidden(Hidden[Tensor]):
    """Final hidden states on a device."""

    def picked(self, rows: NDArray[np.int64]) -> TensorHidden:
        """Copies of these rows."""
        index = torch.from_numpy(rows).to(self.q.device)
        return TensorHidden(self.q[index], self.scale[index])

    @staticmethod
    def _joined(parts: Sequence[Any]) -> Any:
        return torch.cat(list(parts))


def zeros_on(device: torch.device) -> Zeros[Tensor]:
    """What makes a cache's zeros on a device."""
    return lambda size, kind: torch.zeros(size, dtype=_DTYPES[kind], device=device)


@dataclass(frozen=True)
class TensorLinear:
    """See `model.Linear`."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, linear: Linear, device: torch.device) -> TensorLinear:
        """A linear on a device."""
        bias = None if linear.bias is None else on_device(linear.bias, device)
        return cls(on_device(linear.weight, device), on_device(linear.scale, device), bias)


@dataclass(frozen=True)
class TensorLayer:
    """See `model.Layer`."""

    qkv: TensorLinear
    out: TensorLinear
    up: TensorLinear
    down: TensorLinear
    gain: Tensor | None
    gains: dict[str, Tensor]

    @classmethod
    def of(cls, layer: Layer, device: torch.device) -> TensorLayer:
        """A layer on a device."""
        linears = {name: TensorLinear.of(own, device) for name, own in layer.named_linears()}
        gains = {name: on_device(gain, device) for name, gain in layer.gains.items()}
        gain = None if layer.gain is None else on_device(layer.gain, device)
        return cls(**linears, gain=gain, gains=gains)


@dataclass(frozen=True)
class TensorModel:
    """See `model.ExactModel`."""

    embedding: Tensor
    embedding_scale: Tensor
    positions: Tensor | None
    ropes: tuple[tuple[Tensor, Tensor], ...]
    layers: tuple[TensorLayer, ...]
    head: TensorLinear
    head_gain: Tensor | None

    @classmethod
    def of(cls, model: ExactModel, device: torch.device) -> TensorModel:
        """A model on a device."""

        def moved(array: NDArray[Any] | None) -> Tensor | None:
            return None if array is None else on_device(array, device)

        return cls(
            on_device(model.embedding, device),
            on_device(model.embedding_scale, device),
            moved(model.positions),
            tuple((on_device(c, device), on_device(s, device)) for c, s in model.ropes),
            tuple(TensorLayer.of(layer, device) for layer in model.layers),
            TensorLinear.of(model.head, device),
            moved(model.head_gain),
        )


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """The array as a tensor on a device; on the CPU it shares the array's memory."""
    return torch.from_numpy(array).to(device)
