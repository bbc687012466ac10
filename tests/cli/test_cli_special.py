"""Pipes, devices and the like: read and written where that is asked for, else left alone."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from cli_runner import NOISE, fails, llmzip, names_in, succeeds

DESCRIPTORS = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]


@pytest.fixture
def packed() -> bytes:
    return succeeds(llmzip(input=NOISE))


@pytest.mark.parametrize("verb", ["compress", "decompress"])
def test_special_files_are_skipped_with_a_word(tmp_path: Path, verb: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        before = names_in(tmp_path)
        for name, kind in (
            ("pipe", "pipe"), ("link", "pipe"), ("socket", "socket"), ("/dev/null", "device"),
        ):  # fmt: skip
            for rm in ([], ["--rm"], ["-f"]):
                result = llmzip(verb, *rm, name, cwd=tmp_path)
                fails(result, f"{name} is a", kind, "skipped", status=2)
        assert names_in(tmp_path) == before
    assert not Path("/dev/null.llmz").exists()


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_descriptor_is_no_file_though_a_file_is_behind_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "noise").write_bytes(NOISE)
    for rm in ([], ["--rm"]):
        with (tmp_path / "noise").open("rb") as file:
            result = llmzip("compress", *rm, name, stdin=file, cwd=tmp_path)
        fails(result, f"{name} is standard input", "skipped", status=2)
    assert not Path(f"{name}.llmz").exists()
    assert names_in(tmp_path) == ["noise"]


def test_of_several_files_the_regular_ones_are_done(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    (tmp_path / "b").write_bytes(NOISE)
    assert llmzip("compress", "--rm", "a", "b", cwd=tmp_path).returncode == 2
    assert names_in(tmp_path) == ["a", "b.llmz"]


@pytest.mark.parametrize("name", ["pipe", *DESCRIPTORS])
def test_they_are_read_where_it_is_said_where_to(tmp_path: Path, packed: bytes, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    for where in (["-c"], ["-o", "out"]):
        feeder = threading.Thread(target=_feed, args=(tmp_path / "pipe",), daemon=True)
        feeder.start() if name == "pipe" else None
        data: dict[str, Any] = {} if name == "pipe" else {"input": NOISE}
        result = llmzip("compress", *where, name, cwd=tmp_path, **data)
        output = succeeds(result) or (tmp_path / "out").read_bytes()
        assert output == packed
    for rm in (["--rm", "-o", "other"], ["--rm", "-f", "-o", "out"]):
        fails(llmzip("compress", *rm, name, cwd=tmp_path), "--rm")
    assert names_in(tmp_path) == ["out", "pipe"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_name_of_standard_output_is_standard_output(
    tmp_path: Path, packed: bytes, name: str
) -> None:
    (tmp_path / "noise").write_bytes(NOISE)
    assert succeeds(llmzip("compress", "-f", "noise", "-o", name, cwd=tmp_path)) == packed
    with (tmp_path / "out").open("ab") as out:  # behind which a file is no file to be replaced
        out.write(b"before")
        out.flush()
        succeeds(llmzip("compress", "-f", "noise", "-o", name, cwd=tmp_path, stdout=out))
    assert (tmp_path / "out").read_bytes() == b"before" + packed
    assert Path("/dev/stdout").is_symlink()
    assert names_in(tmp_path) == ["noise", "out"]


@pytest.mark.parametrize("options", [[], ["-f"], ["--verify"]])
def test_a_pipe_is_written_into(tmp_path: Path, packed: bytes, options: list[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    succeeds(llmzip("compress", *options, "-", "-o", "pipe", cwd=tmp_path, input=NOISE))
    reader.join()
    assert found == [packed]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("output", ["-", "/dev/null", "pipe"])
def test_resume_is_for_files(tmp_path: Path, output: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "noise").write_bytes(NOISE)
    fails(llmzip("compress", "--resume", "noise", "-o", output, cwd=tmp_path), "--resume")


@pytest.mark.parametrize("n_bytes", [250, 251, 255])
def test_a_name_that_is_too_long_is_refused_before_the_work(tmp_path: Path, n_bytes: int) -> None:
    """A model that is not there would be missed if anything was done."""
    name = "n" * n_bytes
    (tmp_path / name).write_bytes(b"a text that is long enough to need a model\n")
    result = llmzip("compress", "-m", "nosuchmodel", name, cwd=tmp_path)
    if n_bytes == 250:
        fails(result, "nosuchmodel")
    else:
        fails(result, f"{name}.llmz: File name too long")
    assert names_in(tmp_path) == [name]


def _feed(pipe: Path) -> None:
    pipe.write_bytes(NOISE)
