"""The fuzzers led by coverage, for whoever has atheris (pip install atheris; not needed else).

    python tests/fuzz/atheris_fuzz.py container [options of libFuzzer, such as -runs=100000]
    python tests/fuzz/atheris_fuzz.py decode

Half of the inputs are signed again, as with scripts/fuzz. A finding ends the run and is saved
by libFuzzer; `scripts/fuzz replay` takes it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import rooms
from campaign import Target, target
from corpus import saved
from file_tree import dissect

from decoder import RefusedError

assert rooms.TESTS.is_dir()


def bend(atheris: Any, one: Target, data: bytes, max_size: int, seed: int) -> bytes:
    """Return another input: of a file that can be taken apart, in half of the cases, signed."""
    chance = Random(seed)
    if chance.random() < 0.5:
        try:
            return one.mutator.bent(dissect(data), chance)[:max_size]
        except (RefusedError, AssertionError, IndexError):
            pass  # no file, or no longer one
    mutated: bytes = atheris.Mutate(data, max_size)
    return mutated


def main() -> None:
    """Fuzz until something is found, or as long as libFuzzer's options say."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    name = sys.argv.pop(1)
    import llmzip.mixing.kernel  # first: numba cannot compile what has been instrumented

    assert llmzip.mixing.kernel
    with atheris.instrument_imports(include=["llmzip"]):
        one = target(name)

    def check(data: bytes) -> None:
        one.check(data, False)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        return bend(atheris, one, data, max_size, seed)

    with tempfile.TemporaryDirectory() as folder:
        for number, start in enumerate([*one.mutator.files, *(s.data for s in saved(name))]):
            (Path(folder) / str(number)).write_bytes(start)
        atheris.Setup([*sys.argv, folder], check, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
