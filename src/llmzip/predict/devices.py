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


def why_no_cuda() -> str | None:
    """What keeps torch from CUDA here, in a few words; None where nothing does."""
    if not _may_have_cuda():
        return f"no driver ({_DRIVER} is not found)"
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return f"a driver is there, but torch {torch.__version__} is built without CUDA"
    return f"torch {torch.__version__} finds no device, or needs a newer driver"


def _has_cuda() -> bool:
    if not _may_have_cuda():
        return False
    import torch

    return torch.cuda.is_available()


def _may_have_cuda() -> bool:
    return _ROCM.exists() or _has_driver()


def _has_driver() -> bool:
    """Whether the library is there without which torch finds no device."""
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True
