"""The codec for numcodecs, found by its entry point; zarr stores arrays with it."""

from __future__ import annotations

import pickle
import random
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
from numcodecs import registry

import llmzip
from llmzip.errors import UsageError
from llmzip.numcodecs import Llmz

NOISE = random.Random(4).randbytes(4_000)
ARRAYS = [
    np.frombuffer(NOISE, "<i4"),
    np.frombuffer(NOISE, "<f8").reshape(20, 25),
    np.asfortranarray(np.frombuffer(NOISE, "<u2").reshape(40, 50)),
    np.frombuffer(NOISE, "S10"),
    np.zeros(0, "i8"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_an_array_comes_back(array: Any) -> None:
    codec = Llmz(level=1)
    packed = codec.encode(array)
    assert llmzip.is_llmz(packed)
    flat = array.reshape(-1, order="A")
    assert np.array_equal(np.frombuffer(codec.decode(packed), array.dtype), flat)
    out = np.empty_like(flat)
    codec.decode(np.frombuffer(packed, "u1"), out=out)
    assert np.array_equal(out, flat)


def test_a_destination_of_another_size_and_damage_are_errors() -> None:
    codec = Llmz()
    packed = codec.encode(NOISE)
    with pytest.raises(ValueError, match="size"):
        codec.decode(packed, out=bytearray(5))
    with pytest.raises(llmzip.FormatError):
        codec.decode(packed[:-1])


def test_text_goes_through_the_model_that_the_chunk_names(tiny_gpt2_folder: Path) -> None:
    text = "".join(f"line {i} of a text for the model\n" for i in range(60)).encode()
    codec = Llmz(level=5, model=str(tiny_gpt2_folder))
    packed = codec.encode(text)
    assert packed == llmzip.compress(text, 5, model=str(tiny_gpt2_folder))
    assert bytes(Llmz().decode(packed)) == text


def test_its_configuration_is_its_level_and_its_model() -> None:
    codec = Llmz(level=7)
    assert codec.get_config() == {"id": "llmz", "level": 7, "model": None}
    assert Llmz.from_config({"level": 7}) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert repr(codec) == "Llmz(level=7, model=None)"
    with pytest.raises(TypeError, match="an int from 1 to 9"):
        Llmz(level="7")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="level cannot be 12"):
        Llmz(level=12).encode(b"x")


def test_the_entry_point_that_is_declared_leads_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    ((name, value),) = project["project"]["entry-points"]["numcodecs.codecs"].items()
    entry = EntryPoint(name, value, "numcodecs.codecs")
    monkeypatch.setitem(registry.entries, name, entry)
    monkeypatch.delitem(registry.codec_registry, name, raising=False)
    assert numcodecs.get_codec({"id": "llmz", "level": 3}) == Llmz(level=3)


def test_zarr_stores_an_array_with_it(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="the tests' requirements leave zarr out")
    numcodecs.register_codec(Llmz)
    array = np.frombuffer(NOISE, "<i4").reshape(40, 25)
    stored = zarr.create_array(
        store=str(tmp_path / "a.zarr"),
        data=array,
        chunks=(20, 25),
        zarr_format=2,
        compressors=Llmz(level=1),
    )
    assert np.array_equal(stored[:], array)
    again = zarr.open_array(str(tmp_path / "a.zarr"), mode="r")
    assert np.array_equal(again[10:30, :3], array[10:30, :3])
    assert again.metadata.compressor == Llmz(level=1)
    chunks = [file for file in (tmp_path / "a.zarr").iterdir() if file.name[0].isdigit()]
    assert len(chunks) == 2
    assert all(llmzip.is_llmz(chunk) for chunk in chunks)
