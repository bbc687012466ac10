"""benchmarks/folder.py: a small run over a tiny model, whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from folder import main  # noqa: E402

LICENSE = Path(__file__).parents[2] / "LICENSE"


def test_every_row_is_there(tiny_llama_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "folder.md"
    sizes = ["--files", "6", "--bytes", "300", "--alone", "2"]
    how = ["--model", str(tiny_llama_folder), "--device", "cpu", "--markdown", str(out)]
    table = main([str(LICENSE), *sizes, *how])
    assert out.read_text() == table
    for name, n_files in (("compress, llmzip -r", 6), ("decompress, a command each", 2)):
        assert f"| {name} | {n_files} |" in table


def test_files_too_short_are_refused() -> None:
    with pytest.raises(SystemExit, match="texts of 1000 bytes"):
        main([str(LICENSE)])
