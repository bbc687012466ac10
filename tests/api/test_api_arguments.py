"""What may be passed: anything with a buffer; for the rest a TypeError that says what to pass."""

from __future__ import annotations

import array
import inspect
import io
import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from file_samples import BOGUS, PACKED, TEXT

import llmzip
from llmzip import Compressor, Decompressor
from llmzip.errors import NotLlmzError, TruncatedError, UsageError

GRID = np.frombuffer(TEXT[:600], "<u2").reshape(20, 15)


@pytest.fixture
def mapped(tmp_path: Path) -> Iterator[Callable[[bytes], mmap.mmap]]:
    maps = []

    def make(data: bytes) -> mmap.mmap:
        path = tmp_path / "mapped"
        path.write_bytes(data)
        with path.open("r+b") as file:
            maps.append(mmap.mmap(file.fileno(), 0))
        return maps[-1]

    yield make
    for made in maps:
        made.close()  # fails where a view of it is still held


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, lambda data: array.array("B", data)]
)
def test_all_that_has_a_buffer_is_taken(kind: Callable[[bytes], Any]) -> None:
    assert llmzip.compress(kind(TEXT)) == PACKED
    assert llmzip.decompress(kind(PACKED)) == TEXT


def test_a_mapped_file_is_taken_and_let_go(mapped: Callable[[bytes], mmap.mmap]) -> None:
    text = mapped(TEXT)
    text.seek(10)  # the bytes are meant, wherever it is read from as a file
    assert llmzip.compress(text) == PACKED
    assert llmzip.decompress(mapped(PACKED)) == TEXT


@pytest.mark.parametrize(
    "numbers",
    [
        GRID,
        GRID[::2, 3:],
        GRID.T,
        GRID.astype(">i4"),
        GRID.astype("f2"),
        np.array(GRID[0, 0]),
        np.zeros((3, 0)),
        np.array(["2026-09-01"], "M8[s]"),
        np.zeros(2, [("a", "i2"), ("b", "f8")]),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_an_array_of_numpy_is_the_bytes_of_its_elements_in_order(numbers: Any) -> None:
    assert llmzip.decompress(llmzip.compress(numbers)) == numbers.tobytes()


def test_a_view_with_gaps_is_what_it_shows() -> None:
    assert llmzip.decompress(llmzip.compress(memoryview(TEXT)[::-3])) == TEXT[::-3]
    spread = bytes(byte for pair in zip(PACKED, PACKED, strict=True) for byte in pair)
    assert llmzip.decompress(memoryview(spread)[::2]) == TEXT


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2], 2.5, {}, io.BytesIO(TEXT)])
def test_other_types_are_named(data: Any) -> None:
    for function in (llmzip.compress, llmzip.decompress, llmzip.LlmzDecompressor().decompress):
        with pytest.raises(TypeError, match=rf"bytes-like .*\b{type(data).__name__}$"):
            function(data)


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(TypeError, match="objects"):
        llmzip.compress(cast(Any, np.array([object(), "text"])))


def test_the_level_may_be_positional_and_all_else_may_not() -> None:
    arguments = list(inspect.signature(llmzip.compress).parameters.values())
    assert [(a.name, a.default) for a in arguments[:2]] == [
        ("data", inspect.Parameter.empty),
        ("level", 5),
    ]
    assert all(a.kind is inspect.Parameter.KEYWORD_ONLY for a in arguments[2:])
    assert llmzip.compress(TEXT, 9) == llmzip.compress(TEXT, level=cast(Any, np.int64(9)))
    with pytest.raises(UsageError, match="level cannot be 10"):
        llmzip.compress(TEXT, 10)
    with pytest.raises(TypeError, match="positional"):
        llmzip.decompress(*cast(Any, (PACKED, 9)))


@pytest.mark.parametrize("level", ["9", 5.0, None, b"1"])
def test_a_level_that_is_no_integer_is_a_type_error_that_shows_it(level: Any) -> None:
    for call in (lambda: llmzip.compress(TEXT, level), lambda: Compressor(level=level)):
        with pytest.raises(TypeError, match=r"an int from 1 to 9, not (the .* )?" + repr(level)):
            call()


def test_a_dictionary_has_a_buffer_too() -> None:
    with pytest.raises(TypeError, match="not str"):
        Compressor(dictionary="text")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="0 bytes"):
        Decompressor(dictionary=array.array("Q"))
    Compressor(dictionary=array.array("Q", [1, 2]))


