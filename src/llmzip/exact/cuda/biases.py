"""Biases of rows on the device, sent there again only when they have changed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact.bias import RowBias
from llmzip.exact.cuda.buffers import to_device


class DeviceBiases:
    """The last biases that an engine was given, on its device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._host: NDArray[np.float32] | None = None
        self._version: int | None = None
        self._values: Tensor | None = None

    def on_device(self, bias: RowBias) -> tuple[Tensor, Tensor]:
        """Return values (n, V) and which of them each row has, int64 (rows,)."""
        if bias.version is None:
            bias = bias.used()
            return to_device(bias.values, self._device), to_device(bias.of, self._device)
        if self._values is None or not self._is_kept(bias):
            self._host, self._version = bias.values, bias.version
            self._values = to_device(bias.values, self._device)
        return self._values, to_device(bias.of, self._device)

    def _is_kept(self, bias: RowBias) -> bool:
        return self._host is bias.values and self._version == bias.version
