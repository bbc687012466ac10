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

    def on_device(self, bias: RowBias) -> tuple[Tensor, NDArray[np.int64]]:
        """Return values (n, V) on the device, and which of them each row has, int64 (rows,).

        Values that are counted keep their place there as long as there are no more of them.
        """
        if bias.version is None:
            bias = bias.used()
            return to_device(bias.values, self._device), bias.of
        if self._values is None or not self._is_kept(bias):
            self._host, self._version = bias.values, bias.version
            if self._values is None or self._values.shape != bias.values.shape:
                self._values = torch.empty(bias.values.shape, device=self._device)
            self._values.copy_(to_device(bias.values, self._device), non_blocking=True)
        return self._values, bias.of

    def _is_kept(self, bias: RowBias) -> bool:
        return self._host is bias.values and self._version == bias.version
