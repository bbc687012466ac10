"""benchmarks/adaptation.py over a tiny model: the same text with and without learning."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import adaptation  # noqa: E402

LINES = b"".join(b"status: installed package-%d\n" % (i % 7) for i in range(40))


def test_repeated_lines_are_learnt(
    tmp_path: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, table = tmp_path / "log", tmp_path / "out.md"
    text.write_bytes(LINES)
    options = ["--sizes", "300,9999999", "--model", str(tiny_llama_folder), "--device", "cpu"]
    assert adaptation.main([str(text), *options, "--markdown", str(table)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| log")]
    assert [row.split(" | ")[1] for row in rows] == ["300", f"{len(LINES):,}"]
    assert len(table.read_text(encoding="utf-8")) > 0


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert adaptation.main([str(tmp_path / "empty")]) == 1
