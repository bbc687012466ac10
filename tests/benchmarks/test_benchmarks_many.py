"""benchmarks/many.py: a small run over a tiny model, whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from many import main  # noqa: E402

LICENSE = Path(__file__).parents[2] / "LICENSE"


def test_every_row_is_there(tiny_llama_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "many.md"
    sizes = ["--texts", "12", "--bytes", "90", "--level", "1", "3", "--runs", "1"]
    how = ["--model", str(tiny_llama_folder), "--device", "cpu", "--markdown", str(out)]
    table = main([str(LICENSE), *sizes, *how])
    assert out.read_text() == table
    for name in ("compress, one by one", "compress_many", "decompress_many"):
        assert table.count(f"| {name} |") == 2
    assert "12 texts of 90 bytes, level 3, cpu, " in table


def test_files_too_short_are_refused() -> None:
    with pytest.raises(SystemExit, match="texts of 200 bytes"):
        main([str(LICENSE)])
