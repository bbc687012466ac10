"""What configurations say, held against what the engine computes."""

from __future__ import annotations

import math
from typing import Any

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.checks import check_shape
from llmzip.exact.shape import ACTIVATIONS, ModelShape

_SILU = frozenset({"silu", "swish"})
_GELU = frozenset(
    {
        *("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"),
        *("gelu", "gelu_python"),
    }
)
"""Names of gelu by tanh; and of gelu by erf, which is nowhere more than 0.0005 from it."""
_FUNCTIONS = {"silu": _SILU, "gelu": _GELU, "relu": {"relu"}, "relu2": {"relu2"}}


def require(config: Any, name: str, wanted: Any, what: str) -> None:
    """Make sure that a switch stands as the engine has it; what: the thing it would need.

    Raises ModelUnsupportedError.
    """
    value = getattr(config, name, wanted)
    if (value or None) != (wanted or None):  # transformers leaves it open how none is written
        raise lacking(f"{what} ({name}={value})")


def read_activation(config: Any, name: str, *, gated: bool) -> str:
    """What a shape calls the activation of a configuration. Raises ModelUnsupportedError."""
    value = getattr(config, name)
    function = next((known for known, names in _FUNCTIONS.items() if value in names), None)
    activation = "" if function == ("silu" if gated else "gelu") else function
    if activation is None or (gated, activation) not in ACTIVATIONS:
        raise lacking(f"the activation {value} ({name}{', of gates' if gated else ''})")
    return activation


def multiplier(config: Any, name: str) -> float:
    """What a configuration says to multiply or divide by: 1 if nothing.

    Raises ModelUnsupportedError where it is no number, or none to divide by.
    """
    value = getattr(config, name, 1.0)
    if not isinstance(value, int | float) or not math.isfinite(value) or not value:
        raise lacking(f"a multiplier that is no number ({name}={value})")
    return float(value)


def cap(config: Any, name: str) -> float:
    """A soft cap of a configuration; 0: none. Raises ModelUnsupportedError as `multiplier`."""
    return 0.0 if getattr(config, name, None) is None else multiplier(config, name)


def lacking(what: str) -> ModelUnsupportedError:
    """The error for a model that needs what the engine has not."""
    return ModelUnsupportedError(
        f"the exact engine lacks {what}; --float runs it, tied to one machine"
    )


def possible(**sizes: Any) -> ModelShape:
    """The shape of these sizes. Raises ModelUnsupportedError where we would not run it."""
    try:
        shape = ModelShape(**sizes)
        check_shape(shape)
    except ValueError as exc:
        raise ModelUnsupportedError(f"the exact engine does not run such a model: {exc}") from exc
    return shape
