"""--patch-from and --independent, as they are typed: all commands, and errors of one line."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from cli_runner import COMMAND, environment, fails, llmzip, succeeds

OLD = random.Random(1).randbytes(40_000)
NEW = OLD[:20_000] + b"changed" + OLD[21_000:]
TWICE = OLD[:20_000] + bytes(1 << 20) + OLD[:20_000]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "new").write_bytes(NEW)
    return tmp_path


def test_there_and_back_in_a_shell(folder: Path) -> None:
    script = """set -eu -o pipefail
        $LLMZIP compress --patch-from old new
        [ "$(wc -c <new.llmz)" -lt 300 ]
        $LLMZIP cat --patch-from=old new.llmz | cmp - new
        $LLMZIP -t --patch-from old new.llmz
        $LLMZIP <new --patch-from old | cmp - new.llmz  # from a pipe, to a pipe
        $LLMZIP -c --processes 1 --patch-from old new | cmp - new.llmz
        rm new; $LLMZIP -d --rm --patch-from old new.llmz; [ ! -e new.llmz ]
        $LLMZIP compress --verify --patch-from old new
        $LLMZIP cat --range 19998:20010 --patch-from old new.llmz
    """
    env = environment(LLMZIP=" ".join(COMMAND))
    result = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=env, capture_output=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == NEW[19_998:20_010]


def test_several_files_each_name_it(folder: Path) -> None:
    (folder / "newer").write_bytes(NEW[:30_000])
    succeeds(llmzip("--patch-from", "old", "new", "newer", cwd=folder))
    found = json.loads(succeeds(llmzip("list", "--json", "new.llmz", "newer.llmz", cwd=folder)))
    assert [one["references"][0]["bytes"] for one in found] == [len(OLD)] * 2
    assert succeeds(llmzip("cat", "--patch-from", "old", "newer.llmz", cwd=folder)) == NEW[:30_000]


@pytest.mark.parametrize("command", ["decompress", "test", "cat"])
def test_without_it_or_with_another_one(command: str, folder: Path) -> None:
    succeeds(llmzip("--patch-from", "old", "new", cwd=folder))
    (folder / "new").unlink()
    fails(llmzip(command, "new.llmz", cwd=folder), "new.llmz: ", "40,000 bytes", "--patch-from")
    (folder / "other").write_bytes(OLD[:-1] + b"!")
    given = ("--patch-from", "other")
    fails(llmzip(command, *given, "new.llmz", cwd=folder), "new.llmz: ", "another", "--patch-from")
    assert not (folder / "new").exists()


def test_what_cannot_be_a_reference(folder: Path) -> None:
    for command in ("compress", "decompress"):
        fails(
            llmzip(command, "--patch-from", "absent", "new", cwd=folder), "absent", "No such file"
        )
        fails(llmzip(command, "--patch-from", ".", "new", cwd=folder), ".: ", "regular file")
        (folder / "empty").write_bytes(b"")
        fails(llmzip(command, "--patch-from", "empty", "new", cwd=folder), "empty: ", "1 to ")
        with (folder / "long").open("wb") as file:
            os.truncate(file.fileno(), (1 << 30) + 1)  # it takes no room
        fails(llmzip(command, "--patch-from", "long", "new", cwd=folder), "long: ", "1,073,741,824")
    fails(llmzip("--patch-from", "old", "--ray", "new", cwd=folder), "--patch-from", "--ray")
    assert not (folder / "new.llmz").exists()


def test_independent_groups_and_others(folder: Path) -> None:
    (folder / "twice").write_bytes(TWICE)
    sizes = []
    for options in (["-3"], ["-3", "--independent"]):
        packed = succeeds(llmzip(*options, "-c", "twice", cwd=folder))
        assert succeeds(llmzip("-d", cwd=folder, input=packed)) == TWICE
        sizes.append(len(packed))
    copied, independent = sizes
    assert 20_000 < copied < 20_500 < 40_000 < independent
