"""What needs no model imports none of the heavy libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import llmzip

HEAVY = {"torch", "transformers", "numba", "tokenizers", "safetensors", "huggingface_hub"}
ROOMS = ["cli", "cli.main", "coder", "container", "errors", "exact", "models", "predict"]
LIGHT = ["llmzip", *(f"llmzip.{room}" for room in ROOMS)]


@pytest.mark.parametrize("module", LIGHT)
def test_importing_does_not_import_what_is_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(llmzip.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()).isdisjoint(HEAVY)
