"""Every error is one line, exit status 1, no partial output, and the input is kept."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import NOISE, environment, fails, llmzip, names_in, succeeds

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "noise.llmz"
    path.write_bytes(succeeds(llmzip("compress", input=NOISE)))
    return path


def refused(path: Path, *words: str) -> None:
    """Decompress `path`, from the file and through a pipe: one line, nothing left behind."""
    before, names = path.read_bytes(), names_in(path.parent)
    fails(llmzip("decompress", path), path.name, *words)
    fails(llmzip("decompress", "-c", path), path.name, *words)
    fails(llmzip("-d", input=before), "standard input", *words)
    assert path.read_bytes() == before
    assert names_in(path.parent) == names


@pytest.mark.parametrize("data", [b"just a text\n", b"\x1f\x8b\x08\0", b"\0", NOISE])
def test_not_a_llmz_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "text.llmz"
    path.write_bytes(data)
    refused(path, "not a .llmz file")


def test_empty_compressed_input(tmp_path: Path) -> None:
    path = tmp_path / "empty.llmz"
    path.write_bytes(b"")
    refused(path, "empty")


@pytest.mark.parametrize("n_kept", [1, 4, 10, 1000, -1])
def test_truncated(packed: Path, n_kept: int) -> None:
    packed.write_bytes(packed.read_bytes()[:n_kept])
    refused(packed, "cut off")


@pytest.mark.parametrize("where", [0.0, 0.001, 0.5, 0.999])
def test_one_byte_flipped(packed: Path, where: float) -> None:
    data = bytearray(packed.read_bytes())
    data[int(where * len(data))] ^= 0x20
    packed.write_bytes(data)
    refused(packed)


def test_what_is_wrong_with_a_model_is_said_of_the_model_once(tmp_path: Path) -> None:
    texts = [tmp_path / name for name in ("a.txt", "b.txt")]
    for path in texts:
        path.write_text("Of many texts none is to blame for the model that they are to have.\n")
    fails(llmzip("compress", "-m", tmp_path / "none.GGUF", *texts), "llmzip: no folder or file")
    said = llmzip("score", "-m", tmp_path / "none.gguf", *texts).stderr
    assert said.count(b"no folder or file") == 1
    assert b"a.txt" not in said


def test_trailing_garbage(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes() + b"garbage")
    fails(llmzip("decompress", "--rm", packed), "other data follows", status=2)
    assert names_in(packed.parent) == ["noise", "noise.llmz"]
    assert packed.with_name("noise").read_bytes() == NOISE


def test_no_such_file(tmp_path: Path) -> None:
    fails(llmzip("compress", tmp_path / "absent"), "absent: No such file or directory")
    fails(llmzip("list", tmp_path / "absent"), "absent: No such file or directory")
    fails(llmzip("compress", tmp_path), f"{tmp_path} is a folder; use -r")


def test_no_such_folder_for_the_output(tmp_path: Path) -> None:
    out = tmp_path / "absent" / "out"
    fails(llmzip("compress", "-o", out, input=NOISE), f"{out}: No such file or directory")


@pytest.mark.skipif(sys.platform != "linux", reason="drops root's privileges the Linux way")
def test_no_permission(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "noise").write_bytes(NOISE)
    (tmp_path / "secret").write_bytes(NOISE)
    (tmp_path / "secret").chmod(0)
    closed.chmod(0o555)
    try:
        if _can_write(closed):
            pytest.skip("this user may write anywhere")
        out = f"{closed / 'noise.llmz'}: Permission denied"
        fails(llmzip("compress", closed / "noise", preexec_fn=_as_anybody), out)
        result = llmzip("compress", tmp_path / "secret", preexec_fn=_as_anybody)
        fails(result, "secret: Permission denied")
        assert names_in(closed) == ["noise"]
        assert names_in(tmp_path) == ["closed", "secret"]
    finally:
        closed.chmod(0o755)


def test_full_disk_under_standard_output_and_a_device(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb") as out:
        result = llmzip("compress", input=NOISE, stdout=out)
        fails(result, "standard output: No space left on device")
    fails(llmzip("compress", "-o", full, input=NOISE), "/dev/full: No space left on device")
    with full.open("wb") as out:
        result = llmzip("compress", input=NOISE, stdout=out, env={"PYTHONUNBUFFERED": "1"})
        fails(result, "No space left on device")


def test_full_disk_under_a_file_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "noise"
    source.write_bytes(random.Random(2).randbytes(30_000))
    limit = (10_000, 10_000)

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    fails(
        llmzip("compress", source, preexec_fn=small_files_only, cwd=tmp_path),
        "noise.llmz: File too large",
    )
    assert names_in(tmp_path) == ["noise"]


def test_closed_standard_streams() -> None:
    for redirection, words in (("<&-", "standard input"), ("</dev/null >&-", "standard output")):
        shell = f'"{sys.executable}" -m llmzip compress {redirection}'
        result = subprocess.run(
            ["/bin/sh", "-c", shell], capture_output=True, env=environment(), check=False
        )
        fails(result, f"{words}: is closed")


@pytest.mark.parametrize("model", ["no-such-model", "nobody/nothing", "./no/such/folder"])
def test_model_that_is_not_there(tmp_path: Path, model: str) -> None:
    text = b"a text that is long enough to need a model\n"
    out = tmp_path / "out.llmz"
    result = llmzip("compress", "-q", "-m", model, "-o", out, input=text, env=_offline(tmp_path))
    fails(result, Path(model).name)
    assert not out.exists()


def test_default_model_without_network(tmp_path: Path) -> None:
    source = tmp_path / "text"
    source.write_bytes(b"a text that is long enough to need a model\n")
    result = llmzip("compress", "-q", source, env=_offline(tmp_path))
    fails(result, "smollm2-135m")
    assert names_in(tmp_path) == ["home", "text"] or names_in(tmp_path) == ["text"]


def _offline(tmp_path: Path) -> dict[str, str]:
    nowhere = "http://127.0.0.1:9"
    return {
        "LLMZIP_HOME": str(tmp_path / "home"),
        "HF_HOME": str(tmp_path / "home" / "hub"),
        "HF_HUB_OFFLINE": "1",
        "PIP_INDEX_URL": nowhere,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
        "PIP_FIND_LINKS": "",
        "PIP_EXTRA_INDEX_URL": "",
    }


def _as_anybody() -> None:
    """Give up root's right to open anything: what the process executes next has it no more."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def _can_write(folder: Path) -> bool:
    probe = f"open({str(folder / 'probe')!r}, 'wb')"
    result = subprocess.run(
        [sys.executable, "-c", probe], preexec_fn=_as_anybody, capture_output=True, check=False
    )
    return result.returncode == 0
