"""A model's file written tensor by tensor, in any order: a safetensors file, as the library has it.

Tensors lie by their types' widths, the widest first, so that each is aligned, and by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Layout = Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
"""What tensors there are, by name: their types and sizes."""


def layout_of(tensors: Mapping[str, NDArray[Any]]) -> Layout:
    """The layout of these tensors."""
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}


_DTYPES = {np.dtype(np.int8): "I8", np.dtype(np.int16): "I16", np.dtype(np.float32): "F32"}
_ALIGNED = 8


class ModelFile:
    """Takes each tensor of a layout once; the file is whole when all have been put."""

    def __init__(self, path: Path, layout: Layout, meta: Mapping[str, str]) -> None:
        self._layout, self._begins = layout, dict[str, int]()
        header: dict[str, Any] = {"__metadata__": dict(meta)}
        end = 0
        for name in sorted(layout, key=lambda name: (-layout[name][0].itemsize, name)):
            dtype, sizes = layout[name]
            self._begins[name], end = end, end + dtype.itemsize * math.prod(sizes)
            offsets = [self._begins[name], end]
            header[name] = {"dtype": _DTYPES[dtype], "shape": list(sizes), "data_offsets": offsets}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNED)
        self._data = 8 + len(text)
        self._missing = set(layout)
        self._file = path.open("wb")
        self._file.write(len(text).to_bytes(8, "little") + text)

    def put(self, name: str, array: NDArray[Any]) -> None:
        """Write a tensor. Raises: OSError."""
        assert (array.dtype, array.shape) == self._layout[name], name
        self._missing.remove(name)
        self._file.seek(self._data + self._begins[name])
        self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def __enter__(self) -> ModelFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        assert kind is not None or not self._missing, self._missing
