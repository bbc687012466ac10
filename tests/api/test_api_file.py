"""LlmzFile behaves as lzma.LZMAFile does: CPython's cases for it, as far as they apply.

Not applicable: formats, checks and filters, which .llmz has none of. Different on purpose: what
follows the last member and is no padding is an error, never dropped in silence.
"""

from __future__ import annotations

import array
import io
from pathlib import Path

import pytest
from file_samples import BOGUS, PACKED, TEXT

import llmzip
from llmzip import LlmzFile
from llmzip.errors import FormatError, TruncatedError

LINES = io.BytesIO(TEXT).readlines()


def reading(packed: bytes = PACKED) -> LlmzFile:
    return LlmzFile(io.BytesIO(packed))


def without_seek(packed: bytes = PACKED) -> io.BytesIO:
    source = io.BytesIO(packed)
    source.seekable = lambda: False  # type: ignore[method-assign]
    return source


@pytest.mark.parametrize("mode", ["w", "x", "a", "wb", "xb", "ab"])
def test_a_file_object_can_be_written_to_in_each_mode(mode: str) -> None:
    with LlmzFile(io.BytesIO(), mode):
        pass


@pytest.mark.parametrize("kind", [str, Path, lambda name: str(name).encode()])
def test_a_name_is_a_str_a_path_or_bytes(tmp_path: Path, kind: type) -> None:
    name = kind(tmp_path / "file.llmz")
    with LlmzFile(name, "w") as file:
        file.write(TEXT)
    with LlmzFile(name, "a") as file:
        file.write(TEXT)
    with LlmzFile(name) as file:
        assert file.read() == TEXT * 2
        assert file.name == (str(name) if isinstance(name, Path) else name)


