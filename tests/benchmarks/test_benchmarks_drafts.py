"""benchmarks/drafts.py over a tiny model: the same text without drafts and with them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import drafts  # noqa: E402
from llmzip.codec import Stats  # noqa: E402
from llmzip.exact.cpu.engine import CpuEngine  # noqa: E402

LINES = b"status: installed package\n" * 40


def decoded(*_: object) -> Stats:
    """What was measured of 100 tokens, 20 a second without drafts and 50 with them."""
    if CpuEngine.step_costs is None:
        return Stats(n_tokens=100, seconds=6.0, opening_seconds=1.0)
    return Stats(100, n_tokens=100, seconds=2.0, n_drafted=80, n_drafts_taken=60)


def test_a_row_says_what_drafts_gain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "log"
    text.write_bytes(LINES)
    monkeypatch.setattr(drafts, "_packed", lambda *_: (b"", 3))
    monkeypatch.setattr(drafts, "_decoded", decoded)
    assert drafts.main([str(text), "--repeat", "2"]) == 0
    head, _, row = capsys.readouterr().out.splitlines()
    assert row == f"| log | {len(LINES):,} | 100 | 3 | 20 | 50 | 2.50 | 75 % |"
    assert head.count("|") == row.count("|")


def test_a_text_that_is_not_the_models_is_told_of(
    tmp_path: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "log"
    text.write_bytes(LINES)
    assert drafts.main([str(text), "--model", str(tiny_llama_folder)]) == 1
    assert "nothing of it is the model's" in capsys.readouterr().err


def test_a_file_that_is_missing_is_told_of(tmp_path: Path) -> None:
    assert drafts.main([str(tmp_path / "none")]) == 1
