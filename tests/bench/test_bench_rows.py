"""Rows in processes of their own: decoded and compared, absent, lying, ended."""

from __future__ import annotations

import os
from pathlib import Path

import fake_libraries
import pytest

from llmzip.bench import task
from llmzip.bench.rows import OTHERS, SHOWN
from llmzip.bench.running import Plan, run_rows
from llmzip.bench.task import RowError, Task, done_apart
from llmzip.bench.worker import answered

TEXT = b"Alice was beginning to get very tired of sitting by her sister on the bank. " * 30
NO_MODEL = Plan((), "")


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{before}".rstrip(os.pathsep))
    return tmp_path


def test_rows_come_back_with_all_figures() -> None:
    noted: list[str] = []
    found = run_rows(NO_MODEL, "alice", TEXT, noted.append)
    assert (found.absent, found.failed) == ({}, {})
    assert noted == [row.name for row in found.rows] == [OTHERS[name].name for name in SHOWN]
    for row in found.rows:
        assert row.level is None
        assert 0 < row.n_packed_bytes < len(TEXT) / 5
        assert min(row.compress_s, row.decompress_s) > 0
        assert row.n_runs > 1
        assert row.memory_bytes is None or 0 <= row.memory_bytes < 1 << 30


def test_one_that_lies_fails_and_one_that_is_absent_is_left_out(fakes: Path) -> None:
    fake_libraries.put(
        fakes,
        brotli=fake_libraries.LYING,
        zstandard=fake_libraries.ABSENT,
        pyppmd="import os; os.abort()",
    )
    found = run_rows(NO_MODEL, "alice", TEXT)
    assert [row.name for row in found.rows] == ["gzip -9", "bzip2 -9", "xz -9e"]
    assert found.absent == {"zstd -19": "needs the package zstandard: pip install 'llmzip[bench]'"}
    assert list(found.failed) == ["brotli -11", "ppmd -o12"]
    assert found.failed["brotli -11"] == "what came back is not what went in"
    assert "ended by signal 6" in found.failed["ppmd -o12"]


def test_names_are_those_that_rows_give_themselves() -> None:
    assert [row.opened().name for row in OTHERS.values()] == [row.name for row in OTHERS.values()]


def test_errors_of_all_kinds_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(error: Exception) -> None:
        raise error

    for error, words in [
        (MemoryError(), "not enough memory"),
        (RuntimeError("odd"), "RuntimeError: odd"),
        (OSError("full"), "full"),
    ]:
        monkeypatch.setattr("llmzip.bench.worker.measure", lambda *_, error=error: fails(error))
        assert answered(Task("gzip"), TEXT) == {"error": words}
    monkeypatch.setattr(task, "_CODE", 'print(\'{{"error": "no device"}}\') # {root}')
    with pytest.raises(RowError, match="no device"):
        done_apart(Task("gzip"), TEXT)
