"""benchmarks/levels.py over a tiny model: every level decoded, a table and a picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_levels_are_measured_and_drawn(tiny_llama_folder: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "levels.json", tmp_path / "levels.png"
    command = [sys.executable, str(BENCHMARKS / "levels.py"), str(Path(__file__)), "--quick"]
    command += ["--levels", "2,5,9", "--model", str(tiny_llama_folder)]
    command += ["--json", str(outputs[0]), "--plots", str(outputs[1])]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (section,) = json.loads(outputs[0].read_text())["sections"]
    assert [row["row"] for row in section["results"]] == ["llmzip -2", "llmzip -5", "llmzip -9"]
    assert all(row["n_packed_bytes"] > 0 for row in section["results"])
    assert outputs[1].read_bytes().startswith(b"\x89PNG")
