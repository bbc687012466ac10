"""`llmzip bench`: tables, JSON and a page; rows that lie or are absent; what is refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from cli_runner import SOURCE_ROOT, fails, llmzip, names_in, succeeds

from tiny_files import Tiny

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import fake_libraries

TEXT = b"It was the best of times, it was the worst of times, it was the age of wisdom.\n" * 8


@pytest.fixture(scope="module")
def model(llama: Tiny) -> str:
    """A model that is prepared, which nobody needs to be told."""
    return llama.name


def with_modules(folder: Path, **modules: str) -> dict[str, str]:
    folder.mkdir()
    return {
        "PYTHONPATH": os.pathsep.join([fake_libraries.put(folder, **modules), str(SOURCE_ROOT)])
    }


def test_json_has_every_figure_and_a_page_is_written(tmp_path: Path, model: str) -> None:
    env = with_modules(tmp_path / "fakes", zstandard=fake_libraries.ABSENT)
    how = ("--json", "--html", "page.html", "--levels", "1", "-T1")
    result = llmzip("bench", "-m", model, *how, "-", input=TEXT, cwd=tmp_path, env=env)
    assert result.returncode == 0
    (line,) = result.stderr.decode().splitlines()
    assert "zstd -19" in line
    assert "pip install 'llmzip[bench]'" in line
    (found,) = json.loads(result.stdout)
    names = ["gzip -9", "bzip2 -9", "xz -9e", "brotli -11", "ppmd -o12", "llmzip -1"]
    assert [row["row"] for row in found["rows"]] == names
    assert [row["level"] for row in found["rows"]] == [None] * 5 + [1]
    assert list(found["absent"]) == ["zstd -19"]
    assert (found["file"], found["bytes"], found["model"], found["failed"]) == (
        *("-", len(TEXT), model),
        {},
    )
    weights = Path(model) / "model.safetensors"
    assert found["model_bytes"] >= weights.stat().st_size
    assert {"processor", "cpus", "llmzip", "model"} <= found["machine"].keys()
    (even,) = found["break_even"]
    assert (even["row"], even["model_bytes"]) == ("llmzip -1", found["model_bytes"])
    for row in found["rows"]:
        assert row["bits_per_byte"] == 8 * row["compressed_bytes"] / len(TEXT)
        assert row["compress_bytes_per_second"] == len(TEXT) / row["compress_seconds"]
    ours = found["rows"][-1]
    if ours["memory_bytes"] is not None:
        assert ours["memory_bytes"] > 10 * found["rows"][0]["memory_bytes"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "llmzip -1" in page


def test_a_row_that_lies_is_no_row_and_the_status_says_so(tmp_path: Path, model: str) -> None:
    env = with_modules(tmp_path / "fakes", brotli=fake_libraries.LYING, torch=fake_libraries.ABSENT)
    env["LLMZIP_WAY"] = "plain"  # which computes by torch
    (tmp_path / "a.txt").write_bytes(TEXT)
    result = llmzip("bench", "-1", "-m", model, "a.txt", cwd=tmp_path, env=env)
    assert result.returncode == 1
    assert result.stderr.decode().splitlines() == [
        "llmzip: a.txt: brotli -11: what came back is not what went in",
        "llmzip: a.txt: llmzip -1: No module named 'torch'",
    ]
    title, headings, *rows = result.stdout.decode().splitlines()
    assert title == f"a.txt: {len(TEXT):,} bytes"
    assert headings.split() == [
        *("BYTES", "RATIO", "BITS/BYTE", "COMPRESS", "DECOMPRESS", "MEMORY", "BY")
    ]
    assert [" ".join(row.split()[-2:]) for row in rows[:5]] == [
        *("gzip -9", "bzip2 -9", "xz -9e", "zstd -19", "ppmd -o12")
    ]
    assert "start-up is in none" in result.stdout.decode()


def test_what_cannot_be_measured_is_said_in_a_line(tmp_path: Path, model: str) -> None:
    (tmp_path / "empty").touch()
    by = ("bench", "-m", model)
    fails(llmzip(*by, "empty", cwd=tmp_path), "empty is empty: there is nothing to measure")
    fails(llmzip(*by, "missing", cwd=tmp_path), "missing: No such file or directory")
    fails(llmzip(*by, input=b""), "standard input is empty")
    fails(llmzip("bench", "-m", tmp_path / "none", "empty", cwd=tmp_path), "none")
    fails(llmzip(*by, "--levels", "1,0", "empty", cwd=tmp_path), "'0' is no level")
    result = llmzip(*by, "--json", "--html", "page", "empty", cwd=tmp_path)
    assert result.returncode == 1
    assert json.loads(result.stdout) == [
        {"file": "empty", "error": "empty is empty: there is nothing to measure"}
    ]
    assert names_in(tmp_path) == ["empty"]


def test_a_page_replaces_nothing_unasked(tmp_path: Path, model: str) -> None:
    (tmp_path / "text").write_bytes(TEXT)
    (tmp_path / "page").write_bytes(b"kept")
    by = ("bench", "-m", model, "text", "--html")
    fails(llmzip(*by, "page", cwd=tmp_path), "page exists; use -f")
    fails(llmzip(*by, "text", "-f", cwd=tmp_path), "text is both input and output")
    fails(llmzip(*by, ".", cwd=tmp_path), "is a folder")
    fails(llmzip(*by, "-", cwd=tmp_path), "--html names the file")
    assert (tmp_path / "page").read_bytes() == b"kept"


def test_help_has_an_example() -> None:
    text = succeeds(llmzip("bench", "--help")).decode()
    assert "--html page.html book.txt" in " ".join(text.split())
