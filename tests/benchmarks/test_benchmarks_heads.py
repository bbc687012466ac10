"""benchmarks/heads.py over a tiny model: a row for each vocabulary, the largest first."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import heads  # noqa: E402


def test_a_row_says_what_a_vocabulary_costs(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--layers", "1", "--width", "64", "--feed-forward", "64", "--rows", "16"]
    assert heads.main(["--sizes", "300,1200", "--rounds", "1", *tiny]) == 0
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| 1,200", "| 300"]
    assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}
    for row in rows:
        assert all(float(cell.replace(",", "")) >= 0 for cell in row.strip("| ").split(" | "))
