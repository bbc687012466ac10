"""Groups that copy from others: the bytes of one process, whoever makes them."""

from __future__ import annotations

import pickle
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fake_pool import FakePool, FakeWorker
from run_samples import (
    COPYING,
    Counted,
    compress_all,
    compressing,
    decompress_all,
    decompressing,
    noise,
    packed,
)

import llmzip
from llmzip.spread.manifest import Manifest
from llmzip.spread.places import State
from llmzip.spread.units import Failed, OneGroup
from llmzip.spread.worker import Tools, Worker


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Files that hold again what they held before, in another group and not at its start."""
    contents = [
        noise(150_000) + b"between" + noise(150_000),
        noise(120_000, 2),
        noise(200_000, 3) * 2,
    ]
    paths = [tmp_path / str(number) for number in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    return paths


def with_reference(path: Path) -> llmzip.Compressor:
    compressor = llmzip.Compressor(level=3, threads=1, patch_from=path)
    compressor._level = COPYING._level
    return compressor


def test_copies_from_other_groups_are_those_of_one_process(files: list[Path]) -> None:
    made = compress_all(files, compressing(COPYING), compressor=COPYING)
    assert made == [packed(path, COPYING) for path in files]
    for data, path in zip(made, files, strict=True):
        assert data is not None
        assert llmzip.decompress(data) == path.read_bytes()
    assert made[2] is not None
    assert len(made[2]) < 0.51 * files[2].stat().st_size


def test_a_reference_is_named_once_for_all_parts(files: list[Path], tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_bytes(noise(90_000, 2) + noise(90_000, 3))
    compressor = pickle.loads(pickle.dumps(with_reference(old)))
    compressor._level = COPYING._level
    made = compress_all(files, compressing(compressor), compressor=compressor)
    assert made == [packed(path, compressor) for path in files]
    assert made[1] is not None
    assert len(made[1]) < 31_000
    assert llmzip.decompress(made[1], patch_from=old) == files[1].read_bytes()


def test_what_copies_is_decoded_by_several_and_put_together_by_one(
    files: list[Path], tmp_path: Path
) -> None:
    paths = [tmp_path / f"{path.name}.llmz" for path in files]
    for path, source in zip(paths, files, strict=True):
        path.write_bytes(packed(source, COPYING))
    do = decompressing()
    assert decompress_all(paths, do) == [path.read_bytes() for path in files]
    parts = [unit.part for unit in do.units if isinstance(unit, OneGroup)]
    assert len(parts) >= 8
    assert {part.is_open for part in parts if part is not None} == {True, False}


def test_lost_workers_and_a_lost_driver_change_nothing(files: list[Path], tmp_path: Path) -> None:
    do = compressing(COPYING)
    workers = [FakeWorker(3e5), FakeWorker(1e5, ends_after_s=0.5)]
    made = compress_all(files, do, pool=FakePool(workers, do), compressor=COPYING)
    assert made == [packed(path, COPYING) for path in files]

    first = compressing(COPYING)
    first.fail_after = 5
    with closing(Manifest(tmp_path / "resume", "")) as noted, pytest.raises(KeyboardInterrupt):
        compress_all(files, first, manifest=noted, compressor=COPYING)
    with closing(Manifest(tmp_path / "resume", "")) as noted:
        again = compress_all(files, compressing(COPYING), manifest=noted, compressor=COPYING)
    assert again == made
    assert noted.n_found > 0


def test_equal_groups_with_other_copies_are_not_taken_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(noise(100_000) * 3)
    with closing(Manifest(tmp_path / "resume", "")) as noted:
        made = compress_all([file], compressing(COPYING), manifest=noted, compressor=COPYING)
    assert made == [packed(file, COPYING)]


def test_a_worker_verifies_groups_that_copy(files: list[Path]) -> None:
    tools = Tools(COPYING, verifier=llmzip.Decompressor(threads=1))
    do = Counted(Worker(tools))
    assert compress_all(files, do, compressor=COPYING) == [packed(path, COPYING) for path in files]

    unit = next(one for one in do.units if isinstance(one, OneGroup) and one.copies)
    (span,) = unit.spans
    data = span.read()
    other = bytearray(Path(span.place).read_bytes())
    other[:100_000] = noise(100_000, 9)
    Path(span.place).write_bytes(other)
    span = replace(span, data=data, state=State(len(other), ""))
    found = Worker(tools).do(replace(unit, spans=(span,)))
    assert isinstance(found, Failed)
