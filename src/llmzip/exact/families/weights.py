"""The weights of a model, by name, in float64, read when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.floats import FloatLinear

Array = NDArray[np.float64]


class Weights:
    """The tensors of a transformers model, by its names, as float64 arrays.

    state: torch's tensors, or what has their `shape` and of which slices are float32 arrays.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._state = state

    def __contains__(self, name: str) -> bool:
        return name in self._state

    def __getitem__(self, name: str) -> Array:
        return self.part(name, slice(None))

    def part(self, name: str, rows: slice) -> Array:
        """Some rows of a tensor. Raises ModelUnsupportedError where they are no numbers."""
        tensor = self._state[name][rows]
        if not isinstance(tensor, np.ndarray):
            tensor = tensor.detach().cpu().double().numpy()
        array: Array = tensor.astype(np.float64, copy=False)
        if not np.isfinite(array).all():
            raise ModelUnsupportedError(
                f"weights {name} hold infinities or NaN; get the model anew"
            )
        return array

    def rows(self, name: str, factor: float = 1.0) -> Rows:
        """A matrix that is not read as a whole, each weight multiplied by `factor`."""
        n_rows, n_columns = self._state[name].shape
        return Rows(self, name, (n_rows, n_columns), factor)

    def head(self, name: str, norm: str, factor: float = 1.0) -> FloatLinear:
        """The linear onto the vocabulary, behind the last norm; see `rows`."""
        weight, bias = self.rows(f"{name}.weight", factor), self.optional(f"{name}.bias")
        bias = None if bias is None else bias * factor
        return FloatLinear(weight, bias, *self.norm(norm, weight.shape[1]))

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


@dataclass(frozen=True)
class Rows:
    """A matrix among `Weights`; what is sliced from it is read then."""

    weights: Weights
    name: str
    shape: tuple[int, int]
    factor: float

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Array:
        found = self.weights.part(self.name, rows)
        return found if self.factor == 1 else found * self.factor

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All of it, for whoever takes it for an array."""
        return self[:] if dtype is None else self[:].astype(dtype)


def _joined(parts: Sequence[Array]) -> Array:
    """The parts one after the other; one alone is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
