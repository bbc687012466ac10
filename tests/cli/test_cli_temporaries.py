"""What is not finished leaves nothing behind, not even where a program is killed."""

from __future__ import annotations

import fcntl
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_runner import (
    NOISE,
    environment,
    fails,
    has_written_into,
    llmzip,
    names_in,
    start,
    succeeds,
)

SCRIPT = Path(__file__).parents[2] / "scripts" / "kill_test.py"
BIG = random.Random(7).randbytes(2_300_000)  # a group is out while the next is waited for
ABANDONED = ".llmzip-0123456789abcdef.tmp"
ANYHOW = "from llmzip.start import program; program()"
WITHOUT_UNNAMED = f"import os; del os.O_TMPFILE; {ANYHOW}"
KILLED_BEFORE = """
import os, signal, sys
n_left, events = int(sys.argv.pop(1)), []
def hook(event, arguments):
    global n_left
    if event in {"os.link", "os.rename", "os.remove", "os.chmod", "os.utime", "os.truncate"}:
        n_left -= 1
        if n_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
"""
"""Kills the process before its n-th change of a folder or of a file's status."""


def kill_half_way(folder: Path, *arguments: str, code: str | None = None) -> None:
    """Start compressing from a pipe into `out`, and kill it when something is written."""
    process = start("compress", "-1", *arguments, "-", "-o", "out", cwd=folder, code=code)
    assert process.stdin is not None
    process.stdin.write(BIG)
    process.stdin.flush()
    end_s = time.monotonic() + 60
    while not has_written_into(process.pid, folder):
        assert process.poll() is None
        assert time.monotonic() < end_s
        time.sleep(0.01)
    process.kill()
    process.communicate()


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files have names here")
def test_kill_leaves_nothing_where_files_can_be_without_name(tmp_path: Path) -> None:
    kill_half_way(tmp_path)
    assert names_in(tmp_path) == []


def test_what_a_killed_run_leaves_the_next_one_removes(tmp_path: Path) -> None:
    kill_half_way(tmp_path, code=WITHOUT_UNNAMED)
    [left] = names_in(tmp_path)
    assert re.fullmatch(r"\.llmzip-[0-9a-f]{16}\.tmp", left)
    assert stat.S_IMODE((tmp_path / left).stat().st_mode) == 0o600
    succeeds(llmzip("compress", "-o", tmp_path / "other", input=NOISE))
    assert names_in(tmp_path) == ["other"]


def test_a_run_that_is_refused_sweeps_too(tmp_path: Path) -> None:
    """The killed one may have got so far as to give its output the name."""
    (tmp_path / "noise").write_bytes(NOISE)
    (tmp_path / "noise.llmz").write_bytes(b"there already")
    (tmp_path / ABANDONED).write_bytes(b"there already")
    fails(llmzip("compress", tmp_path / "noise"), "exists")
    assert names_in(tmp_path) == ["noise", "noise.llmz"]


def test_what_is_in_use_or_not_ours_is_not_swept(tmp_path: Path) -> None:
    kept = ["llmzip.tmp", ".llmzip-0123456789abcdef.tmp.bak", ".llmzip-0123456789ABCDEF.tmp"]
    for name in kept:
        (tmp_path / name).write_bytes(b"precious")
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ABANDONED.replace("0", "1")).symlink_to("precious")
    (tmp_path / ABANDONED.replace("0", "2")).mkdir()
    os.mkfifo(tmp_path / ABANDONED.replace("0", "3"))
    before = names_in(tmp_path)
    with (tmp_path / ABANDONED).open("wb") as used:
        fcntl.flock(used, fcntl.LOCK_EX)
        succeeds(llmzip("compress", "-o", tmp_path / "out", input=NOISE))
        assert names_in(tmp_path) == sorted([*before, ABANDONED, "out"])
    succeeds(llmzip("compress", "-f", "-o", tmp_path / "out", input=NOISE))
    assert names_in(tmp_path) == sorted([*before, "out"])