STREAM_METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "compress": lambda a, b: Compressor().compress(a, b),
    "resume compressing": lambda a, b: Compressor().resume(a, b),
    "decompress": lambda a, b: Decompressor().decompress(a, b),
    "resume decompressing": lambda a, b: Decompressor().resume(a, b),
    "recover": lambda a, b: Decompressor().recover(a, b),
}
READ_METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "pieces": lambda a, _: next(Decompressor().pieces(a)),
    "access": lambda a, _: Decompressor().access(a),
    "decoded_size": lambda a, _: Decompressor().decoded_size(a),
}


@pytest.mark.parametrize("name", [*STREAM_METHODS, *READ_METHODS])
@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("file.txt", r"to read is required, not str: pass open\(path, 'rb'\)"),
        (Path("file.txt"), r"open\(path, 'rb'\)"),
        (b"data", r"not bytes: pass io.BytesIO\(data\)"),
        (io.StringIO("text"), r"one of text: open the file with mode 'rb'"),
        (None, r"not NoneType$"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_source_is_a_type_error_with_advice(name: str, source: Any, advice: str) -> None:
    method = (STREAM_METHODS | READ_METHODS)[name]
    with pytest.raises(TypeError, match=advice):
        method(source, io.BytesIO())


@pytest.mark.parametrize("name", STREAM_METHODS)
@pytest.mark.parametrize(
    "sink",
    ["file.txt", Path("file.txt"), io.StringIO(), None],
    ids=lambda sink: type(sink).__name__,
)
def test_what_is_no_sink_is_a_type_error_before_anything_is_read(name: str, sink: Any) -> None:
    source = io.BytesIO(TEXT)
    with pytest.raises(TypeError, match="to write is required"):
        STREAM_METHODS[name](source, sink)
    assert source.tell() == 0


def test_is_llmz_takes_bytes_paths_and_files(
    tmp_path: Path, mapped: Callable[[bytes], mmap.mmap]
) -> None:
    for data, expected in ((PACKED, True), (BOGUS, False), (b"", False), (PACKED[:2], False)):
        path = tmp_path / "file"
        path.write_bytes(data)
        assert llmzip.is_llmz(data) is expected
        assert llmzip.is_llmz(memoryview(data)) is expected
        assert llmzip.is_llmz(path) is expected
        assert llmzip.is_llmz(str(path)) is expected
        with path.open("rb") as file:
            assert llmzip.is_llmz(file) is expected
    assert llmzip.is_llmz(mapped(PACKED))


def test_is_llmz_leaves_a_file_object_where_it_stood() -> None:
    source = io.BytesIO(b"12345" + PACKED)
    source.seek(5)
    assert llmzip.is_llmz(source)
    assert source.tell() == 5
    source.seek(0)
    assert not llmzip.is_llmz(source)
    assert source.tell() == 0
    with llmzip.open(io.BytesIO(llmzip.compress(PACKED))) as file:
        assert llmzip.is_llmz(file)
        assert file.read() == PACKED


def test_is_llmz_says_why_it_cannot_tell(tmp_path: Path) -> None:
    pipe = io.BytesIO(PACKED)
    pipe.seekable = lambda: False  # type: ignore[method-assign]
    with pytest.raises(io.UnsupportedOperation, match="cannot seek"):
        llmzip.is_llmz(pipe)
    with pytest.raises(FileNotFoundError):
        llmzip.is_llmz(tmp_path / "missing")
    for source in (5, None, ["x"]):
        with pytest.raises(TypeError, match=type(source).__name__):
            llmzip.is_llmz(source)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="mode 'rb'"):
        llmzip.is_llmz(io.StringIO("text"))  # type: ignore[arg-type]


def test_inspect_takes_the_same(tmp_path: Path) -> None:
    path = tmp_path / "file.llmz"
    path.write_bytes(PACKED * 2)
    for source in (path, str(path), PACKED * 2, memoryview(PACKED * 2), io.BytesIO(PACKED * 2)):
        assert [member.n_bytes for member in llmzip.inspect(source)] == [len(TEXT)] * 2
    pipe = io.BytesIO(PACKED)
    pipe.seekable = lambda: False  # type: ignore[method-assign]
    assert [member.n_bytes for member in llmzip.inspect(pipe)] == [len(TEXT)]
    with pytest.raises(NotLlmzError):
        list(llmzip.inspect(BOGUS))
    with pytest.raises(TruncatedError):
        list(llmzip.inspect(PACKED[:-1]))
