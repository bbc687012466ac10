"""Where the kernels are tested: on a CUDA device, or else in Triton's interpreter on the CPU.

Import this before anything that imports Triton, whose own library is interpreted only if it was
imported so.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

INTERPRETED = not torch.cuda.is_available()
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
SEED = 1592653589

if INTERPRETED:
    assert "triton" not in sys.modules, "something imports Triton before these tests are collected"
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton", reason="Triton is for Linux alone")


def _patch_once() -> None:
    """Let the interpreter patch what a function finds of Triton's language unless that is done.

    It looks through all of the language for every function that a kernel inlines: a third of these
    tests' time.
    """
    from triton.runtime import interpreter

    patch = getattr(interpreter, "_patch_lang", None)
    if patch is None or not hasattr(interpreter, "_LangPatchScope"):
        return  # another release, which may do it otherwise
    language, patched = interpreter.tl, set[int]()

    def patch_lang(function: Any) -> Any:
        names = function.__globals__.values()
        found = {id(one) for one in names if one is language or one is language.core} - patched
        if not found:
            return SimpleNamespace(restore=lambda: None)
        scope = patch(function)
        restore = scope.restore

        def restore_all() -> None:
            restore()
            patched.difference_update(found)

        scope.restore = restore_all
        patched.update(found)
        return scope

    interpreter._patch_lang = patch_lang


if INTERPRETED:
    _patch_once()


def numbers(seed: int) -> np.random.Generator:
    """Random numbers for a test; what they are does not matter, only that both sides get them."""
    return np.random.default_rng(SEED + seed)


def same_bits(ours: torch.Tensor, expected: torch.Tensor) -> bool:
    """Are two tensors equal, 0.0 and -0.0 told apart?"""
    ours = ours.cpu()
    if ours.dtype == torch.float32 == expected.dtype:
        ours, expected = ours.view(torch.int32), expected.contiguous().view(torch.int32)
    return torch.equal(ours, expected)