def test_two_at_a_time_do_not_sweep_each_other(tmp_path: Path) -> None:
    process = start("compress", "-1", "-", "-o", "slow", cwd=tmp_path, code=WITHOUT_UNNAMED)
    assert process.stdin is not None
    process.stdin.write(BIG)
    process.stdin.flush()
    while not has_written_into(process.pid, tmp_path):
        assert process.poll() is None
        time.sleep(0.01)
    succeeds(llmzip("compress", "-o", tmp_path / "fast", input=NOISE))
    assert process.communicate()[1] == b""
    assert names_in(tmp_path) == ["fast", "slow"]
    assert succeeds(llmzip("-d", input=(tmp_path / "slow").read_bytes())) == BIG


@pytest.mark.parametrize("how", ["unnamed", "named"])
@pytest.mark.parametrize("flags", [[], ["-f"], ["--resume"], ["--resume", "-f"]])
@pytest.mark.parametrize("verb", ["compress", "decompress"])
def test_killed_before_each_change_of_a_folder(
    tmp_path: Path, verb: str, flags: list[str], how: str
) -> None:
    """However short the moment: the input or a complete output is there, and then no third file."""
    packed = succeeds(llmzip(input=NOISE))
    source, target = ("in", "in.llmz") if verb == "compress" else ("in.llmz", "in")
    data, expected = (NOISE, packed) if verb == "compress" else (packed, NOISE)
    code = KILLED_BEFORE + (WITHOUT_UNNAMED if how == "named" else ANYHOW)
    (tmp_path / source).write_bytes(data)
    if "-f" in flags:
        (tmp_path / target).write_bytes(b"old")
    for n_th in range(1, 20):
        done = llmzip(str(n_th), verb, "--rm", *flags, source, cwd=tmp_path, code=code)
        assert done.stderr == b""
        names = names_in(tmp_path)
        if target in names:
            output = (tmp_path / target).read_bytes()
            assert output == expected or ("-f" in flags and output == b"old")
        if source not in names:
            assert (tmp_path / target).read_bytes() == expected
            break
        assert done.returncode == -signal.SIGKILL
        assert (tmp_path / source).read_bytes() == data
        if (tmp_path / target).exists() and "-f" not in flags:
            (tmp_path / target).unlink()
    assert n_th > 3
    assert names_in(tmp_path) == [target]


def test_random_kills_lose_nothing() -> None:
    """A few of the rounds that scripts/kill_test.py plays by the hundred."""
    command = [sys.executable, str(SCRIPT), "--count", "5", "--seed", "2"]
    result = subprocess.run(command, capture_output=True, env=environment(), check=False)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
    assert "nothing lost" in result.stdout.decode()


def test_full_disk_leaves_nothing_and_names_the_target(tmp_path: Path) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
        f"{WITHOUT_UNNAMED}"
    )
    process = start("compress", "-1", "-", "-o", "out", cwd=tmp_path, code=code)
    errors = process.communicate(BIG)[1].decode()
    assert errors == "llmzip: out: File too large\n"
    assert names_in(tmp_path) == []


def test_an_error_at_the_end_names_the_target(tmp_path: Path) -> None:
    """The target appears while the work is under way."""
    for code in (None, WITHOUT_UNNAMED):
        (tmp_path / "out").unlink(missing_ok=True)
        process = start("compress", "-1", "-", "-o", "out", cwd=tmp_path, code=code)
        assert process.stdin is not None
        process.stdin.write(BIG)
        process.stdin.flush()
        while not has_written_into(process.pid, tmp_path):
            assert process.poll() is None
            time.sleep(0.01)
        (tmp_path / "out").write_bytes(b"precious")
        errors = process.communicate()[1].decode()
        assert (process.returncode, errors) == (1, "llmzip: out: File exists\n")
        assert (tmp_path / "out").read_bytes() == b"precious"
        assert names_in(tmp_path) == ["out"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    out = tmp_path / "absent" / "out"
    for flags in ([], ["--resume"]):
        result = llmzip("compress", *flags, "-", "-o", out, input=NOISE)
        fails(result, f"{out}: No such file or directory")
