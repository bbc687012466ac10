"""The weights of a loaded model, by name, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.floats import FloatLinear

Array = NDArray[np.float64]


class Weights:
    """The tensors of a transformers model, by name, as float64 arrays."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._state = state

    def __contains__(self, name: str) -> bool:
        return name in self._state

    def __getitem__(self, name: str) -> Array:
        tensor = self._state[name].detach().cpu()
        array: Array = tensor.double().numpy()
        if not np.isfinite(array).all():
            raise ModelUnsupportedError(
                f"weights {name} hold infinities or NaN; get the model anew"
            )
        return array

    def optional(self, name: str) -> Array | None:
        """The tensor, or None if the model has none of that name."""
        return self[name] if name in self else None  # noqa: SIM401 - no mapping, no get

    def linear(
        self, names: Sequence[str], norm: str | None = None, *, transposed: bool = False
    ) -> FloatLinear:
        """Linears one above the other, behind a norm that may be without gain or bias.

        transposed: they are stored as (inputs, outputs).
        """
        found = [self[f"{name}.weight"] for name in names]
        rows = _joined([weight.T if transposed else weight for weight in found])
        biases = [self.optional(f"{name}.bias") for name in names]
        known = [bias for bias in biases if bias is not None]
        bias = _joined(known) if known else None
        if norm is None:
            return FloatLinear(rows, bias)
        return FloatLinear(rows, bias, *self.norm(norm, rows.shape[1]))

    def norm(self, name: str, width: int) -> tuple[Array, Array | None]:
        """A norm's gain, which is 1 where it has none, and its bias."""
        gain = self.optional(f"{name}.weight")
        return np.ones(width) if gain is None else gain, self.optional(f"{name}.bias")


def _joined(parts: Sequence[Array]) -> Array:
    """The parts one after the other; one alone is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
