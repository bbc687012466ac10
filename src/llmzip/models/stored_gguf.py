"""The weights in a GGUF, by the names and in the layout of transformers' models: see `stored`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmzip.models.gguf_claims import GgufHeader
from llmzip.models.stored import InFile, Tensor, matched

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Array = NDArray[Any]

_READ = (
    *("llama", "gpt2", "qwen2", "phi3", "stablelm", "starcoder2", "mistral", "granite"),
    *("gemma2", "gemma3"),
)
"""Architectures of which transformers' conversion of tensors is known to be what is done here."""
_PERMUTED = "llama"
"""The one whose queries and keys transformers puts in another order, by the numbers of heads."""
_AS_THEY_ARE = {"token_embd.weight", "output.weight"}


def in_gguf(path: Path, header: GgufHeader, sketch: PreTrainedModel) -> dict[str, Tensor] | None:
    """The weights of a model in a GGUF, by the model's own names; None: load them.

    sketch: the model, without memory.

    Raises: whatever transformers and gguf do of a file that they cannot read.
    """
    try:
        from transformers.modeling_gguf_pytorch_utils import (
            TENSOR_PROCESSORS,
            TensorProcessor,
            get_gguf_hf_weights_map,
        )
    except ImportError:  # another release's
        return None
    numbers = ("attention.head_count", "attention.head_count_kv")
    heads = [header.number(name) for name in numbers]
    is_known = header.architecture in _READ and header.order == "<" and not _is_read_anew(header)
    if not is_known or (header.architecture == _PERMUTED and None in heads):
        return None
    known = ("num_attention_heads", "num_key_value_heads")
    config = {name: int(n) for name, n in zip(known, heads, strict=True) if n is not None}
    processor = TENSOR_PROCESSORS.get(header.architecture, TensorProcessor)(config=config)
    names = get_gguf_hf_weights_map(sketch, processor)
    names["output.weight"] = "lm_head.weight"
    return matched(sketch, _tensors_of(path, names, processor), lambda name: {name})


def _is_read_anew(header: GgufHeader) -> bool:
    """Whether transformers reads the architecture by a way of its own that came later."""
    try:
        from transformers.integrations.gguf.utils import is_gguf_arch_supported
    except ImportError:
        return False
    return bool(is_gguf_arch_supported(header.architecture))


def _tensors_of(path: Path, names: dict[str, str], processor: Any) -> dict[str, Tensor]:
    import gguf

    found: dict[str, Tensor] = {}
    for tensor in gguf.GGUFReader(str(path)).tensors:
        if (name := names.get(tensor.name)) is not None:
            shape = tuple(int(size) for size in reversed(tensor.shape))
            _, n_block_bytes = gguf.GGML_QUANT_SIZES[tensor.tensor_type]
            _decoded(bytes(n_block_bytes), tensor.tensor_type, n_block_bytes)  # or it raises now
            n_row_bytes = int(tensor.n_bytes) // (shape[0] if len(shape) > 1 else 1)
            decode = partial(_decoded, kind=tensor.tensor_type, n_row_bytes=n_row_bytes)
            read = InFile(path, int(tensor.data_offset), int(tensor.n_bytes), shape, decode)
            is_plain = tensor.name in _AS_THEY_ARE
            found[name] = read if is_plain else _processed(read, tensor.name, processor)
    return found


def _decoded(data: bytes, kind: Any, n_row_bytes: int) -> Array:
    """Numbers as gguf has them."""
    import gguf

    rows = np.frombuffer(data, np.uint8).reshape(-1, n_row_bytes)
    values: Array = gguf.dequantize(rows, kind).astype(np.float32, copy=False)
    return values


@dataclass(frozen=True)
class Processed:
    """A tensor behind what transformers does to it as a whole."""

    tensor: Tensor
    process: Callable[[Array], Array]
    shape: tuple[int, ...]

    def __getitem__(self, rows: slice) -> Array:
        return self.process(self.tensor[:])[rows]


def _processed(tensor: Tensor, name: str, processor: Any) -> Processed:
    def process(weights: Array) -> Array:
        done: Array = processor.process(weights=weights, name=name).weights
        return done

    # what it does to sizes, it does to a tensor that takes no memory
    hollow = np.broadcast_to(np.int8(0), tensor.shape)
    return Processed(tensor, process, process(hollow).shape)
