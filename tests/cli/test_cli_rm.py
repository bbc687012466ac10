"""--rm removes what has been read and is kept elsewhere; nothing else, whatever its name."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runner import NOISE, fails, llmzip, names_in, opened_in, start, succeeds

BIG = random.Random(12).randbytes(1_500_000)


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "noise"
    path.write_bytes(NOISE)
    return path


def replaced(path: Path) -> None:
    path.with_name("new").write_bytes(b"precious")
    path.with_name("new").replace(path)


def appended_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"precious")


def overwritten_at_the_same_time_and_size(path: Path) -> None:
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"precious")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def moved_away(path: Path) -> None:
    path.rename(path.with_name("moved"))


@pytest.mark.parametrize("verb", ["compress", "decompress"])
@pytest.mark.parametrize(
    "happening", [replaced, appended_to, overwritten_at_the_same_time_and_size, moved_away]
)
def test_a_source_that_changes_meanwhile_is_kept(
    tmp_path: Path, verb: str, happening: Callable[[Path], None]
) -> None:
    """The command waits for the reader of its output: it has read all by then, and not ended."""
    source = tmp_path / "in.llmz"
    source.write_bytes(NOISE if verb == "compress" else succeeds(llmzip(input=NOISE)))
    script = (
        "import sys, time; from pathlib import Path; import llmzip.cli.outputs as outputs\n"
        "put = outputs.Temporary.put_in_place\n"
        "def wait(self, replace):\n"
        "    put(self, replace)\n"
        "    Path('written').touch()\n"
        "    while not Path('go').exists(): time.sleep(0.01)\n"
        "outputs.Temporary.put_in_place = wait\n"
        "from llmzip.start import program\n"
        f"sys.argv[1:] = [{verb!r}, '--rm', 'in.llmz', '-o', 'out']\n"
        "program()\n"
    )
    process = start(cwd=tmp_path, code=script)
    while not (tmp_path / "written").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    happening(source)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "go").touch()
    _, errors = process.communicate()
    assert process.returncode == 2
    assert errors.decode().count("\n") == 1
    assert "not removed" in errors.decode()
    for name, data in after.items():
        assert (tmp_path / name).read_bytes() == data


def test_a_source_that_is_swapped_while_it_is_read_is_kept(tmp_path: Path) -> None:
    """Without any help: the source is replaced as soon as there is a process."""
    source = tmp_path / "big"
    source.write_bytes(BIG)
    process = start("compress", "-1", "--rm", "-v", source)
    while not opened_in(process.pid, tmp_path):
        assert process.poll() is None
        time.sleep(0.001)
    replaced(source)
    _, errors = process.communicate()
    assert process.returncode == 2, errors
    assert source.read_bytes() == b"precious"
    assert succeeds(llmzip("-d", input=(tmp_path / "big.llmz").read_bytes())) == BIG


def test_a_link_goes_and_what_it_led_to_stays(noise: Path) -> None:
    link = noise.with_name("link")
    link.symlink_to(noise)
    succeeds(llmzip("compress", "--rm", link))
    assert names_in(noise.parent) == ["link.llmz", "noise"]


@pytest.mark.parametrize("output", ["/dev/null", "null", "pipe", "/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize("verb", ["compress", "decompress"])
def test_rm_refuses_an_output_that_keeps_nothing(noise: Path, verb: str, output: str) -> None:
    if verb == "decompress":
        noise.write_bytes(succeeds(llmzip(input=NOISE)))
    os.mkfifo(noise.with_name("pipe"))
    noise.with_name("null").symlink_to("/dev/null")
    before = names_in(noise.parent)
    for force in ([], ["-f"]):
        result = llmzip(verb, "--rm", *force, noise, "-o", output, cwd=noise.parent)
        fails(result, "--rm", "regular file")
    assert names_in(noise.parent) == before
    assert noise.exists()


@pytest.mark.parametrize("target", ["/dev/null", "/dev/full", "nowhere", "noise.pipe"])
def test_the_usual_output_name_is_refused_in_any_form_and_a_link_replaced(
    noise: Path, target: str
) -> None:
    os.mkfifo(noise.with_name("noise.pipe"))
    link = noise.with_name("noise.llmz")
    link.symlink_to(target)
    for rm in ([], ["--rm"]):
        fails(llmzip("compress", *rm, noise), "noise.llmz exists", "-f")
    assert noise.read_bytes() == NOISE
    succeeds(llmzip("compress", "-f", "--rm", noise))
    assert not link.is_symlink()
    assert link.is_file()
    assert names_in(noise.parent) == ["noise.llmz", "noise.pipe"]


def test_a_pipe_of_the_usual_output_name_is_refused_with_force_too(noise: Path) -> None:
    os.mkfifo(noise.with_name("noise.llmz"))
    for options in ([], ["-f"], ["-f", "--rm"]):
        fails(llmzip("compress", *options, noise), "noise.llmz is a named pipe", "-o")
    assert noise.with_name("noise.llmz").is_fifo()
    assert noise.read_bytes() == NOISE
