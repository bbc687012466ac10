"""What hands know from Python's compression modules: a line each; see tests/cli/habits.sh."""

from __future__ import annotations

import array
import io
import mmap
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import llmzip

NOISE = random.Random(3).randbytes(3_000)
PACKED = llmzip.compress(NOISE)


def comes_back(packed: bytes) -> bool:
    return llmzip.decompress(packed) == NOISE


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, np.frombuffer])
def test_bytes_and_their_like(kind: type) -> None:
    data = kind(NOISE) if kind is not np.frombuffer else np.frombuffer(NOISE, np.uint8)
    assert comes_back(llmzip.compress(data))
    packed = kind(PACKED) if kind is not np.frombuffer else np.frombuffer(PACKED, np.uint8)
    assert llmzip.decompress(packed) == NOISE


def test_arrays_and_mapped_files(tmp_path: Path) -> None:
    numbers = array.array("d", np.random.default_rng(1).random(40).tolist())
    assert llmzip.decompress(llmzip.compress(numbers)) == numbers.tobytes()
    (tmp_path / "noise").write_bytes(NOISE)
    with (tmp_path / "noise").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=1) as mapped:
        assert comes_back(llmzip.compress(mapped))


@pytest.mark.parametrize("wrong", ["text", None, 5, [1, 2]], ids=lambda wrong: type(wrong).__name__)
def test_what_holds_no_bytes_is_a_type_error_that_names_it(wrong: object) -> None:
    for work in (llmzip.compress, llmzip.decompress):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            work(wrong)  # type: ignore[arg-type]


def test_the_level_comes_second() -> None:
    assert comes_back(llmzip.compress(NOISE, 9))
    assert comes_back(llmzip.compress(NOISE, level=1))


def test_a_level_that_is_no_number_and_a_path_for_a_stream_are_type_errors(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="level"):
        llmzip.compress(NOISE, "9")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="str"):
        llmzip.Compressor().compress("book.txt", io.BytesIO())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="str"):
        llmzip.Decompressor().decompress("book.llmz", io.BytesIO())  # type: ignore[arg-type]


def test_open_and_file_objects(tmp_path: Path) -> None:
    text = NOISE.decode("latin-1").replace("\r", "")
    with llmzip.open(tmp_path / "x.llmz", "wt", encoding="latin-1") as file:
        file.write(text)
    with llmzip.open(tmp_path / "x.llmz", "rt", encoding="latin-1") as file:
        assert "".join(file) == text
    with llmzip.LlmzFile(tmp_path / "x.llmz") as file:
        assert file.read() == text.encode("latin-1")


def test_incremental_objects() -> None:
    compressor = llmzip.LlmzCompressor()
    packed = compressor.compress(NOISE[:9]) + compressor.compress(NOISE[9:]) + compressor.flush()
    decompressor = llmzip.LlmzDecompressor()
    assert decompressor.decompress(packed + b"rest") == NOISE
    assert decompressor.eof
    assert decompressor.unused_data == b"rest"


def test_empty_truncated_trailing_corrupt_and_joined() -> None:
    assert llmzip.decompress(llmzip.compress(b"")) == b""
    with pytest.raises(EOFError):
        llmzip.decompress(PACKED[:-9])
    with pytest.raises(llmzip.TrailingError):
        llmzip.decompress(PACKED + b"garbage")
    with pytest.raises(llmzip.CorruptError):
        llmzip.decompress(PACKED[:99] + b"\xff\xff\xff" + PACKED[102:])
    with pytest.raises(llmzip.FormatError):
        llmzip.decompress(NOISE)
    assert llmzip.decompress(PACKED + PACKED) == NOISE + NOISE


def test_with_and_close() -> None:
    with llmzip.Compressor() as compressor:
        sink = io.BytesIO()
        compressor.compress(io.BytesIO(NOISE), sink)
    compressor.close()
    assert comes_back(sink.getvalue())


@pytest.mark.parametrize("kind", [llmzip.Compressor, llmzip.Decompressor])
def test_pickled_it_opens_anew(kind: type) -> None:
    assert isinstance(pickle.loads(pickle.dumps(kind())), kind)


def decode(decompressor: llmzip.Decompressor) -> bytes:
    sink = io.BytesIO()
    decompressor.decompress(io.BytesIO(PACKED), sink)
    return sink.getvalue()


def test_threads_share_an_object() -> None:
    decompressor, found = llmzip.Decompressor(), list[bytes]()
    threads = [
        threading.Thread(target=lambda: found.append(decode(decompressor))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [NOISE] * 8


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_take_an_object_along(method: str) -> None:
    decompressor = llmzip.Decompressor()
    assert decode(decompressor) == NOISE
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply_async(decode, [decompressor]).get(60) == NOISE


ALONE = {
    "with every warning an error": "import llmzip; llmzip.compress(bytes(range(256)))",
    "with a standard output that is no file": """
        import io, sys
        sys.stdout = io.StringIO()
        import llmzip
        llmzip.compress(bytes(range(256)))""",
    "without torch and numpy at import": """
        import sys, llmzip
        assert not {"torch", "numpy", "transformers"} & set(sys.modules)""",
    "and Ctrl-C leaves it usable": """
        import _thread, io, signal, llmzip
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
        class Interrupting(io.BytesIO):
            def read(self, size=-1):
                _thread.interrupt_main()
                return super().read(size)
            read1 = read
        compressor = llmzip.Compressor()
        try: compressor.compress(Interrupting(bytes(range(256))), io.BytesIO())
        except KeyboardInterrupt: pass
        else: raise AssertionError
        compressor.compress(io.BytesIO(bytes(range(256))), io.BytesIO())""",
}


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in ALONE.items()])
def test_in_a_process_of_its_own(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# fsspec, pandas and zarr: tests/api/test_api_fsspec.py, tests/api/test_api_numcodecs.py
