"""Compiled kernels are found again, and never used after a change of the sources or of the file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kernel_files import kernel_files

import llmzip
from llmzip.compiled import kernel, store
from llmzip.compiled.folders import FOLDER_VARIABLE, kernel_folders, sources_digest

PROGRAM = """
import numpy as np
from llmzip.exact.cpu.rows import quantise_rows
q, s = np.zeros((1, 3), dtype=np.int8), np.zeros(1, dtype=np.float32)
quantise_rows(np.array([[1, -1, 0.5]], dtype=np.float32), q, s)
import sys
print(q.tolist(), int("numba" not in sys.modules))
"""
MIXES = """
from llmzip import mixing
print(mixing.compress(b"so many likely bytes, so many " * 30, 900).hex())
"""


def run(source: Path, program: str = PROGRAM) -> str:
    """What the program prints with the package at `source`."""
    env = {k: v for k, v in os.environ.items() if k != FOLDER_VARIABLE}
    env["PYTHONPATH"] = str(source)
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def copied_package(tmp_path: Path) -> Path:
    """A folder with a package of its own, and no kernels yet."""
    package = Path(llmzip.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(package, tmp_path / "llmzip", ignore=ignored))


def change(source: Path, old: str, new: str) -> None:
    text = source.read_text(encoding="utf-8")
    assert text.count(old) == 1
    source.write_text(text.replace(old, new), encoding="utf-8")


def test_kernels_are_kept_until_any_source_changes(copied_package: Path) -> None:
    above = copied_package.parent
    assert run(above) == "[[127, -127, 64]] 0"
    assert run(above) == "[[127, -127, 64]] 1"
    scalars = copied_package / "exact" / "cpu" / "scalars.py"
    change(scalars, "return max(i32(top).view(np.float32), TINY)", "return f32(2.0)")
    assert run(above) == "[[64, -64, 32]] 0"


@pytest.mark.slow
def test_a_constant_of_another_file_is_not_frozen_into_the_kernels_of_mixing(
    copied_package: Path,
) -> None:
    before = run(copied_package.parent, MIXES)
    change(copied_package / "mixing" / "tables.py", "MAX_LOGIT = 2047", "MAX_LOGIT = 700")
    after = run(copied_package.parent, MIXES)
    shutil.rmtree(copied_package / "compiled" / "__pycache__")
    assert after == run(copied_package.parent, MIXES) != before


def _made_side_by_side(_: int) -> list[str]:
    def same(x: int) -> int:
        return x

    return [kernel(same).stats.cache_path for _ in range(100)]


def test_kernels_made_side_by_side_are_all_kept_in_the_folder() -> None:
    """Workers make engines, and some kernels with them, at once: none lands where it is run."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            paths = [path for own in pool.map(_made_side_by_side, range(4)) for path in own]
    finally:
        sys.setswitchinterval(interval)
    assert {Path(path) for path in paths} == {kernel_folders()[0]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's kernels are kept: nothing is there yet."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return tmp_path / str(sources_digest())


def adding(n: int) -> Callable[[int], int]:
    def add(x: int) -> int:
        return x + n

    return add


def was_found(function: Callable[[int], int], x: int, wanted: int) -> bool:
    """Whether a kernel, made and called as by a new process, was there and need not be compiled."""
    compiled: Any = kernel(function)
    assert compiled(x) == wanted
    return bool(sum(compiled.stats.cache_hits.values()))


def test_kernels_of_one_name_are_told_apart_by_what_they_enclose(folder: Path) -> None:
    assert not was_found(adding(1), 5, 6)
    assert not was_found(adding(2), 5, 7)
    assert was_found(adding(1), 5, 6)
    assert was_found(adding(2), 5, 7)
    assert len(kernel_files(folder)) == 2


def _flip(data: bytes) -> bytes:
    return data[:-300] + bytes([data[-300] ^ 1]) + data[-299:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut within the checksum": lambda data: data[:20],
    "cut": lambda data: data[:-1],
    "a byte flipped": _flip,
    "another kind of file": lambda _: b"not a kernel",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_kernel_is_compiled_anew(folder: Path, damage: str) -> None:
    was_found(adding(1), 5, 6)
    (path,) = kernel_files(folder)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert not was_found(adding(1), 5, 6)
    assert was_found(adding(1), 5, 6)


def test_a_kernel_under_the_name_of_another_is_not_taken_for_it(folder: Path) -> None:
    was_found(adding(1), 5, 6)
    (first,) = kernel_files(folder)
    was_found(adding(2), 5, 7)
    (second,) = set(kernel_files(folder)) - {first}
    second.write_bytes(first.read_bytes())
    assert not was_found(adding(2), 5, 7)


def test_a_folder_that_cannot_be_written_to_is_read_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_found(adding(1), 5, 6)

    def no_room(path: Path, body: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(store, "_write", no_room)
    assert not was_found(adding(2), 5, 7)
    assert was_found(adding(1), 5, 6)


def test_where_no_folder_can_be_kernels_are_compiled_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    assert not was_found(adding(1), 5, 6)
    assert not was_found(adding(1), 5, 6)


def test_a_full_disk_leaves_no_part_of_a_kernel(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    assert not was_found(adding(1), 5, 6)
    assert kernel_files(folder) == []


RUNTIME = """
import numpy as np
from llmzip.compiled import importing, runtime
made, compiled = [], runtime._compiled
runtime._compiled = lambda context: made.append(1) or compiled(context)
from llmzip.exact.cpu.rows import quantise_rows
q, scale = np.zeros((1, 3), np.int8), np.zeros(1, np.float32)
quantise_rows(np.array([[2, -2, 1]], np.float32), q, scale)
print(q.tolist(), len(made))
"""


def test_the_runtime_is_kept_like_a_kernel_and_damage_is_noticed(copied_package: Path) -> None:
    above = copied_package.parent
    assert run(above, RUNTIME) == "[[127, -127, 64]] 1"
    assert run(above, RUNTIME) == "[[127, -127, 64]] 0"
    (path,) = (copied_package / "compiled" / "__pycache__").rglob("runtime-*.kernel")
    path.write_bytes(_flip(path.read_bytes()))
    assert run(above, RUNTIME) == "[[127, -127, 64]] 1"
    assert run(above, RUNTIME) == "[[127, -127, 64]] 0"


INLINES = """
import sys
import numpy as np
from llmzip.exact.cpu.rows import quantise_rows
from llmzip.compiled import kernel
q, scale = np.zeros((1, 3), np.int8), np.zeros(1, np.float32)
x = np.array([[2, -2, 1]], np.float32)
quantise_rows.itself(x, q, scale)  # was kept
@kernel
def twice(x, q, scale):
    quantise_rows(x, q, scale)
    quantise_rows(x, q, scale)
q[:] = 0
twice(x, q, scale)
print(q.tolist(), sum(quantise_rows.stats.cache_hits.values()))
"""


def test_a_kernel_that_was_kept_can_be_a_part_of_another(copied_package: Path) -> None:
    assert run(copied_package.parent) == "[[127, -127, 64]] 0"
    assert run(copied_package.parent, INLINES) == "[[127, -127, 64]] 1"
