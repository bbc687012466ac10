"""Files of tensors mapped as arrays: as the safetensors library reads them, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from llmzip.exact.mapped import map_tensors

REFUSED = (ValueError, KeyError, TypeError)
DTYPES = st.sampled_from([np.int8, np.int16, np.float32])
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, NDArray[Any]]:
    names = draw(st.lists(st.text("ab.0é", min_size=1), min_size=1, max_size=5, unique=True))
    found = {}
    for number, name in enumerate(names):
        size, dtype = draw(SIZES), draw(DTYPES)
        found[name] = (np.arange(np.prod(size)).reshape(size) * (number + 1)).astype(dtype)
    return found


def written(path: Path, header: object, data: bytes) -> Path:
    """A file with this header, whatever it says."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@given(wanted=tensors(), meta=st.dictionaries(st.text(), st.text(), max_size=3))
def test_arrays_are_those_that_the_library_reads(
    wanted: dict[str, NDArray[Any]],
    meta: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "mapped.safetensors"
    path.unlink(missing_ok=True)  # what is mapped keeps its own file
    save_file(wanted, path, metadata=meta)
    found_meta, found = map_tensors(path)
    assert found_meta == meta
    assert found.keys() == load_file(path).keys()
    for name, array in found.items():
        assert array.dtype == wanted[name].dtype
        assert np.array_equal(array, wanted[name])
        assert array.flags.c_contiguous
        assert array.flags.aligned


def test_what_is_written_to_an_array_stays_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_file({"x": np.ones(3, dtype=np.float32)}, path)
    before = path.read_bytes()
    map_tensors(path)[1]["x"][0] = 5.0
    assert path.read_bytes() == before


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_file({"x": np.ones(3, dtype=np.float32)}, path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(REFUSED):
            map_tensors(path)


ENTRY = {"dtype": "I16", "shape": [2, 3], "data_offsets": [0, 12]}


@pytest.mark.parametrize(
    "header",
    [
        [],
        3,
        {"x": []},
        {"x": ENTRY, "__metadata__": []},
        {"x": ENTRY | {"dtype": "F64"}},
        {"x": ENTRY | {"dtype": []}},
        {"x": ENTRY | {"shape": [2, 4]}},
        {"x": ENTRY | {"shape": [2, -3]}},
        {"x": ENTRY | {"shape": [-2, -3]}},
        {"x": ENTRY | {"shape": [2.0, 3]}},
        {"x": ENTRY | {"shape": [True, 6]}},
        {"x": ENTRY | {"shape": 6}},
        {"x": ENTRY | {"shape": [1 << 70, 1 << 70]}},
        {"x": ENTRY | {"data_offsets": [0, 12, 12]}},
        {"x": ENTRY | {"data_offsets": [12, 0]}},
        {"x": ENTRY | {"data_offsets": [-12, 0]}},
        {"x": ENTRY | {"data_offsets": [1, 13]}},  # not aligned
        {"x": ENTRY | {"data_offsets": [8, 20]}},  # beyond the end
        {"x": ENTRY | {"data_offsets": [1 << 70, (1 << 70) + 12]}},
        {"x": {name: ENTRY[name] for name in ("dtype", "shape")}},
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, header: object) -> None:
    with pytest.raises(REFUSED):
        map_tensors(written(tmp_path / "file", header, bytes(16)))


def test_the_same_header_made_right_is_taken(tmp_path: Path) -> None:
    _, found = map_tensors(written(tmp_path / "file", {"x": ENTRY}, bytes(range(16))))
    assert found["x"].tobytes() == bytes(range(12))


@pytest.mark.parametrize("size", [1 << 63, 1 << 40, 17])
def test_a_header_longer_than_the_file_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(size.to_bytes(8, "little") + bytes(16))
    with pytest.raises(ValueError, match="longer than the file"):
        map_tensors(path)
