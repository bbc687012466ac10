"""--resume: what a killed run has done is kept, and the result is as if nothing had happened."""

from __future__ import annotations

import fcntl
import io
import os
import random
import signal
import stat
import time
from pathlib import Path

import pytest
from cli_runner import NOISE, fails, hear, llmzip, names_in, start, succeeds

from llmzip.codec.levels import LEVELS
from llmzip.container import Chunk, Kind, ModelRef, Writer

GROUP = 1 << 20
NOISE_GROUPS = random.Random(31).randbytes(3 * GROUP + 1000)
PARTIAL = ".in.llmz.partial"


@pytest.fixture(scope="module")
def packed() -> bytes:
    return succeeds(llmzip("-1", input=NOISE_GROUPS))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.write_bytes(NOISE_GROUPS)
    return path


@pytest.mark.parametrize(
    "n_kept", [0, 1, 5, 12, GROUP, GROUP + 100, 2 * GROUP + 80, -100, -1, None]
)
def test_any_beginning_is_completed_to_the_same_bytes(
    source: Path, packed: bytes, n_kept: int | None
) -> None:
    partial = source.with_name(PARTIAL)
    partial.write_bytes(packed[:n_kept])
    succeeds(llmzip("compress", "-1", "--resume", "--verify", "--rm", source))
    assert names_in(source.parent) == ["in.llmz"]
    assert (source.parent / "in.llmz").read_bytes() == packed


@pytest.mark.parametrize("n_kept", [0, 1, GROUP, GROUP + 1, 3 * GROUP, 3 * GROUP + 999, None])
def test_any_beginning_of_a_text_is_completed(
    tmp_path: Path, packed: bytes, n_kept: int | None
) -> None:
    (tmp_path / "in.llmz").write_bytes(packed)
    (tmp_path / ".in.partial").write_bytes(NOISE_GROUPS[:n_kept])
    succeeds(llmzip("decompress", "--resume", "--rm", tmp_path / "in.llmz"))
    assert names_in(tmp_path) == ["in"]
    assert (tmp_path / "in").read_bytes() == NOISE_GROUPS


def test_what_kill_leaves_of_a_pipe_is_gone_on_with(source: Path, packed: bytes) -> None:
    partial = source.with_name(PARTIAL)
    process = start("compress", "-1", "--resume", "-", "-o", "in.llmz", cwd=source.parent)
    assert process.stdin is not None
    process.stdin.write(NOISE_GROUPS[: 2 * GROUP + 70_000])
    process.stdin.flush()
    _wait_for(lambda: partial.exists() and partial.stat().st_size > GROUP)
    assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    process.kill()
    process.communicate()
    n_kept = partial.stat().st_size
    assert packed.startswith(partial.read_bytes())
    succeeds(llmzip("compress", "-1", "--resume", source))
    assert source.with_name("in.llmz").read_bytes() == packed
    assert n_kept > GROUP


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_a_signal_ends_is_kept(tmp_path: Path, packed: bytes, number: int) -> None:
    hear(number)
    process = start("compress", "-1", "--resume", "-", "-o", "in.llmz", cwd=tmp_path)
    partial = tmp_path / PARTIAL
    assert process.stdin is not None
    process.stdin.write(NOISE_GROUPS[:-1])
    process.stdin.flush()
    _wait_for(lambda: partial.exists() and partial.stat().st_size > GROUP)
    process.send_signal(number)
    assert process.communicate()[1] == b""
    assert process.returncode == -number
    assert names_in(tmp_path) == [PARTIAL]
    result = llmzip(
        "compress", "-1", "--resume", "-", "-o", "in.llmz", cwd=tmp_path, input=NOISE_GROUPS
    )
    succeeds(result)
    assert names_in(tmp_path) == ["in.llmz"]
    assert (tmp_path / "in.llmz").read_bytes() == packed


