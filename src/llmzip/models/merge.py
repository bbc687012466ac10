"""An adapter into its model: linear layers moved by thin matrices, norms replaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.merging import MOST_RANK, merged
from llmzip.models.adapter import Adapter

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_A, _B = ".lora_A", ".lora_B"


def merge(model: PreTrainedModel, adapter: Adapter, where: Path) -> None:
    """Change a model's weights as an adapter says; none of them if any does not fit.

    where: the adapter's folder, for messages.

    Raises: ModelUnsupportedError if it is another model's.
    """
    import torch

    changed = {}
    for name, tensor in adapter.tensors.items():
        if name.endswith(_A):
            layer = name.removesuffix(_A)
            thin = adapter.tensors.get(layer + _B)
            if thin is None:
                raise _other(where, layer)
            changed[layer] = _moved(model, layer, tensor, thin, adapter.config.scale, where)
        elif not name.endswith(_B):
            changed[name] = _replaced(model, name, tensor, where)
        elif name.removesuffix(_B) + _A not in adapter.tensors:
            raise _other(where, name)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in changed.items():
            weight = name if name in parameters else f"{name}.weight"
            model.get_parameter(weight).copy_(torch.from_numpy(value))


def _moved(
    model: PreTrainedModel,
    layer: str,
    a: np.ndarray,
    b: np.ndarray,
    scale: float,
    where: Path,
) -> np.ndarray:
    """Return a linear layer's weights with the product of two thin matrices added."""
    module = _module(model, layer, where)
    weight = module.get_parameter("weight").detach().numpy()
    is_transposed = type(module).__name__ == "Conv1D"
    rows = weight.T if is_transposed else weight
    if rows.shape != (len(b), a.shape[-1]) or not 0 < len(a) == b.shape[-1] <= MOST_RANK:
        raise _other(where, layer)
    if module.weight is model.get_input_embeddings().weight:
        raise ModelUnsupportedError(
            f"{where} changes {layer}, whose weights the model shares with its embedding; "
            "llmzip does not merge that"
        )
    made = merged(rows, a.astype(np.float64), b.astype(np.float64), scale)
    return np.ascontiguousarray(made.T if is_transposed else made)


def _replaced(model: PreTrainedModel, name: str, tensor: np.ndarray, where: Path) -> np.ndarray:
    """Return what stands in place of a parameter."""
    layer, _, part = name.rpartition(".")
    parameter = getattr(_module(model, layer, where), part, None)
    if parameter is None or tuple(parameter.shape) != tensor.shape:
        raise _other(where, name)
    return tensor


def _module(model: PreTrainedModel, layer: str, where: Path) -> nn.Module:
    try:
        return cast("nn.Module", model.get_submodule(layer))
    except AttributeError as exc:
        raise _other(where, layer) from exc


def _other(where: Path, layer: str) -> ModelUnsupportedError:
    return ModelUnsupportedError(
        f"{where} changes {layer[:80]!r} as no layer of this model can be: it is for another model"
    )
