"""Files that are wrong, each in its way: refused in the words that are pinned, and cheaply."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import bad_files
import pytest

import llmzip

DRIVER = Path(__file__).with_name("refusal_driver.py")
REFUSALS: dict[str, list[str]] = json.loads(bad_files.REFUSALS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", bad_files.names())
def test_each_is_refused_in_its_words(name: str) -> None:
    assert bad_files.refusal(bad_files.load(bad_files.GOLDEN / f"{name}.hex")) == REFUSALS[name]


@pytest.mark.parametrize("name", bad_files.new_files())
def test_each_is_made_as_it_is_kept(name: str) -> None:
    assert bad_files.load(bad_files.GOLDEN / f"{name}.hex") == bad_files.new_files()[name][2]


def test_each_has_words_of_its_own_and_none_is_forgotten() -> None:
    assert set(REFUSALS) == set(bad_files.names())
    assert len(REFUSALS) >= 100
    assert len({words for _, words in REFUSALS.values()}) >= 70
    assert {error for error, _ in REFUSALS.values()} == {
        "CorruptError",
        "NotLlmzError",
        "TruncatedError",
        "UnsupportedError",
    }


def test_the_command_line_refuses_each_in_one_line_without_a_heavy_library(tmp_path: Path) -> None:
    paths = []
    for name in bad_files.names():
        paths.append(tmp_path / f"{name}.llmz")
        paths[-1].write_bytes(bad_files.load(bad_files.GOLDEN / f"{name}.hex"))
    environment = {**os.environ, "PYTHONPATH": str(Path(llmzip.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, str(DRIVER), *map(str, paths)],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    told = json.loads(done.stdout)
    assert told["heavy"] == []
    assert [one["name"] for one in told["files"]] == bad_files.names()
    for one in told["files"]:
        error, words = REFUSALS[one["name"]]
        assert one["status"] == 1, (error, one)
        assert one["said"].count("\n") == 1
        assert words in one["said"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # no output, nothing temporary
