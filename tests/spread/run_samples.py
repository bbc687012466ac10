"""Files that need no model, and runs over them by workers that are not processes."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from fake_pool import FakePool, FakeWorker

import llmzip
from llmzip.spread.assembly import write_packed, write_text
from llmzip.spread.cutting import InputFile, PackedCutter, TextCutter
from llmzip.spread.manifest import Manifest
from llmzip.spread.places import state_of
from llmzip.spread.run import Run
from llmzip.spread.units import Result, Unit
from llmzip.spread.worker import Tools, Worker

COMPRESSOR = llmzip.Compressor(level=1, threads=1)
COMPRESSOR._level = replace(COMPRESSOR._level, group_bytes=100_000)  # files of many bytes take long
COPYING = llmzip.Compressor(level=3, threads=1)
COPYING._level = replace(COPYING._level, group_bytes=100_000)
DECOMPRESSOR = llmzip.Decompressor(threads=1)


def noise(n_bytes: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(n_bytes)


def some_files(folder: Path) -> list[Path]:
    """Write small and large files, in an order that mixes them."""
    contents = {
        "a": noise(700),
        "b large": noise(130_000),
        "c empty": b"",
        "d": bytes(5_000),
        "e": noise(40_000, 2),
        "f": noise(60_000, 3),
        "g whole groups": noise(100_000, 4),
        "h middling": noise(80_000, 5),
        "i": b"short",
    }
    folder.mkdir(exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]


def packed(path: Path, compressor: llmzip.Compressor = COMPRESSOR) -> bytes:
    """What one process makes of a file."""
    return _packed(path.read_bytes(), compressor)


@lru_cache(maxsize=32)
def _packed(data: bytes, compressor: llmzip.Compressor) -> bytes:
    sink = io.BytesIO()
    compressor.compress(io.BytesIO(data), sink)
    return sink.getvalue()


@dataclass
class Counted:
    """Does units, and keeps them; `fail_after`: how many are done before it raises."""

    worker: Worker
    units: list[Unit] = field(default_factory=list)
    fail_after: int | None = None

    def __call__(self, unit: Unit) -> Result:
        if self.fail_after is not None and len(self.units) >= self.fail_after:
            raise KeyboardInterrupt
        self.units.append(unit)
        return self.worker.do(unit)


def compressing(compressor: llmzip.Compressor = COMPRESSOR) -> Counted:
    return Counted(Worker(Tools(compressor)))


def decompressing() -> Counted:
    return Counted(Worker(Tools(decompressor=DECOMPRESSOR)))


def pool_of(do: Counted, n_workers: int = 2) -> FakePool:
    return FakePool([FakeWorker(1e5 * (number + 1)) for number in range(n_workers)], do)


def compress_all(
    files: Sequence[Path],
    do: Counted,
    *,
    pool: FakePool | None = None,
    manifest: Manifest | None = None,
    ahead_bytes: int | None = None,
    compressor: llmzip.Compressor = COMPRESSOR,
) -> list[bytes | None]:
    """What a run makes of files; None of one that is left to be done alone."""

    def look(number: int) -> InputFile:
        return InputFile(str(files[number]), state_of(str(files[number])))

    run = Run(
        pool or pool_of(do),
        len(files),
        look,
        TextCutter(compressor),
        manifest=manifest,
        ahead_bytes=ahead_bytes,
    )
    return made_by(run, files)


def made_by(run: Run, files: Sequence[Path]) -> list[bytes | None]:
    """What a run that compresses makes of files."""
    made: list[bytes | None] = []
    for number, path in enumerate(files):
        if (groups := run.groups(number)) is not None:
            sink = io.BytesIO()
            with path.open("rb") as source:
                write_packed(run, groups, source, sink)
            made.append(sink.getvalue())
        else:
            one = run.made(number)
            made.append(None if one is None else one.data)
        run.end(number)
    return made


def decompress_all(files: Sequence[Path], do: Counted) -> list[bytes | None]:
    """What a run makes of .llmz files."""

    def look(number: int) -> InputFile:
        return InputFile(str(files[number]), state_of(str(files[number])))

    run = Run(pool_of(do), len(files), look, PackedCutter(DECOMPRESSOR))
    made: list[bytes | None] = []
    for number in range(len(files)):
        if (groups := run.groups(number)) is not None:
            sink = io.BytesIO()
            write_text(run, groups, sink)
            made.append(sink.getvalue())
        else:
            one = run.made(number)
            made.append(None if one is None else one.data)
        run.end(number)
    return made
