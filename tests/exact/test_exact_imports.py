"""What needs no model imports none of the heavy libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import llmzip
from llmzip.exact.cpu.ways import WAY_VARIABLE, Way
from llmzip.predict import devices
from tiny_files import Tiny
from ways import every_way

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


@every_way
@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("verb", ["compress", "decompress"])
def test_a_prepared_model_is_run_without_torch(
    tiny_team_folder: Path, device: str, verb: str, way: Way
) -> None:
    if way is Way.PLAIN:
        pytest.skip("the way plain computes by torch")
    if device == "auto" and devices._has_driver():
        pytest.skip("torch is asked for the device whose driver is here")
    model, text = str(tiny_team_folder), Tiny.prepare(tiny_team_folder).foreseen(80)
    given = text if verb == "compress" else llmzip.compress(text, model=model)
    program = (
        "import sys, llmzip; "
        f"llmzip.{verb}({given!r}, model={model!r}, device={device!r}); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, WAY_VARIABLE: str(way)},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    assert set(done.stdout.split()).isdisjoint({"torch", "transformers", "safetensors"})
    assert "numba" in done.stdout.split()
