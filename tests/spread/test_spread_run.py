"""Runs over files: the bytes of one process, whoever is slow, lost or killed."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from fake_pool import FakePool, FakeWorker
from run_samples import (
    COMPRESSOR,
    compress_all,
    compressing,
    decompress_all,
    decompressing,
    noise,
    packed,
    pool_of,
    some_files,
)

from llmzip.errors import CorruptError, UntrustedError, UsageError
from llmzip.spread.manifest import Manifest
from llmzip.spread.units import OneGroup, Unit, WholeFiles


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return some_files(tmp_path / "in")


def manifest(folder: Path) -> Manifest:
    return Manifest(folder / "resume", COMPRESSOR.settings)


def test_there_and_back_byte_for_byte(files: list[Path], tmp_path: Path) -> None:
    do = compressing()
    made = compress_all(files, do)
    assert made == [packed(path) for path in files]
    together = [unit for unit in do.units if isinstance(unit, WholeFiles)]
    assert max(len(unit.spans) for unit in together) > 1
    outputs = []
    for number, data in enumerate(made):
        assert data is not None
        outputs.append(tmp_path / f"{number}.llmz")
        outputs[-1].write_bytes(data)
    undo = decompressing()
    assert decompress_all(outputs, undo) == [path.read_bytes() for path in files]
    assert sum(isinstance(unit, OneGroup) for unit in undo.units) == 2


@pytest.mark.parametrize("ahead_bytes", [1, 200_000])
def test_little_ahead_of_the_turn_is_enough(files: list[Path], ahead_bytes: int) -> None:
    assert compress_all(files, compressing(), ahead_bytes=ahead_bytes) == [
        packed(path) for path in files
    ]


def test_lost_workers_cost_time_only(files: list[Path]) -> None:
    do = compressing()
    workers = [FakeWorker(3e5), FakeWorker(1e5, ends_after_s=0.5), FakeWorker(2e5, 0.9)]
    spares = [FakeWorker(1e5, 0.4)]
    assert compress_all(files, do, pool=FakePool(workers, do, spares)) == [
        packed(path) for path in files
    ]


@pytest.mark.parametrize("n_done", [1, 2])
def test_after_the_driver_died_nothing_is_done_again(
    files: list[Path], tmp_path: Path, n_done: int
) -> None:
    (tmp_path / "0").write_bytes(noise(230_000))
    files = [tmp_path / "0", *files[2:6]]  # the first one's turn lasts until its groups are done
    first = compressing()
    first.fail_after = n_done
    with closing(manifest(tmp_path)) as noted, pytest.raises(KeyboardInterrupt):
        compress_all(files, first, manifest=noted)
    second = compressing()
    with closing(manifest(tmp_path)) as noted:
        assert compress_all(files, second, manifest=noted) == [packed(path) for path in files]
    assert noted.n_found == n_done
    assert not {*map(repr, first.units)} & {*map(repr, second.units)}
    assert sum(isinstance(unit, OneGroup) for unit in [*first.units, *second.units]) == 3


def test_what_was_made_otherwise_or_is_damaged_is_not_taken(
    files: list[Path], tmp_path: Path
) -> None:
    do = compressing()
    do.fail_after = 2
    files = files[1:]
    with closing(manifest(tmp_path)) as noted, pytest.raises(KeyboardInterrupt):
        compress_all(files, do, manifest=noted)
    parts = sorted((tmp_path / "resume").glob("*.part"))
    assert len(parts) == 2
    lines = (tmp_path / "resume" / "manifest.jsonl").read_text().splitlines()
    n_kept = sum(len(json.loads(line)["keys"]) for line in lines if line)
    parts[0].write_bytes(parts[0].read_bytes()[:-1] + b"!")
    with (tmp_path / "resume" / "manifest.jsonl").open("ab") as file:
        file.write(b'{"part": "cut o')
    files[-1].write_bytes(b"other")
    with closing(manifest(tmp_path)) as noted:
        assert compress_all(files, compressing(), manifest=noted) == [
            packed(path) for path in files
        ]
    assert 1 <= noted.n_found < n_kept
    other = Manifest(tmp_path / "resume", "another level")
    compress_all(files, compressing(), manifest=other)
    assert other.n_found == 0
    other.close(is_done=True)
    assert not (tmp_path / "resume").exists()


def test_a_manifest_is_for_one_run_of_one_user(tmp_path: Path) -> None:
    with closing(manifest(tmp_path)), pytest.raises(UsageError, match="in use"):
        manifest(tmp_path)
    (tmp_path / "resume").chmod(0o777)
    with pytest.raises(UntrustedError, match="written to by others"):
        manifest(tmp_path)


def test_files_that_change_meanwhile_are_not_mixed_up(tmp_path: Path) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(noise(130_000))
    small.write_bytes(noise(500))
    do = compressing()

    class Meddling(FakePool):
        def submit(self, worker: int, number: int, unit: Unit) -> None:
            if len(self.received) == 1:
                large.write_bytes(noise(130_000, 9))
                small.write_bytes(noise(501))
            super().submit(worker, number, unit)

    pool = Meddling([FakeWorker(1e5)], do)
    with pytest.raises((CorruptError, UsageError), match="changed"):
        compress_all([large, small], do, pool=pool)
    assert compress_all([small], do, pool=pool_of(do)) == [packed(small)]