def test_what_does_not_fit_is_refused_and_kept(source: Path, packed: bytes) -> None:
    partial = source.with_name(PARTIAL)
    other = succeeds(llmzip("-1", input=bytes(1) + NOISE_GROUPS))
    for data, words in (
        (b"something else", "options"),
        (other[:-10], "another input"),
        (succeeds(llmzip("-3", input=NOISE_GROUPS))[:-10], "options"),
    ):
        partial.write_bytes(data)
        fails(llmzip("compress", "-1", "--resume", source), words, "--resume", "remove")
        assert partial.read_bytes() == data
    (source.parent / "in.llmz").write_bytes(packed)
    source.rename(source.with_name("text"))
    for data in (b"x" * GROUP, NOISE_GROUPS + b"x"):
        source.with_name(".in.partial").write_bytes(data)
        fails(llmzip("decompress", "--resume", f"{source}.llmz"), "--resume", "remove")
        assert source.with_name(".in.partial").read_bytes() == data
        assert not source.exists()


def test_a_partial_file_in_use_or_not_ours_is_left_alone(source: Path, packed: bytes) -> None:
    partial = source.with_name(PARTIAL)
    partial.write_bytes(packed[:GROUP])
    with partial.open("rb+") as used:
        fcntl.flock(used, fcntl.LOCK_EX)
        fails(llmzip("compress", "-1", "--resume", source), "in use")
    partial.rename(source.with_name("precious"))
    for link in (partial.symlink_to, partial.hardlink_to):
        link(source.with_name("precious"))
        fails(llmzip("compress", "-1", "--resume", source), "remove it")
        partial.unlink()
    os.mkfifo(partial)
    fails(llmzip("compress", "-1", "--resume", source), "remove it")
    assert source.with_name("precious").read_bytes() == packed[:GROUP]


def test_decompressing_a_pipe_cannot_go_on(tmp_path: Path, packed: bytes) -> None:
    result = llmzip("decompress", "--resume", "-", "-o", tmp_path / "out", input=packed)
    fails(result, "pipe")
    assert names_in(tmp_path) == []


def test_several_members_and_an_empty_text(tmp_path: Path, packed: bytes) -> None:
    small = succeeds(llmzip(input=NOISE))
    (tmp_path / "in.llmz").write_bytes(small + packed + small)
    text = NOISE + NOISE_GROUPS + NOISE
    for n_kept in (
        10,
        len(NOISE),
        len(NOISE) + GROUP + 5,
        len(NOISE) + len(NOISE_GROUPS),
        len(text),
    ):
        (tmp_path / ".in.partial").write_bytes(text[:n_kept])
        succeeds(llmzip("decompress", "-f", "--resume", tmp_path / "in.llmz"))
        assert (tmp_path / "in").read_bytes() == text
    (tmp_path / "none").write_bytes(b"")
    succeeds(llmzip("compress", "--resume", "--rm", tmp_path / "none"))
    succeeds(llmzip("decompress", "--resume", "--rm", tmp_path / "none.llmz"))
    assert names_in(tmp_path) == ["in", "in.llmz", "none"]


def test_another_model_is_refused(tmp_path: Path, tiny_gpt2_folder: Path) -> None:
    (tmp_path / "in").write_bytes(NOISE_GROUPS)
    begun = io.BytesIO()
    writer = Writer(begun, LEVELS[2].options)
    writer.model(ModelRef("another", "local", b"finger"))
    for start_at in (0, GROUP):
        data = NOISE_GROUPS[start_at : start_at + GROUP]
        writer.group()
        writer.wave([Chunk.spelled(Kind.LM, data, 1024, b"a payload")], data)
    (tmp_path / PARTIAL).write_bytes(begun.getvalue())
    result = llmzip("compress", "-q", "-2", "-m", tiny_gpt2_folder, "--resume", "in", cwd=tmp_path)
    fails(result, "another model")
    assert (tmp_path / PARTIAL).read_bytes() == begun.getvalue()


def _wait_for(condition: object, timeout_s: float = 60) -> None:
    assert callable(condition)
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "waited too long"
        time.sleep(0.02)
