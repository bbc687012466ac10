"""Kinds of arguments: what decides which machine code of a kernel is for them.

Values that numba has different types for are of different kinds. The text of a kind is that of
numba's type: by it, machine code is found without numba. What has no text, numba alone knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from llmzip.compiled.compiler import types

_C, _F, _ALIGNED, _WRITEABLE = 0x1, 0x2, 0x100, 0x400  # numpy's bits of an array's flags
_FLAGS = _C | _F | _ALIGNED | _WRITEABLE
_NUMBERS = "biuf"
_INT_BITS = 63
"""A Python int of more is another type to numba."""


def text_of_kinds(kinds: Sequence[Any]) -> str | None:
    """The text of the kinds of some arguments, or None where numba alone knows them."""
    return _tuple(tuple, list(map(_text_of, kinds)))


def kind_of(value: Any) -> Any:
    """What tells a value from those that need other machine code: hashable."""
    kind = type(value)
    if kind is np.ndarray:
        return value.dtype, value.ndim, value.flags.num & _FLAGS
    if isinstance(value, tuple):
        return kind, *map(kind_of, value)
    if kind is int and value.bit_length() > _INT_BITS:
        return None
    return kind


def _text_of(kind: Any) -> str | None:
    """The text of a kind."""
    if kind in (bool, int, float):
        return {bool: "bool", int: "int64", float: "float64"}[kind]
    if isinstance(kind, type) and issubclass(kind, np.generic):
        dtype = np.dtype(kind)
        return dtype.name if dtype.kind in _NUMBERS else None
    if not isinstance(kind, tuple):
        return None
    first, *rest = kind
    if isinstance(first, np.dtype):
        return _array_of(first, *rest)
    return _tuple(first, [_text_of(part) for part in rest])


def _array_of(dtype: np.dtype[Any], n_dimensions: int, flags: int) -> str | None:
    if dtype.kind not in _NUMBERS or not dtype.isnative or not flags & _ALIGNED:
        return None
    layout = "C" if flags & _C else "F" if flags & _F else "A"
    return _array(dtype.name, n_dimensions, layout, bool(flags & _WRITEABLE))


def text_of_types(kinds: Sequence[Any]) -> str | None:
    """The text of what numba has for the kinds of some arguments."""
    return _tuple(tuple, list(map(_text_of_type, kinds)))


def _text_of_type(kind: Any) -> str | None:
    """The text of one of numba's types."""
    if type(kind) in (types.Boolean, types.Integer, types.Float):
        return str(kind.name)
    if type(kind) is types.Array and kind.aligned:
        element = _text_of_type(kind.dtype)
        return None if element is None else _array(element, kind.ndim, kind.layout, kind.mutable)
    if isinstance(kind, types.BaseTuple):
        return _tuple(getattr(kind, "instance_class", tuple), list(map(_text_of_type, kind)))
    return None


def _array(element: str, n_dimensions: int, layout: str, is_mutable: bool) -> str:
    return f"{element}[{n_dimensions}, {layout}{'' if is_mutable else ', read-only'}]"


def _tuple(of: type, parts: list[str | None]) -> str | None:
    named = [part for part in parts if part is not None]
    if len(named) < len(parts):
        return None
    return f"{of.__module__}.{of.__qualname__}({', '.join(named)})"
