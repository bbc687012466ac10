"""Compiled kernels are found again, and never used after a change of the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llmzip
from llmzip.compiled import kernel
from llmzip.compiled.folders import kernel_folders

PROGRAM = """
import numpy as np
from llmzip.exact.cpu.rows import quantise_rows
q, s = np.zeros((1, 3), dtype=np.int8), np.zeros(1, dtype=np.float32)
quantise_rows(np.array([[1, -1, 0.5]], dtype=np.float32), q, s)
print(q.tolist(), sum(quantise_rows.stats.cache_hits.values()))
"""


def run(source: Path) -> str:
    """What the program prints with the package at `source`."""
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    env["PYTHONPATH"] = str(source)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_kernels_are_kept_until_any_source_changes(tmp_path: Path) -> None:
    package = Path(llmzip.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "llmzip", ignore=ignored)
    assert run(tmp_path) == "[[127, -127, 64]] 0"
    assert run(tmp_path) == "[[127, -127, 64]] 1"
    scalars = tmp_path / "llmzip" / "exact" / "cpu" / "scalars.py"
    text = scalars.read_text(encoding="utf-8")
    halved = text.replace("return max(i32(top).view(np.float32), TINY)", "return f32(2.0)")
    assert halved != text
    scalars.write_text(halved, encoding="utf-8")
    assert run(tmp_path) == "[[64, -64, 32]] 0"


def _made_side_by_side(_: int) -> list[str]:
    def same(x: int) -> int:
        return x

    return [kernel(same).stats.cache_path for _ in range(100)]


def test_kernels_made_side_by_side_are_all_kept_in_the_folder() -> None:
    """Workers make engines, and some kernels with them, at once: none lands where it is run."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            paths = [path for own in pool.map(_made_side_by_side, range(4)) for path in own]
    finally:
        sys.setswitchinterval(interval)
    assert {Path(path) for path in paths} == {kernel_folders()[0]}