@pytest.mark.parametrize("mode", ["x", "xb"])
def test_x_refuses_a_file_that_is_there(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "file.llmz"
    with LlmzFile(path, mode):
        pass
    with pytest.raises(FileExistsError):
        LlmzFile(path, mode)


@pytest.mark.parametrize(
    "mode", ["", "xt", "x+", "rx", "wx", "rt", "r+", "wt", "w+", "rw", (3, "x")]
)
def test_other_modes_are_refused(mode: str) -> None:
    with pytest.raises(ValueError, match="invalid mode"):
        LlmzFile(io.BytesIO(PACKED), mode)


def test_what_is_no_file_and_a_level_for_reading_are_type_errors() -> None:
    with pytest.raises(TypeError):
        LlmzFile(3.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        LlmzFile(io.BytesIO(PACKED), level=3)


def test_closing_leaves_a_given_file_object_open() -> None:
    source = io.BytesIO(PACKED)
    file = LlmzFile(source)
    file.close()
    file.close()
    assert file.closed
    assert not source.closed


def test_what_a_file_can_do_depends_on_its_mode_and_ends_with_it() -> None:
    file = reading()
    assert (file.readable(), file.writable(), file.seekable(), file.mode) == (
        True,
        False,
        True,
        "rb",
    )
    file.read()
    assert file.seekable()
    file.close()
    writer = LlmzFile(io.BytesIO(), "w")
    assert (writer.readable(), writer.writable(), writer.seekable()) == (False, True, False)
    assert writer.mode == "wb"
    writer.close()
    for closed in (file, writer):
        for ask in (closed.readable, closed.writable, closed.seekable, closed.fileno, closed.tell):
            with pytest.raises(ValueError, match="closed"):
                ask()


def test_a_file_that_cannot_seek_is_read_all_the_same() -> None:
    with LlmzFile(without_seek()) as file:
        assert not file.seekable()
        with pytest.raises(io.UnsupportedOperation):
            file.seek(3)
        assert file.read() == TEXT


def test_fileno_is_that_of_the_file_below(tmp_path: Path) -> None:
    with reading() as file, pytest.raises(io.UnsupportedOperation):
        file.fileno()
    path = tmp_path / "file.llmz"
    path.write_bytes(PACKED)
    with path.open("rb") as below, LlmzFile(below) as file:
        assert file.fileno() == below.fileno()


def test_reading() -> None:
    with reading() as file:
        assert file.read(0) == b""
        assert file.read() == TEXT
        assert file.read() == b""
    with reading(PACKED * 5) as file:
        assert file.read() == TEXT * 5


@pytest.mark.parametrize("size", [1, 10, 700])
def test_reading_in_pieces(size: int) -> None:
    with reading() as file:
        assert b"".join(iter(lambda: file.read(size), b"")) == TEXT
    with reading(PACKED * 2) as file:
        pieces = list(iter(lambda: file.read1(size), b""))
    assert b"".join(pieces) == TEXT * 2
    assert max(map(len, pieces)) <= size


def test_read1_readinto_and_peek() -> None:
    with reading(PACKED * 3) as file:
        assert file.read1(0) == b""
        assert file.peek().startswith(TEXT[:1])
        assert TEXT.startswith(file.peek(10)[: len(TEXT)])
        buffer = bytearray(100)
        assert file.readinto(buffer) == 100
        assert bytes(buffer) + b"".join(iter(file.read1, b"")) == TEXT * 3


def test_lines() -> None:
    with reading() as file:
        assert list(file) == LINES
    with reading() as file:
        assert [file.readline() for _ in LINES] == LINES
    with reading() as file:
        assert file.readlines() == LINES


@pytest.mark.parametrize("packed", [BOGUS, PACKED + BOGUS, PACKED * 3 + BOGUS])
def test_what_is_no_llmz_is_an_error_wherever_it_stands(packed: bytes) -> None:
    with reading(packed) as file, pytest.raises(FormatError):
        file.read()


def test_a_file_that_ends_early_is_an_end_of_file_error() -> None:
    sequence = io.BytesIO()
    from llmzip.container import Chunk, Writer

    writer = Writer(sequence)
    for _ in range(2):
        writer.group()
        writer.wave([Chunk.stored(TEXT)], TEXT)
    writer.finish()
    cut = sequence.getvalue()[:-7]
    with reading(cut) as file, pytest.raises(EOFError):
        file.read()
    with reading(cut) as file:
        assert file.read(2 * len(TEXT)) == 2 * TEXT
        with pytest.raises(TruncatedError):
            file.read(1)
    for size in range(12):
        with reading(cut[:size]) as file, pytest.raises(EOFError):
            file.read(1)


def test_reading_what_is_for_writing_and_the_other_way_round() -> None:
    with LlmzFile(io.BytesIO(), "w") as file:
        for read in (file.read, file.read1, file.peek, file.readline, lambda: file.seek(0)):
            with pytest.raises(ValueError, match="not open for reading"):
                read()
    with reading() as file:
        with pytest.raises(ValueError, match="not open for writing"):
            file.write(b"bar")
        with pytest.raises(TypeError):
            file.read(0.0)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            file.read1(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [10, len(TEXT)])
def test_writing_gives_the_bytes_of_compress(step: int) -> None:
    sink = io.BytesIO()
    with LlmzFile(sink, "w") as file:
        for start in range(0, len(TEXT), step):
            assert file.tell() == start
            file.write(TEXT[start : start + step])
    assert sink.getvalue() == PACKED


def test_writelines_and_appending() -> None:
    sink = io.BytesIO()
    with LlmzFile(sink, "w") as file:
        file.writelines(LINES)
    with LlmzFile(sink, "a") as file:
        file.write(TEXT)
    assert sink.getvalue() == PACKED * 2


@pytest.mark.parametrize("data", [None, "text", 789])
def test_only_bytes_can_be_written(data: object) -> None:
    with LlmzFile(io.BytesIO(), "w") as file, pytest.raises(TypeError, match="bytes-like"):
        file.write(data)  # type: ignore[arg-type]


def test_anything_with_a_buffer_can_be_written() -> None:
    numbers = array.array("Q", [1, 2, 3, 4, 5])
    with LlmzFile(io.BytesIO(), "w") as file:
        assert file.write(numbers) == 40
        assert file.tell() == 40
    with pytest.raises(ValueError, match="closed"):
        file.write(b"foo")


@pytest.mark.parametrize(
    ("first", "offset", "whence", "rest"),
    [
        (0, 555, 0, (TEXT * 2)[555:]),
        (0, len(TEXT) + 123, 0, TEXT[123:]),
        (100, 1236, 1, (TEXT * 2)[1336:]),
        (0, -555, 2, TEXT[-555:]),
        (1001, 211, 0, (TEXT * 2)[211:]),
        (len(TEXT) + 333, 737, 0, (TEXT * 2)[737:]),
        (0, 2 * len(TEXT) + 9001, 0, b""),
        (5, -88, 0, TEXT * 2),
    ],
)
def test_seeking(first: int, offset: int, whence: int, rest: bytes) -> None:
    with reading(PACKED * 2) as file:
        file.read(first)
        assert file.seek(offset, whence) == 2 * len(TEXT) - len(rest)
        assert file.tell() == 2 * len(TEXT) - len(rest)
        assert file.read() == rest


def test_seeking_to_nowhere() -> None:
    with reading() as file:
        with pytest.raises(ValueError, match="whence"):
            file.seek(0, 3)
        for offset in (None, b"derp"):
            with pytest.raises(TypeError):
                file.seek(offset)  # type: ignore[arg-type]


def test_tell_counts_what_was_read() -> None:
    at = 0
    with reading() as file:
        while piece := file.read(183):
            at += len(piece)
            assert file.tell() == at
    assert at == len(TEXT)


def test_files_are_opened_in_binary_and_in_text_modes(tmp_path: Path) -> None:
    path = tmp_path / "text.llmz"  # of texts that are too short for a model
    with llmzip.open(path, "wt", encoding="utf-16-le", newline="\n") as file:
        file.write("für\nan\n")
    with llmzip.open(path, "at", encoding="utf-16-le", newline="\n") as file:
        file.write("zu\n")
    with llmzip.open(path) as file:
        assert file.read() == "für\nan\nzu\n".encode("utf-16-le")
    with llmzip.open(path, "rt", encoding="utf-16-le") as file:
        assert file.readlines() == ["für\n", "an\n", "zu\n"]
    with pytest.raises(FileExistsError):
        llmzip.open(path, "xt", encoding="ascii")


def test_errors_and_newlines_of_text_are_those_of_the_built_in_open() -> None:
    packed = io.BytesIO(llmzip.compress(b"foo\xffbar"))
    with llmzip.open(packed, "rt", encoding="ascii", errors="ignore") as file:
        assert file.read() == "foobar"
    packed = io.BytesIO(llmzip.compress(b"a\r\nb\n"))
    with llmzip.open(packed, "rt", encoding="ascii", newline="\r") as file:
        assert file.readlines() == ["a\r", "\nb\n"]


@pytest.mark.parametrize(
    ("mode", "how"),
    [
        ("", {}),
        ("rbt", {}),
        ("rb", {"encoding": "utf-8"}),
        ("rb", {"errors": "ignore"}),
        ("rb", {"newline": "\n"}),
    ],
)
def test_modes_and_arguments_that_contradict_each_other(mode: str, how: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"invalid mode|text modes only"):
        llmzip.open(io.BytesIO(PACKED), mode, **how)
