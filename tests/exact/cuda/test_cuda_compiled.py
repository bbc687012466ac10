"""What the compiler makes of the kernels: nothing contracted, flushed or approximate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCES = (HERE, HERE.parent.parent, HERE.parent.parent.parent / "src")
DIVIDING = {
    "embed_normalise",
    "normalise_rows",
    "quantise_rows",
    "split_rows",
    "project_heads",
    "activate_linear",
    "attend_rows",
    "attend_step",
    "add_normed",
    "whole_factors",
}
MULTIPLYING = {
    "project_heads",
    "whole_factors",
    "activate_linear",
    "add_linear",
    "attend_rows",
    "attend_step",
    "multiply",
}
HEAD = {
    "token_intervals",
    "block_sums",
    "find_tokens",
    "look_up",
    "store_frequencies",
    "subtract_probabilities",
}
ALL = DIVIDING | MULTIPLYING | HEAD

Counts = dict[str, list[dict[str, int]]]


@pytest.fixture(scope="module")
def compiled(kept_folder: Path) -> Counts:
    """Return the instruction counts of every kernel; in a process that does not interpret."""
    env = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    env["PYTHONPATH"] = os.pathsep.join([*map(str, SOURCES), env.get("PYTHONPATH", "")])
    env["TRITON_CACHE_DIR"] = str(kept_folder / "triton cache")
    done = subprocess.run(
        [sys.executable, str(HERE / "compile_kernels.py")],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts: Counts = json.loads(done.stdout)
    return counts


def test_every_kernel_compiles(compiled: Counts) -> None:
    assert set(compiled) == ALL


def test_nothing_is_contracted_flushed_or_approximate(compiled: Counts) -> None:
    for name, versions in compiled.items():
        for counts in versions:
            unwanted = {key: counts[key] for key in ("contracted", "flushed", "approximate")}
            assert not any(unwanted.values()), (name, unwanted)


def test_divisions_and_roots_round_once(compiled: Counts) -> None:
    for name in DIVIDING:
        assert all(counts["divisions"] for counts in compiled[name]), name
    for name in ("embed_normalise", "normalise_rows", "add_normed"):
        roots = {counts["roots"] for counts in compiled[name]}
        assert 1 in roots, name
        assert roots <= {0, 1}, name  # none where a stream is taken in as it is


def test_products_run_on_the_tensor_cores(compiled: Counts) -> None:
    for name in MULTIPLYING:
        assert all(counts["tensor cores"] for counts in compiled[name]), name
