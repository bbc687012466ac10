"""A safetensors file mapped into memory as arrays: read page by page as they are used, not copied.

The safetensors library maps files for torch; for numpy it copies them. The layout, from its
documentation: the header's length (8 bytes, little endian), the header as JSON, then the tensors.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_HEADER_BYTES = 100_000_000
"""As the safetensors library has it."""

_DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(code) for name, code in {"I8": "<i1", "I16": "<i2", "F32": "<f4"}.items()
}


def map_tensors(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """The file's metadata, and its tensors by name; what is written to them stays in memory.

    Raises: ValueError, KeyError, TypeError, RecursionError for what is no such file, or holds
    types that no prepared model has; OSError.
    """
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    n_header = int.from_bytes(memory[:8], "little")
    if n_header > min(len(memory) - 8, MOST_HEADER_BYTES):
        raise ValueError("its header is longer than the file")
    header: dict[str, Any] = json.loads(memory[8 : 8 + n_header])
    if not isinstance(header, dict):
        raise TypeError("its header is no object")
    meta = header.pop("__metadata__", {})
    if not isinstance(meta, dict):
        raise TypeError("its metadata is no object")
    begin = 8 + n_header
    return meta, {name: _mapped(memory, begin, entry) for name, entry in header.items()}


def _mapped(memory: mmap.mmap, begin: int, entry: Mapping[str, Any]) -> NDArray[Any]:
    dtype, sizes, (first, last) = _DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
    if any(type(number) is not int or number < 0 for number in (*sizes, first, last)):
        raise ValueError("a size or an offset that is no number")
    count = math.prod(sizes)
    if last - first != count * dtype.itemsize or begin + last > len(memory):
        raise ValueError("a tensor of another size than its place")
    array: NDArray[Any] = np.frombuffer(memory, dtype, count, begin + first).reshape(sizes)
    if not array.flags.aligned:
        raise ValueError("a tensor that is not aligned")
    return array
