"""benchmarks/startup.py: one run of each over a tiny model, against itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from startup import HERE, main  # noqa: E402


def test_every_row_is_there(tiny_team_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(tiny_team_folder), "--runs", "1", "--against", str(HERE)]) == 0
    table = capsys.readouterr().out
    for work in ("compress", "decompress", "message encode", "message decode, dictionary"):
        for name in ("this", HERE.name):
            assert f"| {work} | {name} |" in table


def test_what_fails_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "./no such folder", "--runs", "1"]) == 1
    assert "no such folder" in capsys.readouterr().err
