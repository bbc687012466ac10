"""An adapter as one small file, to be given to others: integers of 8 bits where they hold it.

The file is safetensors. Of a pair of thin matrices each holds integers q and, for each of its
`rank` rows or columns, an exponent e: a value is q · 2^e. Training ends with rounding to such
values, so nothing is lost. All else is F32. In `__metadata__`:

    format      "llmzip adapter 1"
    config      what adapter_config.json would say
    training    what training.json says, if there is one
    sha256      over the three lines above and all tensors, in hex
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelDamagedError
from llmzip.models import claims
from llmzip.models.adapter import MOST_BYTES, Adapter, as_peft, config_of

FORMAT = "llmzip adapter 1"
MOST_Q = 127
_EXPONENTS = ".exponents"
_Tensors = dict[str, NDArray[np.generic]]


def rank_axis(name: str) -> int | None:
    """Return along which axis a thin matrix of that name has its rank; None: it is none."""
    return {"lora_A": 0, "lora_B": 1}.get(name.rpartition(".")[2])


def rounded(adapter: Adapter) -> Adapter:
    """Return the adapter that a file can hold in 8 bits a weight, and that is next to this one."""
    tensors = {}
    for name, tensor in adapter.tensors.items():
        axis = rank_axis(name)
        if axis is not None:
            q, exponents = _split(tensor, axis)
            tensor = _joined(q, exponents, axis)
        tensors[name] = tensor
    return Adapter(adapter.config, tensors)


def write_file(adapter: Adapter, path: Path, training: str = "") -> None:
    """Write an adapter into a file."""
    from safetensors.numpy import save_file

    stored: _Tensors = {}
    for name, tensor in adapter.tensors.items():
        axis = rank_axis(name)
        stored[name] = tensor
        if axis is not None:
            q, exponents = _split(tensor, axis)
            if np.array_equal(_joined(q, exponents, axis), tensor):  # not one of another program
                stored |= {name: q, name + _EXPONENTS: exponents}
    words = {
        "format": FORMAT,
        "config": json.dumps(as_peft(adapter.config), sort_keys=True),
        "training": training,
    }
    save_file(stored, path, words | {"sha256": _digest(words, stored)})
    path.chmod(0o644)  # the library lets only its owner read it


def read_file(path: Path) -> Adapter:
    """Read an adapter from a file.

    Raises: ModelDamagedError if it is not one, or not as it was written; ModelUnsupportedError;
    OSError.
    """
    return read_with_training(path)[0]


def read_with_training(path: Path) -> tuple[Adapter, str]:
    """Read an adapter, and what is known of its training. Raises: as `read_file`."""
    from safetensors import SafetensorError, safe_open

    claims.held_weights(path)
    if path.stat().st_size > MOST_BYTES:
        raise ModelDamagedError(f"{path} has more than {MOST_BYTES:,} bytes")
    try:
        with safe_open(path, "np") as file:
            words = dict(file.metadata() or {})
            stored: _Tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = words.pop("sha256", "")
        if words.get("format") != FORMAT or told != _digest(words, stored):
            raise ModelDamagedError(f"{path} is no adapter, or damaged: get it again")
        config = config_of(path, json.loads(words["config"]))
        return Adapter(config, _values(stored)), words["training"]
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ModelDamagedError(f"{path} is damaged ({exc}): get it again") from exc


def _values(stored: _Tensors) -> dict[str, NDArray[np.float32]]:
    tensors = {}
    for name, tensor in stored.items():
        if not name.endswith(_EXPONENTS):
            exponents, axis = stored.get(name + _EXPONENTS), rank_axis(name)
            if exponents is not None and axis is not None:
                tensor = _joined(tensor, exponents, axis)
            tensors[name] = tensor.astype(np.float32)
    return tensors


def _split(tensor: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return integers and, along an axis, the exponents of what one of them stands for."""
    top = np.abs(tensor).max(axis=1 - axis)
    share, exponents = np.frexp(np.maximum(top, 2.0**-100) / MOST_Q)
    exponents -= share == 0.5  # a power of two itself: what was rounded stays as it is
    unit = _along(np.ldexp(1.0, exponents), axis)
    return np.rint(tensor / unit).astype(np.int8), exponents.astype(np.int8)


def _joined(
    q: NDArray[np.generic], exponents: NDArray[np.generic], axis: int
) -> NDArray[np.float32]:
    unit = _along(np.ldexp(np.float32(1.0), exponents.astype(np.int32)), axis)
    return (q.astype(np.float32) * unit).astype(np.float32)


def _along(values: NDArray[np.floating], axis: int) -> NDArray[np.floating]:
    return values[:, None] if axis == 0 else values[None, :]


def _digest(words: dict[str, str], tensors: _Tensors) -> str:
    state = hashlib.sha256()
    for name in ("format", "config", "training"):
        state.update(f"{name} {words.get(name, '')}\n".encode())
    for name, tensor in sorted(tensors.items()):
        state.update(f"{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        state.update(tensor.tobytes())
    return state.hexdigest()
