"""Pipes, terminals and signals: nothing is cut off, and a program that is ended leaves nothing."""

from __future__ import annotations

import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cli_runner import (
    NOISE,
    SOURCE_ROOT,
    environment,
    fails,
    for_shells,
    has_written_into,
    hear,
    llmzip,
    names_in,
    start,
    succeeds,
)

BIG = random.Random(9).randbytes(2_300_000)  # a second group is under way when the first is out


def shell(script: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a script in which $LLMZIP is the command."""
    script = script.replace("$LLMZIP", for_shells())
    return subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        env=environment(),
        check=False,
        timeout=300,
        cwd=cwd,
    )


@pytest.mark.parametrize("data", [b"", b"a", NOISE, BIG], ids=["empty", "1", "3 kB", "2.3 MB"])
def test_pipe_there_and_back(data: bytes) -> None:
    packed = succeeds(llmzip("compress", input=data))
    assert succeeds(llmzip("decompress", input=packed)) == data
    assert succeeds(llmzip("compress", "-", input=data)) == packed


def test_without_a_command_it_is_a_filter() -> None:
    packed = succeeds(llmzip(input=NOISE))
    assert packed == succeeds(llmzip("compress", input=NOISE))
    assert succeeds(llmzip("-d", input=packed)) == NOISE
    assert succeeds(llmzip("--decompress", "--threads", "1", input=packed)) == NOISE


def test_unbuffered_python_cuts_nothing_off() -> None:
    env = {"PYTHONUNBUFFERED": "1"}
    packed = succeeds(llmzip(input=BIG, env=env))
    assert succeeds(llmzip("-d", input=packed, env=env)) == BIG


def test_file_and_pipe_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    succeeds(llmzip("compress", tmp_path / "big"))
    assert (tmp_path / "big.llmz").read_bytes() == succeeds(llmzip(input=BIG))


def test_slow_reader_of_a_non_blocking_pipe_gets_everything() -> None:
    packed = succeeds(llmzip(input=BIG))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = start("-d", stdout=writing)
    os.close(writing)
    feeder = threading.Thread(target=process.communicate, args=(packed,))
    feeder.start()
    pieces = []
    with os.fdopen(reading, "rb") as out:
        while piece := out.read(300_000):
            pieces.append(piece)
            time.sleep(0.01)
    feeder.join()
    assert process.returncode == 0
    assert b"".join(pieces) == BIG


def test_slow_writer_into_a_non_blocking_pipe_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    process = start("compress", stdin=reading)
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as feed:
        for i in range(0, len(NOISE), 1000):
            feed.write(NOISE[i : i + 1000])
            time.sleep(0.1)
    packed, errors = process.communicate()
    assert errors == b""
    assert succeeds(llmzip("-d", input=packed)) == NOISE


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
def test_tar_through_pipes_and_as_its_filter(tmp_path: Path) -> None:
    folder = tmp_path / "dir"
    folder.mkdir()
    for i in range(3):
        (folder / f"file {i}").write_bytes(NOISE[i * 100 :])
    (tmp_path / "llmzip").write_text(f'#!/bin/sh\nexec {for_shells()} "$@"\n')
    (tmp_path / "llmzip").chmod(0o755)
    for script in (
        "tar c dir | $LLMZIP compress | $LLMZIP decompress | (mkdir out; cd out; tar x)",
        "tar -I ./llmzip -cf t.tar.llmz dir && mkdir out && tar -I ./llmzip -xf t.tar.llmz -C out",
    ):
        result = shell(script, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, b"")
        assert names_in(tmp_path / "out" / "dir") == ["file 0", "file 1", "file 2"]
        assert (tmp_path / "out" / "dir" / "file 2").read_bytes() == NOISE[200:]
        shutil.rmtree(tmp_path / "out")


def test_broken_pipe_is_as_quiet_as_cat(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    reading, writing = os.pipe()
    os.close(reading)
    result = llmzip("compress", "-c", tmp_path / "big", stdout=writing)
    os.close(writing)
    assert result.returncode == -signal.SIGPIPE
    assert result.stderr == b""
    piped = shell(f"$LLMZIP compress -c '{tmp_path / 'big'}' | head -c 10 | wc -c")
    assert (piped.stdout.strip(), piped.stderr) == (b"10", b"")


def test_help_into_a_closed_pipe_is_quiet() -> None:
    result = shell("$LLMZIP --help | true")
    assert result.stderr == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_what_is_unfinished_and_ends_the_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    hear(number)
    process = start("compress", "-1", "-", "-o", tmp_path / "out.llmz")
    assert process.stdin is not None
    process.stdin.write(BIG)
    process.stdin.flush()
    _wait_until(lambda: has_written_into(process.pid, tmp_path))
    assert names_in(tmp_path) != ["out.llmz"]
    process.send_signal(number)
    assert process.wait(timeout=60) == -number
    assert process.communicate()[1] == b""
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("through", ["standard input", "named pipe"])
def test_an_error_ends_the_process_though_the_input_goes_on(tmp_path: Path, through: str) -> None:
    text = Path(__file__).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    source = "-" if through == "standard input" else tmp_path / "pipe"
    with start("compress", "-1", "-c", "-m", "nosuchmodel", source) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        filled = process.stdin if source == "-" else (tmp_path / "pipe").open("wb")
        filled.write((text * (1 + (1 << 20) // len(text)))[: 1 << 20])
        filled.flush()
        assert b"nosuchmodel" in process.stderr.read()
        assert process.wait(timeout=60) == 1
        filled.close()


def test_nohup_is_respected(tmp_path: Path) -> None:
    def ignore_hup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = start("compress", "-1", "-", "-o", tmp_path / "out.llmz", preexec_fn=ignore_hup)
    assert process.stdin is not None
    process.stdin.write(BIG)
    process.stdin.flush()
    _wait_until(lambda: has_written_into(process.pid, tmp_path))
    process.send_signal(signal.SIGHUP)
    assert process.communicate()[1] == b""
    assert process.returncode == 0
    assert names_in(tmp_path) == ["out.llmz"]


def test_compressed_data_and_terminals_are_kept_apart(tmp_path: Path) -> None:
    terminal, line = pty.openpty()
    try:
        (tmp_path / "noise").write_bytes(NOISE)
        result = llmzip("compress", "-c", tmp_path / "noise", stdout=line)
        assert result.returncode == 1
        assert b"terminal" in result.stderr
        fails(llmzip("decompress", stdin=line), "terminal")
        fails(llmzip("-d", stdin=line), "terminal")
        assert llmzip(stdin=line).stdout.startswith(b"Usage: llmzip")
    finally:
        os.close(line)
        os.close(terminal)


def test_no_progress_where_standard_error_is_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    succeeds(llmzip("compress", tmp_path / "big"))
    succeeds(llmzip("decompress", "-f", tmp_path / "big.llmz"))


def test_help_version_list_and_refusals_load_nothing_heavy(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.llmz", tmp_path / "good.llmz"
    bad.write_bytes(b"\x89LM\x1fnonsense")
    noise = tmp_path / "noise"
    noise.write_bytes(NOISE)
    good.write_bytes(succeeds(llmzip(input=NOISE)))
    runs = [["--help"], ["--version"], ["compress", "--help"], ["list", str(good)]]
    runs += [["list", str(bad)], ["decompress", str(bad)], ["decompress", "-f", str(good)]]
    runs += [["models", "list"], ["compress", "-c", "-m", "nosuchmodel", __file__]]
    runs += [["compress", "-k", str(noise)]]
    heavy = {"torch", "transformers", "numba", "tokenizers"}
    script = (
        f"import sys; sys.path.insert(0, {str(SOURCE_ROOT)!r})\n"
        "from llmzip.cli import main\n"
        f"for args in {runs!r}:\n"
        "    main(args)\n"
        f"    loaded = {heavy!r} & set(sys.modules)\n"
        "    assert not loaded, (args, loaded)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()


def test_help_says_what_there_is() -> None:
    text = succeeds(llmzip("--help")).decode()
    for word in ("compress", "decompress", "list", "models", "tar -I"):
        assert word in text
    assert succeeds(llmzip("--version")).startswith(b"llmzip ")
    assert succeeds(llmzip("-V")).startswith(b"llmzip ")


def _wait_until(condition: object, timeout_s: float = 60) -> None:
    assert callable(condition)
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "waited too long"
        time.sleep(0.02)
