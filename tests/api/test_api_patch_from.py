"""References, and copies across a text, in the library: every way in, every way out."""

from __future__ import annotations

import io
import mmap
import pickle
import random
from pathlib import Path

import pytest

import llmzip
from llmzip.errors import PatchError
from llmzip.incremental import LlmzCompressor, LlmzDecompressor

OLD = random.Random(1).randbytes(30_000)
NEW = OLD[:9_000] + b"!" + OLD[9_100:]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old"
    path.write_bytes(OLD)
    return path


@pytest.fixture(scope="module")
def packed() -> bytes:
    return llmzip.compress(NEW, patch_from=OLD)


def test_bytes_paths_and_maps_are_the_same_reference(old: Path, packed: bytes) -> None:
    assert len(packed) < 200
    with old.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for reference in (OLD, memoryview(OLD), mapped, old, str(old)):
            assert llmzip.compress(NEW, patch_from=reference) == packed
            assert llmzip.decompress(packed, patch_from=reference) == NEW


def test_levels_that_copy_nothing_copy_from_a_reference() -> None:
    for how in ({"level": 1}, {"level": 5, "independent": True}):
        packed = llmzip.compress(NEW, patch_from=OLD, **how)  # type: ignore[arg-type]
        assert len(packed) < 200
        assert llmzip.decompress(packed, patch_from=OLD) == NEW


def test_streams_pieces_files_and_many(old: Path, packed: bytes, tmp_path: Path) -> None:
    compressor = pickle.loads(pickle.dumps(llmzip.Compressor(patch_from=old)))
    decompressor = llmzip.Decompressor(patch_from=old)
    assert next(compressor.compress_many([NEW, NEW[:20_000]])) == packed
    many = list(compressor.compress_many([NEW[:3_000], NEW[:2_000]]))
    assert list(decompressor.decompress_many([*many, packed])) == [NEW[:3_000], NEW[:2_000], NEW]

    pushed = LlmzCompressor(compressor=compressor)
    assert pushed.compress(NEW) + pushed.flush() == packed
    assert LlmzDecompressor(decompressor=decompressor).decompress(packed) == NEW

    with llmzip.open(tmp_path / "new.llmz", "wb", compressor=compressor) as sink:
        sink.write(NEW)
    assert (tmp_path / "new.llmz").read_bytes() == packed
    with llmzip.open(tmp_path / "new.llmz", patch_from=old) as source:
        assert source.seek(20_000) == 20_000
        assert source.read(50) == NEW[20_000:20_050]


def test_a_run_that_was_broken_off_goes_on(packed: bytes) -> None:
    compressor = llmzip.Compressor(patch_from=OLD)
    for n_bytes in (0, 30, len(packed) - 1):
        unfinished = io.BytesIO(packed[:n_bytes])
        compressor.resume(io.BytesIO(NEW), unfinished)
        assert unfinished.getvalue() == packed


def test_the_wrong_reference_and_none(old: Path, packed: bytes) -> None:
    with pytest.raises(PatchError, match="patch-from"):
        llmzip.decompress(packed)
    with pytest.raises(PatchError, match="patch-from"):
        llmzip.decompress(packed, patch_from=OLD + b"!")
    with pytest.raises(PatchError, match="1 to"):
        llmzip.Compressor(patch_from=b"")
    with pytest.raises(FileNotFoundError):
        llmzip.Decompressor(patch_from=old.with_name("absent"))
    with pytest.raises(TypeError, match="bytes-like"):
        llmzip.Compressor(patch_from=5)  # type: ignore[arg-type]


def test_a_reference_that_changes_under_way(old: Path) -> None:
    compressor = llmzip.Compressor(patch_from=old)
    old.write_bytes(OLD[:-1])
    with pytest.raises(PatchError, match="has changed"):
        compressor.compress(io.BytesIO(NEW), io.BytesIO())


def test_damage_takes_no_more_than_it_must(old: Path) -> None:
    noise = random.Random(9).randbytes(2000)
    packed = bytearray(llmzip.compress(noise + OLD, patch_from=old))
    packed[len(packed) // 2] ^= 1  # in the noise
    sink = io.BytesIO()
    recovery = llmzip.Decompressor(patch_from=old).recover(io.BytesIO(bytes(packed)), sink)
    assert sink.getvalue().endswith(OLD)
    assert [one.n_bytes for one in recovery.lost] == [2000]
