"""Machines that run out of something: one line, a status, nothing lost, and the next run works."""

from __future__ import annotations

import io
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import llmzip as library

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # how the command line is run

from cli_runner import Result, fails, llmzip, names_in

TEXT = (Path(__file__).parents[2] / "LICENSE").read_bytes()[2000:2700]


def limited(kind: int, most: int, *arguments: str | Path, **how: Any) -> Result:
    """Run llmzip in a process that may not have more than `most` of something."""
    return llmzip(*arguments, preexec_fn=lambda: resource.setrlimit(kind, (most, most)), **how)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "text"
    path.parent.mkdir()
    path.write_bytes(TEXT)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit is not kept")
@pytest.mark.parametrize("megabytes", [100, 300, 700, 1500])
def test_too_little_memory(file: Path, tiny_gpt2_folder: Path, megabytes: int) -> None:
    """Between too little for Python's libraries and just too little for torch's."""
    compress = ("compress", "-q", "--rm", "-m", tiny_gpt2_folder, file)
    result = limited(resource.RLIMIT_AS, megabytes << 20, *compress)
    if result.returncode:
        if megabytes > 100:  # with less, numpy's BLAS has the last word
            fails(result)
        assert b"Traceback" not in result.stderr
        assert names_in(file.parent) == ["text"]
        assert file.read_bytes() == TEXT
        assert llmzip(*compress).returncode == 0
    assert names_in(file.parent) == ["text.llmz"]


@pytest.mark.parametrize("n_files", [5, 6, 7, 8])
def test_too_few_files(file: Path, tiny_gpt2_folder: Path, n_files: int) -> None:
    """The standard streams, the input and the output take five; with four Python does not start."""
    compress = ("compress", "-q", "--rm", "-m", tiny_gpt2_folder, file)
    result = limited(resource.RLIMIT_NOFILE, n_files, *compress)
    assert result.returncode or n_files > 5
    if result.returncode:
        fails(result)
        assert names_in(file.parent) == ["text"]
        assert file.read_bytes() == TEXT
        assert llmzip(*compress).returncode == 0
    assert names_in(file.parent) == ["text.llmz"]


def test_too_small_files_for_the_cache(file: Path, tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    """A prepared model that the disk has no room for is left out whole."""
    home = {"LLMZIP_HOME": str(tmp_path / "home")}
    compress = ("compress", "-q", "--rm", "-m", tiny_gpt2_folder, file)
    fails(limited(resource.RLIMIT_FSIZE, 20_000, *compress, env=home), "File too large")
    assert file.read_bytes() == TEXT
    assert not [path for path in (tmp_path / "home").rglob("*.safetensors*") if path.is_file()]
    assert llmzip(*compress, env=home).returncode == 0
    assert names_in(file.parent) == ["text.llmz"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    folder = tmp_path / "small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k,mode=0700", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_under_the_output(small_disk: Path) -> None:
    source = small_disk / "noise"
    noise = random.Random(6).randbytes(90_000)
    source.write_bytes(noise)
    fails(llmzip("compress", "--rm", source), "No space left on device")
    assert names_in(small_disk) == ["noise"]
    assert source.read_bytes() == noise


def test_a_full_disk_under_the_cache(small_disk: Path, file: Path, tiny_gpt2_folder: Path) -> None:
    full, empty = small_disk / "home", file.parents[1] / "another home"
    compress = ("compress", "-q", "--rm", "-m", tiny_gpt2_folder, file)
    fails(llmzip(*compress, env={"LLMZIP_HOME": str(full)}))
    assert names_in(file.parent) == ["text"]
    for place in ("prepared", "staging"):
        assert not [path for path in (full / place).rglob("*") if path.is_file()]
    assert llmzip(*compress, env={"LLMZIP_HOME": str(empty)}).returncode == 0


class Failing(io.BytesIO):
    """Gives some bytes, then the error of a bad disk."""

    def __init__(self, data: bytes, is_pipe: bool) -> None:
        super().__init__(data)
        self._is_pipe = is_pipe

    def seekable(self) -> bool:
        return not self._is_pipe

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data:
            raise OSError(5, "Input/output error")
        return data

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(size)


@pytest.mark.parametrize("is_pipe", [False, True])
def test_a_read_error_is_passed_on_and_leaves_the_object_usable(
    is_pipe: bool, tiny_gpt2_folder: Path
) -> None:
    compressor = library.Compressor(model=str(tiny_gpt2_folder))
    decompressor = library.Decompressor(model=str(tiny_gpt2_folder))
    whole = io.BytesIO()
    compressor.compress(io.BytesIO(TEXT), whole)
    runs: list[tuple[Callable[..., object], bytes]] = [
        (compressor.compress, TEXT),
        (decompressor.decompress, whole.getvalue()[:-9]),
    ]
    for run, data in runs:
        with pytest.raises(OSError, match="Input/output error"):
            run(Failing(data, is_pipe), io.BytesIO())
    again, back = io.BytesIO(), io.BytesIO()
    compressor.compress(io.BytesIO(TEXT), again)
    decompressor.decompress(io.BytesIO(whole.getvalue()), back)
    assert again.getvalue() == whole.getvalue()
    assert back.getvalue() == TEXT


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file that cannot be read here")
@pytest.mark.parametrize("verb", ["compress", "decompress"])
def test_a_file_that_cannot_be_read(verb: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    fails(llmzip(verb, "-o", target, "/proc/self/mem"), "/proc/self/mem")
    assert not target.exists()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    fails(llmzip("compress", tmp_path), f"{tmp_path} is a folder; use -r")
    assert names_in(tmp_path) == []
