"""`llmzip cat`: a part of a text, of which no more groups are decoded than hold it."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from cli_runner import COMMAND, NOISE, environment, fails, llmzip, start, succeeds
from hypothesis import given
from hypothesis import strategies as st

from llmzip import Decompressor
from llmzip.cli.excerpts import Excerpt, lines
from llmzip.cli.ranges import ByteRange, LineRange, byte_range, line_range
from llmzip.container import Chunk, Writer
from llmzip.errors import UsageError

N_GROUPS = 8
LINES = [f"{i}{'*' * (i % 40)}\n".encode() for i in range(800)]
GROUPS = [b"".join(LINES[i * 100 : i * 100 + 100]) for i in range(N_GROUPS)]
TEXT = b"".join(LINES)


def a_file(groups: list[bytes] = GROUPS) -> bytes:
    """A file with these groups, in two chunks each."""
    sink = io.BytesIO()
    writer = Writer(sink)
    for text in groups:
        half = len(text) // 2
        writer.group()
        writer.wave([Chunk.stored(text[:half]), Chunk.stored(text[half:])], text)
    writer.finish()
    return sink.getvalue()


FILE = a_file()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.llmz"
    path.write_bytes(FILE)
    return path


def excerpt(part: ByteRange | LineRange, file: bytes = FILE, seekable: bool = True) -> Any:
    source = io.BytesIO(file)
    source.seekable = lambda: seekable  # type: ignore[method-assign]
    return Excerpt(source, Decompressor(), part)


def test_a_range_within_one_group_of_eight_decodes_one(path: Path) -> None:
    start_at = len(b"".join(GROUPS[:5]))
    part = excerpt(ByteRange(start_at + 10, start_at + 400))
    assert b"".join(part) == TEXT[start_at + 10 : start_at + 400]
    assert part.groups == "1 of 8 groups decoded"
    result = llmzip("cat", "-v", "--range", f"{start_at + 10}:{start_at + 400}", path)
    assert (result.returncode, result.stdout) == (0, TEXT[start_at + 10 : start_at + 400])
    assert result.stderr.decode() == f"llmzip: {path}: 390 bytes; 1 of 8 groups decoded\n"


@given(
    st.one_of(st.none(), st.integers(-len(TEXT) - 20, len(TEXT) + 20)),
    st.one_of(st.none(), st.integers(-len(TEXT) - 20, len(TEXT) + 20)),
)
def test_a_range_is_a_slice_and_decodes_the_groups_that_hold_it(
    start_at: int | None, stop: int | None
) -> None:
    expected = TEXT[start_at:stop]
    part = excerpt(ByteRange(start_at, stop))
    assert part.n_bytes == len(expected)
    assert b"".join(part) == expected
    begin, end, _ = slice(start_at, stop).indices(len(TEXT))
    ends = [len(b"".join(GROUPS[: i + 1])) for i in range(N_GROUPS)]
    n_needed = sum(
        begin < group_end and end > group_end - len(group) and begin < end
        for group, group_end in zip(GROUPS, ends, strict=True)
    )
    assert part.groups == f"{n_needed} of 8 groups decoded"


@given(st.integers(0, len(TEXT) + 20), st.one_of(st.none(), st.integers(0, len(TEXT) + 20)))
def test_a_pipe_gives_the_same_and_is_read_no_further(start_at: int, stop: int | None) -> None:
    part = excerpt(ByteRange(start_at, stop), seekable=False)
    assert b"".join(part) == TEXT[start_at:stop]
    assert part.groups is None


@given(st.integers(1, 820), st.integers(0, 820), st.booleans(), st.booleans())
def test_lines_are_those_of_sed(first: int, more: int, to_the_end: bool, seekable: bool) -> None:
    last = None if to_the_end else first + more
    part = excerpt(LineRange(first, last), seekable=seekable)
    assert b"".join(part) == b"".join(LINES[first - 1 : last])
    if seekable and last is not None and last <= len(LINES):
        assert part.groups == f"{-(-last // 100)} of 8 groups decoded"


@given(
    st.binary(max_size=60).map(lambda b: bytes(b"\nab"[c % 3] for c in b)),
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(0, 12),
)
def test_lines_however_they_are_cut_into_pieces(
    text: bytes, step: int, first: int, more: int
) -> None:
    pieces = iter([text[i : i + step] for i in range(0, len(text), step)])
    expected = text.splitlines(keepends=True)[first - 1 : first + more]
    assert b"".join(lines(pieces, LineRange(first, first + more))) == b"".join(expected)


def test_sizes_have_suffixes_and_ends_may_be_left_out() -> None:
    assert byte_range("1K:2M") == ByteRange(1024, 2 << 20)
    assert byte_range("-64K:") == ByteRange(-65536, None)
    assert byte_range(":-1") == ByteRange(None, -1)
    assert byte_range(":") == ByteRange(None, None)
    assert line_range("3:7") == LineRange(3, 7)
    assert line_range(":7") == LineRange(1, 7)
    assert line_range("7:") == LineRange(7, None)


@pytest.mark.parametrize("text", ["", "5", "1:2:3", "a:b", "1-2", "--1:", "1:2x"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        byte_range(text)


@pytest.mark.parametrize("text", ["", "5", "0:3", "3:0", "-3:", "7:3", "a:", "1:2:3", "1K:2K"])
def test_what_are_no_lines_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        line_range(text)


def test_the_command_takes_files_and_pipes(path: Path) -> None:
    assert succeeds(llmzip("cat", path)) == TEXT
    assert succeeds(llmzip("cat", path, path)) == TEXT * 2
    assert succeeds(llmzip("cat", input=FILE)) == TEXT
    assert succeeds(llmzip("cat", "--range=-5:", path)) == TEXT[-5:]
    assert succeeds(llmzip("cat", "--range", "-5:", path, path)) == TEXT[-5:] * 2
    assert succeeds(llmzip("cat", "--range", ":1K", input=FILE)) == TEXT[:1024]
    assert succeeds(llmzip("cat", "--lines", "200:201", path)) == b"".join(LINES[199:201])
    last = b"".join(LINES[798:])
    assert succeeds(llmzip("cat", path, "--lines", "799:", "-", input=FILE)) == last * 2
    assert succeeds(llmzip("cat", "--range", "9G:", path)) == b""


def test_wrong_parts_and_wrong_files_are_one_line(path: Path, tmp_path: Path) -> None:
    fails(llmzip("cat", "--range", "5", path), "--range", "A:B")
    fails(llmzip("cat", "--lines", "0:1", path), "--lines", "from 1")
    fails(llmzip("cat", "--range", "0:1", "--lines", "1:2", path), "contradict")
    fails(llmzip("cat", "--range", "-5:", input=FILE), "standard input", "tail -c")
    fails(llmzip("cat", "--range", "0:1", "-", "-", input=FILE), "once")
    fails(llmzip("cat", "--range", "0:1", tmp_path), "Is a directory")
    (tmp_path / "text").write_bytes(NOISE)
    fails(llmzip("cat", "--range", "0:1", tmp_path / "text"), "text", "not a .llmz file")
    result = llmzip("cat", "--range", "0:3", tmp_path / "missing", path)
    assert (result.returncode, result.stdout) == (1, TEXT[:3])
    assert b"missing: No such file" in result.stderr
    with pytest.raises(UsageError, match="pipe"):
        excerpt(ByteRange(0, -5), seekable=False)


def test_damage_in_a_part_is_an_error_and_elsewhere_is_not_met(path: Path) -> None:
    data = bytearray(FILE)
    at = data.index(LINES[250])  # in the third group
    data[at] ^= 1
    path.write_bytes(bytes(data))
    assert succeeds(llmzip("cat", "--range", ":100", path)) == TEXT[:100]
    result = llmzip("cat", "--range", f"{TEXT.index(LINES[250])}:", path)
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 1
    assert LINES[250] not in result.stdout


def test_what_follows_a_file_is_left_out(path: Path) -> None:
    path.write_bytes(FILE + b"more")
    assert succeeds(llmzip("cat", "--range", "-4:", path)) == TEXT[-4:]
    result = llmzip("cat", "--range", "5:", input=FILE + b"more")
    assert (result.returncode, result.stdout) == (2, TEXT[5:])
    assert b"other data follows" in result.stderr


def test_joined_files_are_one_text(path: Path) -> None:
    path.write_bytes(FILE * 2)
    at = len(TEXT)
    assert succeeds(llmzip("cat", "--range", f"{at - 3}:{at + 3}", path)) == TEXT[-3:] + TEXT[:3]


def test_an_endless_pipe_is_left_where_the_part_ends(tmp_path: Path) -> None:
    """The writer is told by a signal that nobody reads on, as by head."""
    reading, writing = os.pipe()
    process = start("cat", "--lines", "1:2", stdin=reading)
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as pipe, pytest.raises(BrokenPipeError):
        pipe.writelines(itertools.repeat(FILE))
    out, errors = process.communicate()
    assert (process.returncode, out, errors) == (0, b"".join(LINES[:2]), b"")


def test_a_reader_that_goes_away_is_quiet(path: Path) -> None:
    path.write_bytes(a_file([NOISE * 100] * 3))
    command = f"{' '.join(COMMAND)} cat --range 5: '{path}' | head -c 5 | wc -c"
    result = subprocess.run(
        ["sh", "-c", command], capture_output=True, env=environment(), check=True
    )
    assert (result.stdout.strip(), result.stderr) == (b"5", b"")
