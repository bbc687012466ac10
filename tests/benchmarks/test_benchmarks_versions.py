"""benchmarks/versions.py: everything comes back, and the table says what was made of it."""

from __future__ import annotations

import random
import sys
from itertools import pairwise
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import versions  # noqa: E402


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text"
    chance = random.Random(1)
    path.write_text("".join(f"{chance.randrange(10**30)}\n" for _ in range(90)))
    return path


def test_the_table(text: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--bytes", "400", "--versions", "2", "--changed", "0.1", "--noise", "3000"]
    assert versions.main([str(text), *options, "--model", str(tiny_llama_folder)]) == 0
    out = capsys.readouterr().out
    for row in ("the first version", "2 versions", "the last version, --patch-from the one before"):
        assert f"| {row} |" in out
    assert "| noise, twice | 6,000 |" in out
    assert "--patch-from: " in out


def test_without_a_model(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert versions.main([str(text), "--bytes", "2000", "--versions", "9", "--find-only"]) == 0
    first, together = capsys.readouterr().out.splitlines()
    assert " 0 copies" in first
    assert " left by " in together


def test_lines_change_and_no_others(text: Path) -> None:
    made = versions.versions(text.read_bytes(), 1500, 4, 0.1)
    lines = [version.splitlines() for version in made]
    assert len({len(one) for one in lines}) == 1
    for before, after in pairwise(lines):
        n_changed = sum(a != b for a, b in zip(before, after, strict=True))
        assert 0 < n_changed < len(before) // 3


def test_too_short_a_text(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert versions.main([str(text), "--bytes", "99999"]) == 1
    assert "more than --bytes" in capsys.readouterr().err
