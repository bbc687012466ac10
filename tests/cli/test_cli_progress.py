"""What a person sees while they wait."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import re
import shlex
import shutil
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from cli_runner import COMMAND, environment
from hypothesis import given
from hypothesis import strategies as st

from llmzip.cli.tally import Tally, line, size_text


def several() -> Tally:
    """Two of four files of 1 MB done, half of the third, a MB of originals in 10 s."""
    tally = Tally([1_000_000] * 4)
    tally.begin("a", 1_000_000, 1_000_000)
    tally.update(0, 100.0)
    tally.end(1_000_000, 1_000_000, 250_000, 110.0)
    tally.begin("b", 1_000_000, 1_000_000)
    tally.end(1_000_000, 1_000_000, 250_000, 120.0)
    tally.begin("folder/c", 1_000_000, 1_000_000)
    tally.update(500_000, 125.0)
    return tally


def test_several_files_with_all_figures() -> None:
    text = line(several(), 120, 125.0)
    figures = "2/4 files  2.5/4.0 MB  100.0 kB/s  25.0 %  0:00:15 left"
    assert text == f"folder/c  [{'#' * 12}{'-' * 8}]  {figures}"
    assert line(several(), 120, 130.0).endswith("0:00:10 left")  # the clock goes on


def test_one_file_of_known_and_of_unknown_size() -> None:
    tally = Tally([9_000])
    tally.begin("a", 9_000, 9_000)
    tally.update(0, 5.0)
    assert line(tally, 80, 6.0) == f"a  [{'-' * 20}]  0.0/9.0 kB"
    tally.update(3_000, 8.0)
    assert line(tally, 80, 8.0).endswith("3.0/9.0 kB  1.0 kB/s  0:00:06 left")
    pipe = Tally([None])
    pipe.begin("standard input", None, None)
    pipe.update(1_000, 1.0)
    pipe.update(3_000, 2.0)
    assert line(pipe, 80, 2.0) == "standard input  3.0 kB  2.0 kB/s"


def test_what_is_waited_for_is_said_instead_of_figures_and_does_not_slow_the_speed() -> None:
    tally = Tally([9_000])
    tally.begin("a", 9_000, 9_000)
    tally.wait("opening the model")
    assert line(tally, 80, 1.0) == f"a  [{'-' * 20}]  opening the model"
    tally.update(0, 60.0)
    tally.update(1_000, 61.0)
    assert "1.0 kB/s" in line(tally, 80, 61.0)


def test_a_file_that_fails_counts_as_dealt_with() -> None:
    tally = Tally([100, 300])
    tally.begin("a", 100, 100)
    tally.end(100, 0, 0, 1.0)
    assert "1/2 files  100/400 B" in line(tally, 80, 1.0)


@given(st.integers(1, 200), st.text(max_size=300))
def test_no_line_is_longer_than_the_terminal_is_wide(width: int, label: str) -> None:
    tally = several()
    tally.label = label
    assert len(line(tally, width, 125.0)) <= width


@pytest.mark.parametrize(
    ("width", "expected"),
    [(80, "2/4 files  2.5/4.0 MB  100.0 kB/s"), (60, "2/4 files  2.5/4.0 MB"),
     (40, "2/4 files  0:00:15 left"), (30, "2/4 files")],
)  # fmt: skip
def test_what_is_most_wanted_fits_longest(width: int, expected: str) -> None:
    assert expected in line(several(), width, 125.0)


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_999, "1000.0 kB"), (1_234_567, "1.2 MB"),
     (5e15, "5000.0 TB")],
)  # fmt: skip
def test_sizes_are_decimal(n_bytes: float, text: str) -> None:
    assert size_text(n_bytes) == text


def of_a_shell() -> dict[str, str]:
    """The environment of a command on a terminal: nothing else tells how wide that is."""
    return {name: text for name, text in environment(TERM="xterm").items() if name != "COLUMNS"}


def on_terminal(folder: Path, columns: int, *arguments: str) -> str:
    """Run llmzip with a terminal for standard error; return what came there, without escapes."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=of_a_shell(), stderr=end, stdin=subprocess.DEVNULL
    )
    os.close(end)
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # nobody has its other end any more
            break
        pieces.append(piece)
        if not piece:
            break
    os.close(terminal)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "\n", b"".join(pieces).decode())


@pytest.mark.parametrize("columns", [80, 40])
def test_many_files_have_one_line_and_a_total(tmp_path: Path, columns: int) -> None:
    noise = random.Random(1).randbytes(250_000)
    for number in range(12):
        (tmp_path / f"file {number}").write_bytes(noise)
    text = on_terminal(tmp_path, columns, "-r", ".", "--output-dir", "out")
    lines = [one for one in text.split("\n") if "/12 files" in one]
    assert lines, text
    assert all(len(one) < columns for one in lines)
    numbers = [int(re.findall(r"(\d+)/12", one)[0]) for one in lines]
    assert numbers == sorted(numbers)
    assert "12 files compressed : 100." in text.replace("\n", " ")
    assert on_terminal(tmp_path, columns, "-qf", "file 0", "file 1", "--output-dir", "out") == ""


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.parametrize("columns", [80, 40])
def test_a_screen_of_tmux_has_one_line_of_progress_which_vanishes(
    tmp_path: Path, columns: int
) -> None:
    noise = random.Random(1).randbytes(500_000)
    for number in range(8):
        (tmp_path / f"a file with a name that is rather long, number {number}").write_bytes(noise)
    command = shlex.join([*COMMAND, "-r", ".", "--output-dir", "out"])
    size = ["-x", str(columns), "-y", "10"]
    tmux = ["tmux", "-L", f"llmzip-{os.getpid()}-{columns}", "-f", os.devnull]
    script = f"{command}; echo STATUS $?; exec sleep 600"
    subprocess.run(
        [*tmux, "new-session", "-d", *size, script], cwd=tmp_path, env=of_a_shell(), check=True
    )
    screens: list[list[str]] = []
    try:
        while not screens or not any(line.startswith("STATUS") for line in screens[-1]):
            capture = [*tmux, "capture-pane", "-p"]
            text = subprocess.run(capture, capture_output=True, check=True).stdout.decode()
            screens.append([line for line in text.split("\n") if line.strip()])
            assert len(screens) < 6000
            time.sleep(0.01)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    going = [[line for line in screen if re.search(r"\d/8 files", line)] for screen in screens]
    assert max(map(len, going)) == 1, screens
    assert all(len(line) < columns for lines in going for line in lines)
    assert not going[-1]
    *total, status = screens[-1]
    assert "".join(total).startswith("llmzip: 8 files compressed : 100.")
    assert status == "STATUS 0"


def test_opening_the_model_is_said(tmp_path: Path, tiny_llama_folder: Path) -> None:
    text = (Path(__file__).parents[2] / "LICENSE").read_bytes()[:600]
    (tmp_path / "text").write_bytes(text)
    shown = on_terminal(tmp_path, 80, "-m", str(tiny_llama_folder), "text")
    assert re.search(r"text  \[-+\]  opening the model", shown), shown
