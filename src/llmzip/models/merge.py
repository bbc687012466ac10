"""An adapter into its model: linear layers moved by thin matrices, norms replaced."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.merging import MOST_RANK, Product
from llmzip.models.adapter import Adapter

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_A, _B = ".lora_A", ".lora_B"

Change = Callable[[np.ndarray, slice], np.ndarray]
"""From some rows of a parameter, float32, and which rows these are, to what becomes of them."""


def merge(model: PreTrainedModel, adapter: Adapter, where: Path) -> None:
    """Change a model's weights as an adapter says; none of them if any does not fit.

    where: the adapter's folder, for messages.

    Raises: ModelUnsupportedError if it is another model's.
    """
    import torch

    parameters = dict(model.named_parameters(remove_duplicate=False))
    found = {name: (parameters[name], c) for name, c in changes(model, adapter, where).items()}
    with torch.no_grad():
        for parameter, change in {id(p): (p, c) for p, c in found.values()}.values():
            value = change(parameter.detach().numpy(), slice(0, len(parameter)))
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def changes(model: PreTrainedModel, adapter: Adapter, where: Path) -> dict[str, Change]:
    """Return what an adapter does to each parameter that it changes, by all names of each.

    model: may be without weights.

    Raises: as `merge`.
    """
    found: dict[str, Change] = {}
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, tensor in adapter.tensors.items():
        if name.endswith(_A):
            layer = name.removesuffix(_A)
            thin = adapter.tensors.get(layer + _B)
            if thin is None:
                raise _other(where, layer)
            scale = adapter.config.scale
            found[f"{layer}.weight"] = _moved(model, layer, tensor, thin, scale, where)
        elif not name.endswith(_B):
            found[name] = _replaced(parameters.get(name), name, tensor, where)
        elif name.removesuffix(_B) + _A not in adapter.tensors:
            raise _other(where, name)
    by_parameter = {id(parameters[name]): change for name, change in found.items()}
    return {
        name: by_parameter[id(parameter)]
        for name, parameter in parameters.items()
        if id(parameter) in by_parameter
    }


def _moved(
    model: PreTrainedModel,
    layer: str,
    a: np.ndarray,
    b: np.ndarray,
    scale: float,
    where: Path,
) -> Change:
    """Return what adds the product of two thin matrices to a linear layer's weights."""
    module = _module(model, layer, where)
    is_transposed = type(module).__name__ == "Conv1D"
    if not hasattr(module, "weight"):
        raise _other(where, layer)
    sizes = tuple(module.get_parameter("weight").shape)
    sizes = sizes[::-1] if is_transposed else sizes
    if sizes != (len(b), a.shape[-1]) or not 0 < len(a) == b.shape[-1] <= MOST_RANK:
        raise _other(where, layer)
    if module.weight is model.get_input_embeddings().weight:
        raise ModelUnsupportedError(
            f"{where} changes {layer}, whose weights the model shares with its embedding; "
            "llmzip does not merge that"
        )
    return partial(_add, a, b, scale, is_transposed)


def _add(
    a: np.ndarray,
    b: np.ndarray,
    scale: float,
    is_transposed: bool,
    weight: np.ndarray,
    rows: slice,
) -> np.ndarray:
    product = Product.of(a.astype(np.float64), b.astype(np.float64), scale)
    if is_transposed:
        return product.added(weight.T, columns=rows).T
    return product.added(weight, rows=rows)


def _replaced(parameter: nn.Parameter | None, name: str, tensor: np.ndarray, where: Path) -> Change:
    """Return what puts a tensor in place of a parameter, which the model may not have."""
    if parameter is None or tuple(parameter.shape) != tensor.shape:
        raise _other(where, name)
    return lambda _, rows: tensor[rows]


def _module(model: PreTrainedModel, layer: str, where: Path) -> nn.Module:
    try:
        return cast("nn.Module", model.get_submodule(layer))
    except AttributeError as exc:
        raise _other(where, layer) from exc


def _other(where: Path, layer: str) -> ModelUnsupportedError:
    return ModelUnsupportedError(
        f"{where} changes {layer[:80]!r} as no layer of this model can be: it is for another model"
    )
