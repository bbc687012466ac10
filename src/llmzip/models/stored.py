"""A model's weights where they lie: rows of tensors, none read before they are asked for.

Files are read, not mapped: what was read stays in memory for as long as it is used. The names are
transformers' own, of a model that is made without memory, and what transformers does to tensors
between a GGUF and a model is done by its own code (`stored_gguf`). Where that cannot be known to be
all, nothing is found, and the model is loaded as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelDamagedError
from llmzip.models import claims

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Array = NDArray[Any]
Change = Callable[[Array, slice], Array]
"""From rows of a tensor to what stands in place of them."""


class Tensor(Protocol):
    """A tensor in a file: float32 arrays of rows of it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""

    def __getitem__(self, rows: slice) -> Array:
        """Read rows. Raises: OSError, ModelDamagedError."""


@dataclass(frozen=True)
class InFile:
    """Numbers in a file, last axis fastest. decode: from the bytes of rows to float32."""

    path: Path
    begin: int
    n_bytes: int
    shape: tuple[int, ...]
    decode: Callable[[bytes], Array]

    def __getitem__(self, rows: slice) -> Array:
        first, last, _ = rows.indices(self.shape[0])
        width = self.n_bytes // self.shape[0]
        with self.path.open("rb") as file:
            file.seek(self.begin + first * width)
            data = file.read((last - first) * width)
        if len(data) != (last - first) * width:
            raise ModelDamagedError(f"{self.path} is not whole: get it again")
        return self.decode(data).reshape(last - first, *self.shape[1:])


@dataclass(frozen=True)
class Changed:
    """A tensor that another stands in place of."""

    tensor: Tensor
    change: Change

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        return self.tensor.shape

    def __getitem__(self, rows: slice) -> Array:
        return self.change(self.tensor[rows], slice(*rows.indices(self.shape[0])))


Found = Mapping[str, Tensor]


def changed(tensors: Found, changes: Mapping[str, Change]) -> dict[str, Tensor]:
    """The tensors, some of them changed."""
    return {
        name: Changed(tensor, changes[name]) if name in changes else tensor
        for name, tensor in tensors.items()
    }


def in_folder(folder: Path, sketch: PreTrainedModel) -> dict[str, Tensor] | None:
    """The weights of a model in safetensors files, by the model's own names; None: load them.

    sketch: the model, without memory.

    Raises: ModelDamagedError, OSError, SafetensorError.
    """
    if getattr(sketch.config, "quantization_config", None) is not None:
        return None
    kept: dict[str, Tensor] = {}
    for path in claims.weight_files(folder):
        if path.suffix == ".safetensors":
            tensors = _tensors_of(path)
            if tensors is None or tensors.keys() & kept.keys():
                return None
            kept |= tensors
    prefix = f"{sketch.base_model_prefix}."
    otherwise = _OTHERWISE.get(sketch.config.model_type, {})
    return matched(
        sketch, kept, lambda name: {name, name.removeprefix(prefix), otherwise.get(name, name)}
    )


def matched(
    sketch: PreTrainedModel, kept: Found, spellings: Callable[[str], set[str]]
) -> dict[str, Tensor] | None:
    """Each of a model's weights, by its own name; None where one is not there as it should be.

    spellings: what a weight may be called among those that are kept.
    """
    found: dict[str, Tensor] = {}
    first: dict[int, Tensor] = {}  # of parameters, which may have several names
    parameters = sketch.state_dict(keep_vars=True)
    for name, parameter in parameters.items():
        here = [kept[spelt] for spelt in spellings(name) if spelt in kept]
        if len(here) > 1 or any(tensor.shape != tuple(parameter.shape) for tensor in here):
            return None
        for tensor in here:
            if not _same(first.setdefault(id(parameter), tensor), tensor):
                return None  # which of them counts is not for us to say
    for name, parameter in parameters.items():
        if id(parameter) not in first:
            return None
        found[name] = first[id(parameter)]
    return found


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers."""
    parts = (slice(at, at + _ROWS) for at in range(0, one.shape[0], _ROWS))
    return one is other or all(np.array_equal(one[rows], other[rows]) for rows in parts)


def _tensors_of(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a safetensors file; None where it has some that are not plain floats.

    Raises: ModelDamagedError, OSError, SafetensorError.
    """
    from safetensors import safe_open

    with safe_open(path, "np") as file:  # which looks for all that may be wrong with a header
        if (file.metadata() or {}).get("format") != "pt":
            return None
    header, begin = claims.read_header(path)
    found: dict[str, Tensor] = {}
    for name, entry in header.items():
        shape, (first, last) = tuple(entry["shape"]), entry["data_offsets"]
        width = _WIDTHS.get(entry["dtype"])
        if width is None or not shape or last - first != width * math.prod(shape) or first == last:
            return None
        found[name] = InFile(path, begin + first, last - first, shape, _DECODERS[entry["dtype"]])
    return found


def _bf16(data: bytes) -> Array:
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


_DECODERS: dict[str, Callable[[bytes], Array]] = {
    "F32": lambda data: np.frombuffer(data, "<f4"),
    "F16": lambda data: np.frombuffer(data, "<f2").astype(np.float32),
    "BF16": _bf16,
}
_WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}
_OTHERWISE = {"gpt_neox": {"lm_head.weight": "embed_out.weight"}}
"""What a family's files call weights that later models of transformers have other names for."""
_ROWS = 1 << 12
