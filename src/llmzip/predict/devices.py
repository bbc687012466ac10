"""Which device a model runs on.

Importing torch takes seconds: it is asked only where it may say yes.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from llmzip.errors import DeviceError

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_ROCM = Path("/dev/kfd")  # torch calls AMD's devices CUDA, too


def choose_device(name: str) -> str:
    """ "cpu" or "cuda", by that name; "auto" takes CUDA where there is one. Raises DeviceError."""
    if name == "cpu":
        return "cpu"
    if _has_cuda():
        return "cuda"
    if name == "auto":
        return "cpu"
    raise DeviceError("no CUDA device here that torch can use; use --device cpu")


def _has_cuda() -> bool:
    if not (_ROCM.exists() or _has_driver()):
        return False
    import torch

    return torch.cuda.is_available()


def _has_driver() -> bool:
    """Whether the library is there without which torch finds no device."""
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True
