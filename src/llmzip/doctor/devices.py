"""Whether there is a device that would be faster than the processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

from llmzip.doctor.findings import Finding, State
from llmzip.predict.devices import why_no_cuda

DEVICE_VARIABLE = "LLMZIP_DEVICE"


def look() -> Iterator[Finding]:
    """Yield whether CUDA and triton are there. Imports torch where a driver is."""
    reason = why_no_cuda()
    if reason is None:
        yield Finding("CUDA", _name())
        yield _triton()
    elif os.environ.get(DEVICE_VARIABLE) == "cuda":
        yield Finding("CUDA", f"no: {reason}", State.WRONG, f"unset {DEVICE_VARIABLE}")
    else:
        is_usable = "built without" not in reason
        advice = "" if is_usable else "install a build of torch for CUDA (pytorch.org says which)"
        yield Finding("CUDA", f"no: {reason}", State.NOTE if advice else State.OK, advice)


def _name() -> str:
    import torch

    return f"{torch.cuda.get_device_name()}, by torch {torch.__version__}"


def _triton() -> Finding:
    if find_spec("triton") is not None:
        return Finding("kernels for CUDA", "triton's")
    value = "none without triton: torch alone computes the same, many times slower"
    return Finding("kernels for CUDA", value, State.NOTE, "pip install 'llmzip[cuda]'")
