"""Machine code that was kept runs without numba, and as numba would have it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from numba import typeof

import llmzip
from llmzip.compiled import kinds
from llmzip.compiled.folders import FOLDER_VARIABLE
from llmzip.compiled.machine import runnable
from llmzip.compiled.store import Kept

Run = Callable[..., list[str]]

PROGRAM = """
import sys
from typing import NamedTuple
import numpy as np
from llmzip.compiled import called, inlined, kernel

class Pair(NamedTuple):
    values: object
    factor: object

@inlined
def twice(x):
    return x + x

@called
def least(values):
    if values.size == 0:
        raise ValueError("there is none")
    return values.min()

@kernel
def work(values, pair, n, is_on, out):
    kept = np.zeros(values.size + n, dtype=np.int64)
    for i in range(values.size):
        kept[i] = twice(values[i]) + n
    out[:] = pair.values * pair.factor
    return kept.sum(), least(values), is_on, out[0]

@kernel
def outer(values):
    return work(values, Pair(values, 2), 1, False, np.zeros(values.size))[0]

values, out = np.arange(4)[::-1], np.zeros(3)
def show(pair):
    print(work(values, pair, 3, True, out), out.tolist(), work(values[1:], pair, 3, False, out))

for pair in (Pair(np.ones(3, np.float32), np.float32(0.5)), Pair(np.arange(3), 7)):
    show(pair)
"""
HAS_NUMBA = "print(any(name.partition('.')[0] == 'numba' for name in sys.modules))"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what imports the program, and does more, with a folder for kernels of its own."""
    folder = tmp_path_factory.mktemp("kernels of a program")
    env = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    sources = [str(folder), str(Path(llmzip.__file__).parents[1])]
    env |= {FOLDER_VARIABLE: str(folder / "kernels"), "PYTHONPATH": os.pathsep.join(sources)}
    (folder / "program.py").write_text(PROGRAM, encoding="ascii")

    def lines(more: str = "", **told: str) -> list[str]:
        program = f"import sys, numpy as np\nfrom program import *\n{HAS_NUMBA}\n{more}"
        done = subprocess.run(
            [sys.executable, "-c", program], env=env | told, capture_output=True, text=True
        )
        assert not done.returncode, done.stderr
        return done.stdout.splitlines()

    return lines


@pytest.fixture(scope="module")
def compiled(run: Run) -> list[str]:
    """Return what the program prints while its kernels are compiled."""
    *printed, has_numba = run()
    assert has_numba == "True"
    return printed


def test_what_was_kept_gives_the_same_without_numba(run: Run, compiled: list[str]) -> None:
    assert run() == [*compiled, "False"]
    assert run(NUMBA_DEBUG_CACHE="0") == [*compiled, "True"]  # who tells numba something wants it


def test_numba_may_come_later(run: Run, compiled: list[str]) -> None:
    *_, has_numba, found, again = run("print(outer(values))\nshow(pair)")
    assert (has_numba, found, again) == ("False", "16", compiled[-1])


def test_what_a_kernel_raises_is_raised_without_numba_too(run: Run, compiled: list[str]) -> None:
    more = """
try:
    work(values[:0], pair, 1, True, out)
except ValueError as exc:
    print(exc)
"""
    assert run(more) == [*compiled, "False", "there is none"]


class _Pair(NamedTuple):
    values: Any
    number: Any


_FLOATS = np.zeros((3, 4), dtype=np.float32)
_READ_ONLY = np.zeros(3)
_READ_ONLY.flags.writeable = False
VALUES: list[Any] = [
    *(True, 1, -(2**63) + 1, 2**63 - 1, 1.5),
    *(kind(1) for kind in (np.bool_, np.int8, np.uint8, np.int64, np.uint64, np.float32)),
    *(np.float64(1), np.longlong(1), (), (1, 2), (1, 2.0), (1, (True, _FLOATS))),
    *(_Pair(1, 2), _Pair(_FLOATS, np.int8(1)), _Pair((1, 2), _Pair(1.0, True))),
    *(_FLOATS, _FLOATS.T, _FLOATS[:, 1:], _FLOATS[:0], _FLOATS[::2, ::2], _READ_ONLY),
    *(np.zeros(2, dtype=kind) for kind in "?bBhHiIlLqQfd"),
    np.zeros((), dtype=np.int16),
]


@pytest.mark.parametrize("value", VALUES, ids=[str(typeof(value)) for value in VALUES])
def test_values_have_the_text_of_their_types(value: Any) -> None:
    text = kinds.text_of_kinds([kinds.kind_of(value)])
    assert text is not None
    assert text == kinds.text_of_types([typeof(value)])


def test_values_of_different_types_are_of_different_kinds() -> None:
    types: dict[Any, set[Any]] = {}
    for value in VALUES:
        types.setdefault(kinds.kind_of(value), set()).add(typeof(value))
        types.setdefault(kinds.text_of_kinds([kinds.kind_of(value)]), set()).add(typeof(value))
    assert all(len(own) == 1 for own in types.values())


UNKNOWN: list[Any] = [
    *(2**63, -(2**63), None, "text", b"bytes", 1j, np.complex64(1), np.datetime64(1, "s")),
    *(np.zeros(2, dtype=kind) for kind in (">i4", "c8", "M8[s]", "i4,f4", "S3")),
    np.frombuffer(bytes(9), dtype=np.uint8)[1:].view(np.int64),
    np.zeros(3).view(np.recarray),
    (1, None),
]


@pytest.mark.parametrize("value", UNKNOWN, ids=lambda value: type(value).__name__)
def test_what_numba_alone_knows_has_no_text(value: Any) -> None:
    assert kinds.text_of_kinds([kinds.kind_of(value)]) is None


def test_literals_are_other_types_than_what_is_given() -> None:
    for value in (1, True):
        literal = numba.types.literal(value)
        assert kinds.text_of_types([literal]) != kinds.text_of_types([typeof(value)])


def test_code_that_wants_what_is_not_there_is_not_run() -> None:
    """LLVM ends the process where it is asked to."""
    kept = Kept("", b"", frozenset(), frozenset({"a_function_that_nobody_has"}), "entry")
    assert runnable(kept, kinds.kind_of) is None
