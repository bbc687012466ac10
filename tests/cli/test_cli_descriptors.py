"""Closed descriptors, and what libraries print: data and messages never meet."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import NOISE, environment, fails, llmzip, succeeds

SHELL_COMMAND = f'"{sys.executable}" -m llmzip'
CLOSED = "standard output: is closed"


@pytest.fixture(scope="module")
def packed() -> bytes:
    return succeeds(llmzip(input=NOISE))


@pytest.fixture(autouse=True)
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "noise"
    path.write_bytes(NOISE)
    return path


def shell(script: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script in which $LLMZIP is the command."""
    script = script.replace("$LLMZIP", SHELL_COMMAND)
    where = environment(**env)
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, env=where, cwd=cwd)


@pytest.mark.parametrize(
    "redirections", ["2>&-", "<&-", ">&-", "<&- 2>&-", ">&- 2>&-", "<&- >&-", "<&- >&- 2>&-"]
)
def test_a_file_is_compressed_whatever_is_closed(
    tmp_path: Path, packed: bytes, redirections: str
) -> None:
    result = shell(
        f"$LLMZIP compress -v --rm noise {redirections}", tmp_path, OMP_DISPLAY_ENV="verbose"
    )
    assert result.returncode == 0
    assert (tmp_path / "noise.llmz").read_bytes() == packed
    back = shell(f"$LLMZIP decompress --rm -v noise.llmz {redirections}", tmp_path)
    assert back.returncode == 0
    assert (tmp_path / "noise").read_bytes() == NOISE


@pytest.mark.parametrize("talk", ["-v", "--stats", "-vv --stats"])
def test_messages_do_not_go_into_the_data(tmp_path: Path, packed: bytes, talk: str) -> None:
    for input_file, flags, expected in (("noise", "", packed), ("packed", "-d", NOISE)):
        (tmp_path / "packed").write_bytes(packed)
        result = shell(f"$LLMZIP {flags} {talk} < {input_file} 2>&-", tmp_path)
        assert (result.returncode, result.stdout) == (0, expected)


def test_errors_do_not_go_into_the_data(tmp_path: Path) -> None:
    for arguments in ("-d < noise", "compress nosuch", "--nosuch", "list noise"):
        result = shell(f"$LLMZIP {arguments} 2>&-", tmp_path)
        assert (result.returncode, result.stdout) == (1, b"")


@pytest.mark.parametrize(
    "arguments",
    ["< noise", "-c noise", "compress noise -o -", "compress noise -o /dev/stdout", "-d < packed",
     "list packed", "--version", "--help", "compress --help", "models list"],
)  # fmt: skip
def test_a_closed_standard_output_is_an_error_that_names_it(
    tmp_path: Path, packed: bytes, arguments: str
) -> None:
    (tmp_path / "packed").write_bytes(packed)
    fails(shell(f"$LLMZIP {arguments} >&-", tmp_path), CLOSED)


@pytest.mark.parametrize("arguments", ["", "-d", "list -", "compress -c /dev/stdin"])
def test_a_closed_standard_input_is_an_error_that_names_it(tmp_path: Path, arguments: str) -> None:
    fails(shell(f"$LLMZIP {arguments} <&-", tmp_path), "standard input: is closed")


def test_what_libraries_print_to_standard_output_is_no_data(packed: bytes) -> None:
    """Some print with C's printf, so that only the descriptor can tell them apart."""
    script = (
        "import os, sys; from llmzip.cli import jobs, program\n"
        "work = jobs._Run._verified\n"
        "def talking(*how):\n"
        "    print('Python says', flush=True); os.write(1, b'a library says\\n')\n"
        "    return work(*how)\n"
        "jobs._Run._verified = talking\n"
        "program()\n"
    )
    command = [sys.executable, "-c", script, "compress"]
    result = subprocess.run(command, input=NOISE, capture_output=True, env=environment())
    assert (result.returncode, result.stdout) == (0, packed)
    assert result.stderr == b"Python says\na library says\n"


@pytest.mark.parametrize("module", ["llmzip.descriptors", "llmzip.cli.main", "click", "xxhash"])
def test_ctrl_c_while_it_starts_is_quiet(module: str) -> None:
    script = (
        "import os, runpy, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # in a background job, too
        "class Impatient:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "sys.argv[1:] = ['--version']\n"
        "runpy.run_module('llmzip', run_name='__main__', alter_sys=True)\n"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, env=environment())
    assert (result.returncode, result.stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize("kilobytes", [90_000, 120_000, 150_000])
def test_too_little_memory_is_said_in_one_line(noise: Path, kilobytes: int) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (kilobytes << 10, kilobytes << 10))

    fails(llmzip("compress", noise, preexec_fn=limit), "not enough memory")
    assert not noise.with_name("noise.llmz").exists()


@pytest.mark.parametrize("kilobytes", [400_000, 700_000])
def test_too_little_memory_for_the_libraries_is_said_in_one_line(
    tmp_path: Path, tiny_llama_folder: Path, kilobytes: int
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (kilobytes << 10, kilobytes << 10))

    text = tmp_path / "text"
    text.write_bytes((Path(__file__).parents[2] / "LICENSE").read_bytes()[:3000])
    home = {"LLMZIP_HOME": str(tmp_path / "home")}  # where no model is prepared
    arguments = ("compress", "-q", "-m", tiny_llama_folder, text)
    fails(llmzip(*arguments, env=home, preexec_fn=limit), "not enough memory")
    assert not (tmp_path / "text.llmz").exists()
