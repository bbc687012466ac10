"""fsspec reads and writes .llmz files, and what is built on it does: the real packages."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from file_samples import stored
from fsspec.compression import compr
from fsspec.registry import _registry
from fsspec.utils import compressions

import llmzip
import llmzip.fsspec

CSV = "".join(["number,square\n", *(f"{i},{i * i}\n" for i in range(50))])
ROWS = [(i, i * i) for i in range(50)]
NOISE = random.Random(8).randbytes(5_000)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    llmzip.fsspec.register()
    yield
    del compr["llmz"], compressions["llmz"]
    _registry.pop("llmz")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv.llmz"
    path.write_bytes(stored(CSV.encode()))
    return path


@pytest.mark.parametrize("compression", ["llmz", "infer"])
def test_a_file_is_read_as_text_and_as_bytes(path: Path, compression: str) -> None:
    with fsspec.open(str(path), "rt", compression=compression) as file:
        assert file.read() == CSV
    with fsspec.open(str(path), "rb", compression=compression) as file:
        file.seek(-10, 2)
        assert file.read() == CSV.encode()[-10:]


@pytest.mark.parametrize("mode", ["wb", "wt"])
def test_a_file_is_written(tmp_path: Path, mode: str) -> None:
    data: Any = NOISE if mode == "wb" else NOISE.decode("latin-1").replace("\r", "")
    name = str(tmp_path / "noise.llmz")
    with fsspec.open(name, mode, compression="infer", encoding="latin-1", newline="") as file:
        file.write(data)
    with llmzip.open(name) as file:
        expected = data if mode == "wb" else data.encode("latin-1")
        assert file.read() == expected


def test_the_objects_given_are_those_that_are_used(tmp_path: Path) -> None:
    name = str(tmp_path / "noise.llmz")
    llmzip.fsspec.register(compressor=llmzip.Compressor(level=9))
    with fsspec.open(name, "wb", compression="llmz") as file:
        file.write(NOISE)
    assert Path(name).read_bytes() == llmzip.compress(NOISE, 9)
    llmzip.fsspec.register(decompressor=llmzip.Decompressor(max_output=100))
    with (
        fsspec.open(name, "rb", compression="llmz") as file,
        pytest.raises(llmzip.LimitError),
    ):
        file.read()


def test_memory_and_other_file_systems_take_it() -> None:
    with fsspec.open("memory://n.llmz", "wb", compression="infer") as file:
        file.write(NOISE)
    assert llmzip.is_llmz(fsspec.filesystem("memory").cat("/n.llmz"))
    with fsspec.open("llmz://n::memory://n.llmz", "rb") as file:
        assert file.read() == NOISE


def test_the_protocol_shows_one_file_without_the_suffix(path: Path) -> None:
    files = fsspec.filesystem("llmz", fo=str(path))
    assert files.ls("", detail=False) == ["x.csv"]
    assert files.info("x.csv") == {"name": "x.csv", "size": len(CSV), "type": "file"}
    assert files.cat_file("x.csv", 3, 13) == CSV.encode()[3:13]
    with files.open("x.csv", "rt") as file:
        assert file.readline() == "number,square\n"
    with pytest.raises(FileNotFoundError):
        files.open("y.csv")
    with pytest.raises(ValueError, match="reading"):
        files.open("x.csv", "wb")


def test_damage_is_an_error_there_too(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])
    with (
        fsspec.open(str(path), "rb", compression="llmz") as file,
        pytest.raises(EOFError),
    ):
        file.read()


def test_pandas_reads_and_writes_it(path: Path, tiny_gpt2_folder: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="the tests' requirements leave pandas out")
    ways: list[Any] = [
        pandas.read_csv(f"local://{path}", storage_options={"compression": "llmz"}),
        pandas.read_csv(f"llmz://x.csv::{path}"),
    ]
    with llmzip.open(path) as file:
        ways.append(pandas.read_csv(file))
    for frame in ways:
        assert [tuple(row) for row in frame.to_numpy().tolist()] == ROWS
    llmzip.fsspec.register(
        compressor=llmzip.Compressor(model=str(tiny_gpt2_folder), level=1),
        decompressor=llmzip.Decompressor(model=str(tiny_gpt2_folder)),
    )
    out = f"local://{path.with_name('y.csv.llmz')}"
    ways[0].to_csv(out, index=False, storage_options={"compression": "llmz"})
    again = pandas.read_csv(out, storage_options={"compression": "llmz"})
    assert again.equals(ways[0])


def test_datasets_streams_it(path: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the tests' requirements leave datasets out")
    found = datasets.load_dataset(
        "csv",
        data_files=f"llmz://x.csv::{path}",
        split="train",
        streaming=True,
        cache_dir=str(tmp_path / "cache"),
    )
    assert [(row["number"], row["square"]) for row in found] == ROWS
