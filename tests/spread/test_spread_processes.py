"""--processes: what one process makes and says, by several; killed, and going on."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / "cli")]  # how the command line is run

from cli_runner import environment, fails, llmzip, names_in, start, succeeds
from run_samples import noise

from llmzip import Compressor
from llmzip.spread.cutting import InputFile, TextCutter
from llmzip.spread.places import state_of
from llmzip.spread.processes import Processes
from llmzip.spread.run import Run
from llmzip.spread.worker import Tools
from tiny_files import Tiny

SPREAD = ("--processes", "2")
LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What needs no model: noise, small and in several groups of level 1."""
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    for number in range(5):
        (folder / "below" / str(number)).write_bytes(noise(300 + number, number))
    (folder / "empty").write_bytes(b"")
    (folder / "large").write_bytes(noise(1_100_000))
    (folder / "other").write_bytes(noise(3000))
    return folder


def test_there_and_back_with_a_model(tree: Path, gpt2: Tiny) -> None:
    for number in range(4):
        (tree / f"text {number}").write_bytes(LICENSE[number * 300 :][: 300 + number])
    how = ("-1", "-m", gpt2.name, "-r", tree, "--output-dir")
    succeeds(llmzip(*how, tree.parent / "here"))
    result = llmzip(*how, tree.parent / "spread", "--verify", "-v", *SPREAD)
    assert result.returncode == 0, result.stderr
    assert b"0 workers lost" in result.stderr
    assert b"(cpu" in result.stderr  # the model did its part
    assert contents(tree.parent / "spread") == contents(tree.parent / "here")
    succeeds(llmzip("-dr", tree.parent / "spread", "-o", f"{tree.parent}/back/", *SPREAD))
    assert contents(tree.parent / "back") == contents(tree)


def test_every_habit_is_kept(tree: Path) -> None:
    (tree / "below" / "1.llmz").write_bytes(b"mine")
    (tree / "large").chmod(0o640)
    os.utime(tree / "large", ns=(1, 2_000_000_001))
    result = llmzip(
        "-1", "-r", "--rm", tree, *SPREAD, "--exclude", "below/[234]", "--exclude", "other"
    )
    fails(result, "below/1.llmz exists; use -f")
    assert names_in(tree) == ["below", "empty.llmz", "large.llmz", "other"]
    assert names_in(tree / "below") == ["0.llmz", "1", "1.llmz", "2", "3", "4"]
    assert (tree / "below" / "1.llmz").read_bytes() == b"mine"
    status = (tree / "large.llmz").stat()
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o640, 2_000_000_001)


def test_damage_is_told_as_it_is_by_one_process(tree: Path) -> None:
    succeeds(llmzip("-1", tree / "large", "-o", tree / "a.llmz"))
    whole = (tree / "a.llmz").read_bytes()
    (tree / "a.llmz").write_bytes(whole[:500_000] + b"!" + whole[500_001:])
    (tree / "b.llmz").write_bytes(whole + b"other data")
    (tree / "c.llmz").write_bytes(whole[:-3])
    names = [tree / f"{name}.llmz" for name in "abc"]
    spread = llmzip("-d", *names, *SPREAD)
    assert names_in(tree) == ["a.llmz", "b", "b.llmz", "below", "c.llmz", "empty", "large", "other"]
    (tree / "b").unlink()
    here = llmzip("-d", *names)
    assert (spread.returncode, spread.stderr) == (here.returncode, here.stderr)
    assert spread.stderr.count(b"\n") == 3


def test_pipes_and_streams_go_through_this_process(tree: Path) -> None:
    packed = succeeds(llmzip("-1", *SPREAD, input=noise(100)))
    assert succeeds(llmzip("-d", *SPREAD, input=packed)) == noise(100)
    succeeds(llmzip("-1", tree / "large", *SPREAD))
    text = succeeds(llmzip("-dc", tree / "large.llmz", *SPREAD))
    assert text == (tree / "large").read_bytes()


def test_options_that_do_not_go_together(tree: Path) -> None:
    fails(llmzip("-d", "--recover", tree / "other", *SPREAD), "--recover", "--processes")
    fails(llmzip("-t", tree / "other", *SPREAD), "not for test")
    fails(llmzip("--processes", "0", tree / "other"), "--processes")


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(4)]
    for number, path in enumerate(files):
        path.write_bytes(noise(1_100_000, number))
    compressor = Compressor(level=1, threads=1)
    pool = Processes(Tools(compressor), 2)
    killed: list[int] = []

    def look(number: int) -> InputFile:
        return InputFile(str(files[number]), state_of(str(files[number])))

    def kill_one() -> None:
        if run.counts.n_finished and not killed:
            killed.append(pool.process_ids[0])
            os.kill(killed[0], signal.SIGKILL)

    run = Run(pool, len(files), look, TextCutter(compressor), on_step=kill_one)
    try:
        for number, path in enumerate(files):
            groups = run.groups(number)
            assert groups is not None
            made = [run.part(unit) for unit in groups.units]
            assert sum(part.stats.n_bytes for part in made) == path.stat().st_size
            run.end(number)
        assert run.counts.n_lost == 1
        assert killed[0] not in pool.process_ids
    finally:
        pool.close()


def test_the_driver_killed_and_resumed(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}").write_bytes(noise(1_100_000 if number % 2 else 900, number))
    how = ("-1", "-v", "-r", folder, "--output-dir", out, "--resume", *SPREAD)
    process = start(*how, env=environment())
    deadline = time.monotonic() + 60
    while len(list(out.glob("[0-9]*.llmz"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    finished = {path.name for path in out.glob("[0-9]*.llmz")}
    assert finished
    result = llmzip(*how)
    lines = result.stderr.decode().splitlines()
    assert result.returncode == 0, lines
    skipped = {line.split("/")[-1].split(":")[0] for line in lines if "by an earlier run" in line}
    assert {f"{name}.llmz" for name in skipped} == finished
    (told,) = [line for line in lines if "found done" in line]
    n_done, n_found = map(int, re.findall(r"(\d+) (?:parts done|found done)", told))
    n_groups, n_small = 2 * 6, 6
    assert n_done + n_found <= n_groups + n_small - len(finished)
    assert ".llmzip-resume" not in names_in(out)
    assert sorted(path.name for path in out.iterdir()) == [f"{n:02}.llmz" for n in range(12)]
    succeeds(llmzip("-r", "-1", folder, "--output-dir", tmp_path / "here"))
    assert contents(out) == contents(tmp_path / "here")


def test_no_worker_outlives_the_driver(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(noise(40_000_000))
    process = start("-1", tmp_path / "large", *SPREAD, env=environment())
    deadline = time.monotonic() + 60
    while len(children := children_of(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children_of(process_id: int) -> list[int]:
    path = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(number) for number in path.read_text().split()] if path.exists() else []
