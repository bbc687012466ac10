"""What a forward pass hands to the head."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Hidden:
    """Final hidden states, normalised and quantised.

    q: int8 (rows, d_model); scale: float32 (rows,).
    """

    q: Tensor
    scale: Tensor
