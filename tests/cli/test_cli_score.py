"""`llmzip score`: tables, lines, JSON and CSV; what is no text, and what cannot be read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cli_runner import NOISE, fails, llmzip, succeeds

import llmzip as library
from tiny_files import Tiny

TEXT = b"It was the best of times,\nit was the worst of times.\n\nIt was \xff odd\r\n"


@pytest.fixture(scope="module")
def model(llama: Tiny) -> str:
    """A model that is prepared, which nobody needs to be told."""
    return llama.name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {"a.txt": TEXT, "b.txt": TEXT[:30], "noise": NOISE, "empty": b""}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.txt").write_bytes(TEXT)
    return tmp_path


def objects(*arguments: str | Path, **how: Any) -> Any:
    return json.loads(succeeds(llmzip("score", "--json", *arguments, **how)))


def test_a_table_has_a_row_a_file_and_a_total(folder: Path, model: str) -> None:
    files = ("a.txt", "noise", "empty", "sub/c.txt")
    shown = succeeds(llmzip("score", "-1", "-m", model, *files, cwd=folder)).decode()
    heading, first, noise, empty, same, total = shown.splitlines()
    assert heading.split()[-2:] == ["MODEL", "FILE"]
    score = library.score(TEXT, 1, model=model)
    assert first.split()[:2] == [f"{score.bits_per_byte:.4f}", f"{score.bits_per_token:.4f}"]
    assert first.split()[:-1] == same.split()[:-1]
    assert noise.split()[:4] == empty.split()[:4] == ["-"] * 4
    assert noise.split()[7] == "3,000"
    assert total.endswith("4 files")
    assert total.split()[:2] == first.split()[:2]


def test_json_and_csv_say_what_the_library_does(folder: Path, model: str) -> None:
    by = ("-m", model, "-1")
    (found,) = objects(*by, "-", input=TEXT)
    score = library.score(TEXT, 1, model=model)
    assert score.model is not None
    assert found == {
        "file": "-",
        "model": model,
        "fingerprint": score.model.fingerprint.hex(),
        "bytes": len(TEXT),
        "scored_bytes": len(TEXT),
        "other_bytes": score.n_other_bytes,
        "characters": len(TEXT),
        "tokens": score.n_tokens,
        "bits": score.total_bits,
        "bits_per_byte": score.bits_per_byte,
        "bits_per_token": score.bits_per_token,
        "bits_per_character": score.bits_per_character,
        "perplexity": score.perplexity,
    }
    table = succeeds(llmzip("score", "--csv", *by, "a.txt", "empty", cwd=folder)).decode()
    first, empty = csv.DictReader(io.StringIO(table))
    assert {**found, "file": "a.txt"} == {
        name: type(found[name])(value) for name, value in first.items()
    }
    assert (empty["bits"], empty["perplexity"], empty["fingerprint"]) == ("0.0", "", "")


def test_lines_come_to_the_whole(folder: Path, model: str) -> None:
    by = ("-m", model, "-1")
    (found,) = objects("--per-line", *by, "a.txt", cwd=folder)
    lines = found["lines"]
    assert [line["text"] for line in lines] == [
        "It was the best of times,",
        "it was the worst of times.",
        "",
        "It was \udcff odd",
    ]
    assert sum(line["bytes"] for line in lines) == len(TEXT)
    assert sum(line["bits"] for line in lines) == pytest.approx(found["bits"])
    table = succeeds(llmzip("score", "--csv", "--per-line", *by, "a.txt", cwd=folder))
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8", "surrogateescape"))))
    assert [row["text"] for row in rows] == [line["text"] for line in lines]
    assert [float(row["bits"]) for row in rows] == [line["bits"] for line in lines]
    heading, *shown = succeeds(llmzip("score", "--per-line", *by, "a.txt", cwd=folder)).split(
        b"\n"
    )[:-1]
    assert heading.split() == [b"BITS/BYTE", b"BITS", b"LINE", b"TEXT"]
    assert shown[-1].endswith(b"It was \\xff odd")
    assert [float(row.split()[1]) for row in shown] == [
        pytest.approx(line["bits"], abs=1e-4) for line in lines
    ]


def test_models_stand_side_by_side(folder: Path, model: str, gpt2: Tiny) -> None:
    models = ("-m", model, "-m", gpt2.name, "-1")
    found = objects(*models, "a.txt", "b.txt", cwd=folder)
    assert [(one["file"], one["model"]) for one in found] == [
        (file, one) for file in ("a.txt", "b.txt") for one in (model, gpt2.name)
    ]
    rows = succeeds(llmzip("score", *models, "a.txt", "b.txt", cwd=folder)).decode().splitlines()
    assert len(rows) == 1 + 4 + 2
    shown = succeeds(llmzip("score", "--per-line", *models, "a.txt", "b.txt", cwd=folder))
    lines = shown.decode().splitlines()
    assert lines[0].split() == ["BITS/BYTE", "BITS", "LINE", "MODEL", "FILE", "TEXT"]
    assert [line[:40].split()[2] for line in lines[1:7]] == ["1", "1", "2", "2", "3", "3"]
    by_variable = succeeds(
        llmzip("score", "-1", "b.txt", cwd=folder, env={"LLMZIP_MODEL": gpt2.name})
    )
    assert gpt2.name.encode() in by_variable


def test_what_cannot_be_read_is_said_and_the_rest_is_scored(folder: Path) -> None:
    fails(llmzip("score", "sub", cwd=folder), "sub is a folder; use -r")
    fails(llmzip("score", "missing", cwd=folder), "missing: No such file or directory")
    fails(llmzip("score", "-m", folder / "none", "a.txt", cwd=folder), "no folder or file", "none")
    fails(llmzip("score", "--json", "--csv", "noise", cwd=folder), "--json and --csv")
    fails(llmzip("score", "--float", "noise", cwd=folder), "--float is for compress, not for score")
    result = llmzip("score", "--json", "missing", "noise", cwd=folder)
    assert result.returncode == 1
    missing, noise = json.loads(result.stdout)
    assert missing == {"file": "missing", "error": "missing: No such file or directory"}
    assert (noise["tokens"], noise["bits_per_byte"], noise["other_bytes"]) == (0, None, len(NOISE))


def test_files_in_folders_but_compressed_ones(folder: Path, model: str) -> None:
    (folder / "sub" / "d.txt.llmz").write_bytes(b"whatever")
    found = objects("-1", "-q", "-m", model, "-r", "sub", cwd=folder)
    assert [one["file"] for one in found] == ["sub/c.txt"]
