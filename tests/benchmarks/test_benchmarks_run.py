"""benchmarks/run.py: every row is decoded and compared, figures agree with each other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from llmzip.bench import classical  # noqa: E402
from llmzip.bench.measure import Result, RoundTripError, measure  # noqa: E402
from llmzip.bench.numbers import number  # noqa: E402
from pages import BEGIN, END, filled  # noqa: E402
from run import main  # noqa: E402
from table import markdown_table  # noqa: E402

TEXT = b"Alice was beginning to get very tired of sitting by her sister on the bank. " * 20


def run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_rows_over_a_tiny_model(tiny_llama_folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(TEXT)
    out, tables = tmp_path / "out.json", tmp_path / "out.md"
    options = ["--prefix-bytes", "150", "--repeat", "2", "--threads", "1", "--device", "cpu"]
    result = run_script(
        text, *options, "--model", tiny_llama_folder, "--json", out, "--markdown", tables
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["absent"] == {}
    whole, prefix = report["sections"]
    assert len(whole["results"]) == 8
    assert [row["n_bytes"] for row in whole["results"]] == [len(TEXT)] * 8
    assert [row["row"] for row in prefix["results"]] == [
        "llmzip",
        "float (transformers)",
        "constriction",
    ]
    check_sizes(prefix["results"])
    for row in whole["results"] + prefix["results"]:
        assert f"| {row['row']} |" in tables.read_text(encoding="utf-8")


def check_sizes(rows: list[dict[str, Any]]) -> None:
    """A random model takes about its cross-entropy, in any coder, or gives way to LZMA."""
    ours, theirs, constriction = rows
    assert constriction["n_packed_bytes"] >= constriction["model_bits"] / 8
    assert constriction["n_packed_bytes"] <= 1.001 * constriction["model_bits"] / 8 + 16
    assert ours["n_packed_bytes"] <= ours["n_bytes"] + 64
    assert theirs["n_packed_bytes"] <= theirs["n_bytes"] + 64


def test_a_library_that_is_not_there_is_a_note_and_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, out = tmp_path / "text", tmp_path / "out.json"
    text.write_bytes(TEXT)
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert main([str(text), "--quick", "--only", "xz,brotli", "--json", str(out)]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [row["row"] for row in report["sections"][0]["results"]] == ["xz -9e"]
    assert list(report["absent"]) == ["brotli"]
    assert "brotli: not measured" in capsys.readouterr().err


def test_a_row_that_gives_back_other_bytes_is_refused() -> None:
    broken = classical.Classical("broken", lambda data: data[:-1], lambda packed: packed)
    with pytest.raises(RoundTripError, match="broken: what came back is not what went in"):
        measure(broken, TEXT, 1)


def test_a_codec_whose_output_changes_from_run_to_run_is_refused() -> None:
    counter = iter(range(1_000_000))
    moody = classical.Classical(
        "moody", lambda data: data + next(counter).to_bytes(4, "little"), lambda packed: packed[:-4]
    )
    with pytest.raises(RoundTripError, match="different results"):
        measure(moody, TEXT, 2)


def test_figures_of_a_result() -> None:
    result = Result("x", 1000, 250, 0.5, 2.0, 1800.0, 1)
    assert result.bits_per_byte == 2.0
    assert result.model_bits_per_byte == 1.8
    assert result.compress_kb_per_s == 2.0
    assert result.decompress_kb_per_s == 0.5


def test_an_unknown_row_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert main([str(empty), "--only", "xz"]) == 1
    with pytest.raises(SystemExit, match="2"):
        main([str(empty), "--only", "arj"])


def test_markdown() -> None:
    assert markdown_table(["", "n"], [["a", "1"]]) == "|  | n |\n| --- | ---: |\n| a | 1 |"
    values = (0.01234, 1.234, 12.34, 1234.5)
    assert [number(value) for value in values] == ["0.012", "1.23", "12.3", "1,234"]


PAGES = [Path(__file__).parents[2] / name for name in ("README.md", "docs/FIGURES.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_a_place_for_tables(page: Path) -> None:
    once = filled(page.read_text(encoding="utf-8"), ["a table"])
    assert f"{BEGIN}\n\na table\n\n{END}" in once
    assert len(once) < page.stat().st_size


def test_tables_go_between_the_marks_of_a_page() -> None:
    text = f"a\n{BEGIN}\nold\n{END}\nb\n"
    once = filled(text, ["one", "two"])
    assert once == f"a\n{BEGIN}\n\none\n\ntwo\n\n{END}\nb\n"
    assert filled(once, ["one", "two"]) == once
    with pytest.raises(ValueError, match="figures"):
        filled("no marks", ["one"])
