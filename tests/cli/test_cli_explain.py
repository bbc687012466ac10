"""`llmzip explain`: pages, figures, pictures and the terminal; texts, files of them, and two."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_runner import NOISE, fails, llmzip, succeeds

import llmzip as library
from llmzip.cli.settings import Settings
from llmzip.cli.subjects import Text, _name_of
from llmzip.container import ModelRef
from llmzip.container.catalog import LOCAL_SOURCE
from llmzip.errors import UsageError
from tiny_files import Tiny

TEXT = b"It was the best of times,\nit was the worst of times.\n\nIt was \x1b[31m odd\r\n"


@pytest.fixture(scope="module")
def model(llama: Tiny) -> str:
    """A model that is prepared, which nobody needs to be told."""
    return llama.name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {
        "a.txt": TEXT,
        "b.txt": TEXT.replace(b"best", b"rest"),
        "noise": NOISE,
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def explain(*arguments: str | Path, model: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    return llmzip("explain", "-1", "-m", model, *arguments, **how)


def figures(*arguments: str | Path, **how: Any) -> Any:
    return json.loads(succeeds(explain("--json", *arguments, **how)))


def test_a_page_is_written_beside_the_text_and_nothing_is_overwritten(
    folder: Path, model: str
) -> None:
    assert succeeds(explain("a.txt", model=model, cwd=folder)) == b""
    page = (folder / "a.txt.html").read_bytes()
    assert page.startswith(b"<!DOCTYPE html>")
    assert b"http://" not in page.replace(b"http://www.w3.org/2000/svg", b"")
    assert "exists; use -f" in fails(explain("a.txt", model=model, cwd=folder))
    (folder / "a.txt.html").write_bytes(b"old")
    succeeds(explain("-f", "a.txt", model=model, cwd=folder))
    assert (folder / "a.txt.html").read_bytes() == page
    assert succeeds(explain("-c", "a.txt", model=model, cwd=folder)) == page
    named = succeeds(explain(model=model, input=TEXT))
    assert named.replace(b"<title>-", b"<title>a.txt")[:600].startswith(page[:100])


def test_figures_are_those_of_the_library(folder: Path, model: str) -> None:
    found = figures("a.txt", model=model, cwd=folder)
    own = library.explain(TEXT, 1, model=model)
    assert isinstance(own, library.Explanation)
    assert found["bits"] == own.total_bits
    assert found["file_bytes"] == own.n_file_bytes == len(library.compress(TEXT, 1, model=model))
    assert [one["bits"] for one in found["each_token"]] == own.tokens.bits.tolist()
    assert [one["text"] for one in found["each_token"]] == list(own.spelt)
    assert set(found["sizes"]) >= {"gzip -9", "xz -9e"}


def test_a_compressed_file_is_explained_as_its_text(folder: Path, model: str) -> None:
    packed = library.compress(TEXT, 3, model=model)
    (folder / "a.llmz").write_bytes(packed)
    found = figures("a.llmz", model=model, cwd=folder)
    own = library.explain(TEXT, 3, model=model)
    assert (found["file_bytes"], found["bits"]) == (len(packed), own.total_bits)
    (folder / "bad.llmz").write_bytes(packed[:-9])
    assert "bad.llmz" in fails(explain("bad.llmz", model=model, cwd=folder))
    assert not (folder / "bad.llmz.html").exists()


def test_the_terminal_shows_it_without_being_steered(folder: Path, model: str) -> None:
    plain = succeeds(explain("--term", "a.txt", model=model, cwd=folder)).decode()
    assert "\x1b" not in plain
    assert "\\x1b" in plain
    coloured = succeeds(
        explain("--term", "a.txt", model=model, cwd=folder, env={"FORCE_COLOR": "1"})
    ).decode()
    assert "\x1b[" in coloured
    assert "\x1b[31m odd" not in coloured


def test_a_model_from_a_folder_is_named_by_whoever_explains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, local = Settings(), ModelRef("tiny", LOCAL_SOURCE, bytes(6))
    monkeypatch.delenv("LLMZIP_MODEL", raising=False)
    assert _name_of(ModelRef("smollm2-135m", "wheel", bytes(6)), settings) == "smollm2-135m"
    with pytest.raises(UsageError, match="a folder or file of whoever made it: give that with -m"):
        _name_of(local, settings)
    assert _name_of(local, replace(settings, models=("here",))) is None
    monkeypatch.setenv("LLMZIP_MODEL", "there")
    assert _name_of(local, settings) is None
    assert Text(b"", settings, None).compressor(None)._name == "there"


def test_two_texts_are_compared(folder: Path, model: str) -> None:
    found = figures("a.txt", "b.txt", model=model, cwd=folder)
    second = found["comparison"]["second"]
    assert (found["file"], second["file"]) == ("a.txt", "b.txt")
    apart = [one for one in found["comparison"]["stretches"] if not one["aligned"]]
    places = [found["each_token"][one["first"][0]]["offset"] for one in apart]
    assert places
    assert all(TEXT.index(b"best") - 2 <= at < TEXT.index(b" of") for at in places)
    succeeds(explain("-o", "both.html", "a.txt", "b.txt", model=model, cwd=folder))
    assert b'id="colouring"' in (folder / "both.html").read_bytes()


def test_two_models_are_compared(folder: Path, model: str, tiny_gpt2_folder: Path) -> None:
    library.score(b"prepared", 1, model=str(tiny_gpt2_folder))
    found = figures("-m", tiny_gpt2_folder, "a.txt", model=model, cwd=folder)
    assert (found["model"], found["comparison"]["second"]["model"]) == (
        Path(model).name,
        tiny_gpt2_folder.name,
    )
    assert found["comparison"]["same_text"]


def test_the_curve_is_drawn(folder: Path, model: str) -> None:
    drawn = ("--svg", "curve.svg", "--png", "curve.png")
    assert succeeds(explain(*drawn, "a.txt", model=model, cwd=folder)) == b""
    assert (folder / "curve.svg").read_bytes().startswith(b"<?xml")
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder / "a.txt.html").exists()
    succeeds(explain("-o", "pages/", "a.txt", model=model, cwd=folder))
    assert (folder / "pages" / "a.txt.html").exists()


def test_what_is_no_text_is_shown_as_such(folder: Path, model: str) -> None:
    found = figures("noise", model=model, cwd=folder)
    assert (found["tokens"], found["scored_bytes"], found["bits_per_byte"]) == (0, 0, None)
    assert found["unscored"] == [{"offset": 0, "bytes": len(NOISE), "text": None}]
    assert figures(model=model, input=b"")["bytes"] == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a.txt", "b.txt", "noise"), "3 files"),
        (("-m", "one", "-m", "two", "a.txt"), "3 models"),
        (("-m", "one", "a.txt", "b.txt"), "two files and two models"),
        (("--json", "--term", "a.txt"), "contradict"),
        (("-", "-"), "read only once"),
        (("absent.txt",), "absent.txt"),
        (("-o", "."), "give one with -o FILE"),
        (("-o", "a.txt", "a.txt"), "both input and output"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    folder: Path, model: str, arguments: tuple[str, ...], reason: str
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    assert reason in fails(explain(*arguments, model=model, cwd=folder, input=b""))
    assert sorted(path.name for path in folder.iterdir()) == before
