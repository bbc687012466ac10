"""Gradients of the head's bias that are summed up on the device, until a group learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip.exact.bias import GRADIENT_BITS
from llmzip.exact.cuda.buffers import to_device, to_host


class GradientRoom:
    """A gradient (V,) for each of several groups, by number. All sums are of integers.

    sums: int64 (places, V), on the device.
    """

    def __init__(self, device: torch.device, vocab_size: int) -> None:
        self.sums = torch.zeros(1, vocab_size, dtype=torch.int64, device=device)
        self._places: dict[int, int] = {}

    def add(self, found: Any, tokens: NDArray[np.int64], of: NDArray[np.int64]) -> None:
        """Add what an engine's distributions of all rows say, without waiting for the device.

        of: (rows,), which group's each row is; rows of a group follow each other.
        """
        found.add_gradients(tokens, of, self)

    def place(self, number: int) -> int:
        """Return which row of `sums` is a group's; a new one begins with zeros."""
        if number not in self._places:
            taken = set(self._places.values())
            place = next(i for i in range(len(taken) + 1) if i not in taken)
            if place == len(self.sums):
                with torch.inference_mode():
                    self.sums = torch.cat([self.sums, torch.zeros_like(self.sums)])
            self._places[number] = place
        return self._places[number]

    def count(self, places: NDArray[np.int64], tokens: NDArray[np.int64]) -> None:
        """Add 1 for each token (rows,) that came, in GRADIENT_BITS fraction bits."""
        device, width = self.sums.device, self.sums.shape[1]
        at = to_device(places * width + tokens, device)
        ones = torch.full(at.shape, 1 << GRADIENT_BITS, dtype=torch.int64, device=device)
        self.sums.view(-1).index_add_(0, at, ones)

    def taken(self, number: int) -> NDArray[np.int64]:
        """Return a group's gradient, which is zeros where none is here; its next begins so."""
        place = self._places.pop(number, None)
        if place is None:
            return np.zeros(self.sums.shape[1], dtype=np.int64)
        with torch.inference_mode():
            gradient = self.sums[place].clone()
            self.sums[place] = 0
        return to_host(gradient)
