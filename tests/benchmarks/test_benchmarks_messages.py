"""benchmarks/messages.py: every message comes back, and the table says what was made of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import messages  # noqa: E402


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines"
    records = ({"id": i * 7919 % 1000, "state": "ready" * (i % 3)} for i in range(90))
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_table(
    lines: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--train", "80", "--count", "3", "--model", str(tiny_llama_folder)]
    assert messages.main([str(lines), *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 messages of ")
    for row in ("llmzip -5", "llmzip -5 --dict", "zstd -19", "zstd -19, trained dictionary"):
        assert f"| {row} |" in out


def test_too_few_lines(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert messages.main([str(lines), "--train", "90"]) == 1
    assert "too few lines" in capsys.readouterr().err
