"""--max-output and --memlimit, and files of very many members: a line, and nothing is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import COMMAND, environment, fails, llmzip, names_in, succeeds

from llmzip.container import Kind
from llmzip.container.limits import SIGNATURE
from llmzip.container.wire import varint

ZEROS = bytes(200_000)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Return a file of 200,000 bytes, made without a model."""
    path = tmp_path / "zeros.llmz"
    path.write_bytes(succeeds(llmzip("compress", input=ZEROS)))
    return path


def test_a_file_within_the_limit_is_decompressed(packed: Path) -> None:
    succeeds(llmzip("decompress", "--max-output", "196KiB", "--memlimit", "1M", packed))
    assert packed.with_suffix("").read_bytes() == ZEROS


@pytest.mark.parametrize("limit", ["199999", "195K"])
def test_a_file_beyond_the_limit_is_refused_and_nothing_is_written(
    packed: Path, limit: str
) -> None:
    fails(llmzip("decompress", "--max-output", limit, packed), "zeros.llmz", "--max-output allows")
    assert names_in(packed.parent) == ["zeros.llmz"]


def test_what_comes_through_a_pipe_is_limited_too(packed: Path) -> None:
    result = llmzip("-d", "--max-output", "199999", input=packed.read_bytes())
    fails(result, "standard input", "--max-output allows 199,999")


@pytest.mark.parametrize("option", ["--max-output", "--memlimit"])
def test_a_limit_is_a_size(packed: Path, option: str) -> None:
    fails(llmzip("decompress", option, "much", packed), "is no size")
    fails(llmzip("decompress", option, "0", packed), "cannot be 0")


def test_list_shows_what_decompress_would_refuse(tmp_path: Path) -> None:
    """A file of 64 bytes a chunk that claims 16 MiB in each: to look at it costs nothing."""
    path = tmp_path / "claims.llmz"
    path.write_bytes(bomb(70))
    assert b"1,174,405,120" in succeeds(llmzip("list", path))
    fails(llmzip("decompress", path), "claims.llmz", "no text does", "--max-output SIZE")
    assert names_in(tmp_path) == ["claims.llmz"]


def bomb(n_chunks: int) -> bytes:
    """Return a file of chunks without payload, 16 MiB each, one a group; no checksum of text."""
    from llmzip.container import Chunk, End, GroupEntry, Kind, bodies
    from llmzip.container.wire import crc32, frame

    out = SIGNATURE + frame(0x10, b"")
    wave = frame(bodies.TAG_WAVE, bodies.pack_wave([Chunk(Kind.MIXED, 1 << 24, 0, bytes(4), b"")]))
    groups = []
    for _ in range(n_chunks):
        groups.append(GroupEntry(len(out), 1 << 24))
        out += frame(bodies.TAG_GROUP, b"\0") + wave + crc32(b"")
    end = frame(bodies.TAG_END, bodies.pack_end(End(n_chunks << 24, bytes(8), groups), len(out)))
    return out + end + len(end).to_bytes(4, "little") + b"ML\x89"


def peak_kib(*arguments: str | Path) -> int:
    """Return how much memory llmzip takes at most to do `arguments`, in KiB."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", code, *COMMAND, *map(str, arguments)]
    result = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, check=True)
    return int(result.stdout)


def test_list_keeps_nothing_of_a_member(tmp_path: Path) -> None:
    """40,000 members of 12 bytes: a summary of each would take 25 MB."""
    member = succeeds(llmzip("compress", input=b"a"))
    one, many = tmp_path / "one.llmz", tmp_path / "many.llmz"
    one.write_bytes(member)
    many.write_bytes(member * 40_000)
    assert len(member) == 3 + 1 + 1 + 4 + 2 + len(varint(1))
    assert peak_kib("list", many) - peak_kib("list", one) < 6 << 10
    assert b" 40,000 " in succeeds(llmzip("list", many))


def test_names_of_many_models_are_cut_short(tmp_path: Path) -> None:
    import io

    from llmzip.container import Chunk, ModelRef, Writer

    file = b""
    for i in range(30):
        sink = io.BytesIO()
        writer = Writer(sink)
        writer.model(ModelRef(f"model-{i}", "hub:some/one", bytes([i] * 6)))
        writer.group()
        writer.wave([Chunk.spelled(Kind.LM, b"text", 1, b"x")], b"text")
        writer.finish()
        file += sink.getvalue()
    path = tmp_path / "models.llmz"
    path.write_bytes(file)
    shown = succeeds(llmzip("list", path)).decode()
    assert shown.count("model-") == 8
    assert "model-7, ..." in shown
