"""The integer form of a model: what the engine computes with, and its file.

All families come down to one shape (`shape`) once the norms' gains are folded into the linears
after them and LayerNorm's mean is folded away: RMS-normalise, linear, attention or activation,
linear, add. `turning` does the folding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelDamagedError
from llmzip.exact import ENGINE_VERSION
from llmzip.exact.checks import check_shape, check_tensors, rope_names
from llmzip.exact.mapped import map_tensors
from llmzip.exact.model_file import ModelFile, layout_of
from llmzip.exact.shape import ModelShape

LINEARS = ("qkv", "out", "up", "down")
"""The linears of a layer, by their names in the file."""
GAINS = ("heads", "qkv", "out", "up", "down")
"""What has a gain in the file: queries and keys; with `norms` what is taken and what is added."""


Gains = dict[str, NDArray[np.float32]]
Rope = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Cosines and sines, each (n_positions, d_head / 2)."""


@dataclass(frozen=True)
class Linear:
    """y[n] = (Σ_k x[k] weight[n, k]) · scale[n] · (x's scale) + bias[n]."""

    weight: NDArray[np.int8]  # (n_out, n_in)
    scale: NDArray[np.float32]  # (n_out,)
    bias: NDArray[np.float32] | None  # (n_out,)


@dataclass(frozen=True)
class Layer:
    """The four linears of a transformer layer; `down` takes 16-bit activations, the rest int8."""

    qkv: Linear  # n_out = (n_heads + 2 n_kv_heads) d_head: queries, keys, values
    out: Linear
    up: Linear  # n_out = d_ff, or 2 d_ff when gated: gate, up
    down: Linear
    gain: NDArray[np.float32] | None = None  # (n_heads + n_kv_heads, d_head): with `head_norm`
    gains: Gains = field(default_factory=dict)  # (d_model,) by linear: with `norms`

    def named_linears(self) -> Iterator[tuple[str, Linear]]:
        """Yield the linears with their names, in a fixed order."""
        for name in LINEARS:
            yield name, getattr(self, name)

    def named_gains(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield the gains that there are with their names, likewise."""
        known = self.gains if self.gain is None else {"heads": self.gain, **self.gains}
        for name in GAINS:
            if name in known:
                yield f"{name}.gain", known[name]


@dataclass(frozen=True)
class ExactModel:
    """A model in integers, ready to run."""

    shape: ModelShape
    embedding: NDArray[np.int16]  # (vocab_size, d_model)
    embedding_scale: NDArray[np.float32]  # (vocab_size,)
    positions: NDArray[np.float32] | None  # (n_positions, d_model): learned positions
    cos: NDArray[np.float32] | None  # (n_positions, d_head / 2): RoPE
    sin: NDArray[np.float32] | None
    layers: tuple[Layer, ...]
    head: Linear  # its scale and bias carry log2 e: logits in base 2
    extra: dict[str, str] = field(default_factory=dict)  # carried in the file, outside the hash
    ids: NDArray[np.int64] | None = None  # rows of the embedding, of a NarrowedModel; None: all
    other_ropes: tuple[Rope, ...] = ()  # the tables behind the first
    head_gain: NDArray[np.float32] | None = None  # (d_model,): with `norms`

    @property
    def ropes(self) -> tuple[Rope, ...]:
        """All tables of RoPE."""
        if self.cos is None or self.sin is None:
            return ()
        return (self.cos, self.sin), *self.other_ropes

    def named_tensors(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every tensor with its name in the file, in a fixed order."""
        for name in ("embedding", "embedding_scale", "positions"):
            tensor = getattr(self, name)
            if tensor is not None:
                yield name, tensor
        tables = [table for rope in self.ropes for table in rope]
        yield from zip(rope_names(len(self.ropes)), tables, strict=True)
        for index, layer in enumerate(self.layers):
            for name, linear in layer.named_linears():
                yield from _named_linear(f"{index}.{name}", linear)
            for name, gain in layer.named_gains():
                yield f"{index}.{name}", gain
        yield from _named_linear("head", self.head)
        if self.head_gain is not None:
            yield "head.gain", self.head_gain

    def digest(self) -> bytes:
        """SHA-256 over the engine version, the shape and every integer and scale."""
        state = hashlib.sha256(f"llmzip engine {ENGINE_VERSION}\n".encode())
        state.update(json.dumps(self.shape.form(), sort_keys=True).encode())
        for name, tensor in self.named_tensors():
            # the names of types are those of torch, in which models once lay
            state.update(f"\n{name} torch.{tensor.dtype} {tensor.shape}\n".encode())
            state.update(np.ascontiguousarray(tensor).data)
        return state.digest()

    def save(self, path: Path) -> None:
        """Write the model as one safetensors file."""
        tensors = dict(self.named_tensors())
        with ModelFile(path, layout_of(tensors), file_meta(self.shape, self.extra)) as file:
            for name, tensor in tensors.items():
                file.put(name, tensor)

    @classmethod
    def load(cls, path: Path) -> ExactModel:
        """Map a file written by `save`, having checked all that the kernels rely on.

        Raises ModelDamagedError where it is not one, or of another engine version.
        """
        try:
            shape, meta, tensors = _mapped(path)
            check_tensors(shape, tensors)
            return assemble(shape, tensors, meta)
        except _NO_MODEL as exc:
            raise _no_model(path, exc) from exc


def named(ids: NDArray[np.int64], names: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """The rows of the embedding that ids stand for; see `ExactModel.ids`."""
    return ids if names is None else names[ids]


def shape_of(path: Path) -> ModelShape:
    """The shape of the model in a file written by `ExactModel.save`; no tensor is looked at.

    Raises ModelDamagedError where it is not one, or of another engine version.
    """
    try:
        return _mapped(path)[0]
    except _NO_MODEL as exc:
        raise _no_model(path, exc) from exc


_NO_MODEL = KeyError, TypeError, ValueError, RecursionError, OSError


def _no_model(path: Path, exc: Exception) -> ModelDamagedError:
    return ModelDamagedError(f"{path}: not a prepared model ({exc}); remove it")


def _mapped(path: Path) -> tuple[ModelShape, dict[str, str], dict[str, NDArray[Any]]]:
    """A file's shape, checked, what else it says of itself, and its tensors, mapped."""
    meta, tensors = map_tensors(path)
    if meta.pop("engine") != str(ENGINE_VERSION):
        raise ModelDamagedError(f"{path}: prepared by another engine version; prepare again")
    shape = ModelShape.of_form(json.loads(meta.pop("shape")))
    check_shape(shape)
    return shape, meta, tensors


def _named_linear(name: str, linear: Linear) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{name}.weight", linear.weight
    yield f"{name}.scale", linear.scale
    if linear.bias is not None:
        yield f"{name}.bias", linear.bias


def file_meta(shape: ModelShape, extra: Mapping[str, str]) -> dict[str, str]:
    """What a model's file says beside its tensors."""
    return {**extra, "shape": json.dumps(shape.form()), "engine": str(ENGINE_VERSION)}


def assemble(
    shape: ModelShape, tensors: Mapping[str, NDArray[Any]], extra: dict[str, str]
) -> ExactModel:
    """The model of tensors by their names in the file."""
    names = list(rope_names(shape.n_ropes))[2:]
    others = zip(*(map(tensors.__getitem__, names[part::2]) for part in (0, 1)), strict=True)
    return ExactModel(
        shape,
        tensors["embedding"],
        tensors["embedding_scale"],
        tensors.get("positions"),
        tensors.get("cos"),
        tensors.get("sin"),
        tuple(assemble_layer(tensors, index) for index in range(shape.n_layers)),
        _linear(tensors, "head"),
        extra,
        other_ropes=tuple(others),
        head_gain=tensors.get("head.gain"),
    )


def assemble_layer(tensors: Mapping[str, NDArray[Any]], index: int) -> Layer:
    """A layer of tensors by their names in the file."""
    qkv, out, up, down = (_linear(tensors, f"{index}.{name}") for name in LINEARS)
    named = {name: tensors.get(f"{index}.{name}.gain") for name in GAINS}
    gains = {name: gain for name, gain in named.items() if gain is not None}
    return Layer(qkv, out, up, down, gains.pop("heads", None), gains)


def _linear(tensors: Mapping[str, NDArray[Any]], name: str) -> Linear:
    return Linear(tensors[f"{name}.weight"], tensors[f"{name}.scale"], tensors.get(f"{name}.bias"))
