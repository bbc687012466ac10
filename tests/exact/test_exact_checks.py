"""A prepared model is held against its shape: kernels read where the shape says, unchecked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from llmzip.errors import ModelDamagedError
from llmzip.exact import ENGINE_VERSION
from llmzip.exact.model import ExactModel
from llmzip.exact.shape import ModelShape

Array = NDArray[Any]
GPT2 = ModelShape(2, 8, 2, 2, 4, 12, 20, 6, eps=1e-5, gated=False, rotary=False)
LLAMA = ModelShape(1, 8, 4, 2, 4, 12, 20, 6, eps=1e-5, gated=True, rotary=True)
NORMED = replace(LLAMA, head_norm="after")
LAYERED = replace(LLAMA, layer_window=(3,), layer_rope=(1,), norms="both")


def ones(*shape: int) -> Array:
    return np.ones(shape, dtype=np.float32)


def tensors_of(shape: ModelShape) -> dict[str, Array]:
    """Every tensor that such a model has, written out once more."""
    found = {
        "embedding": np.full((20, 8), 32767, dtype=np.int16),
        "embedding_scale": ones(20),
    }
    if shape.rotary:
        found |= {"cos": ones(6, 2), "sin": 0 * ones(6, 2)}
    else:
        found["positions"] = ones(6, 8)
    widths = {"qkv": (32, 8), "out": (8, 16), "up": (24, 8), "down": (8, 12)}
    if shape is GPT2:
        widths = {"qkv": (24, 8), "out": (8, 8), "up": (12, 8), "down": (8, 12)}
    linears = {f"{i}.{n}": size for i in range(shape.n_layers) for n, size in widths.items()}
    for name, (n_out, n_in) in {**linears, "head": (20, 8)}.items():
        found[f"{name}.weight"] = np.full((n_out, n_in), -127, dtype=np.int8)
        found[f"{name}.scale"] = 0.5 * ones(n_out)
        if shape is GPT2:
            found[f"{name}.bias"] = -0.5 * ones(n_out)
    if shape is NORMED:
        found["0.heads.gain"] = ones(6, 4)
    if shape is LAYERED:
        found |= {"cos1": ones(6, 2), "sin1": 0 * ones(6, 2)}
        gained = ("0.qkv", "0.out", "0.up", "0.down", "head")
        found |= {f"{name}.gain": ones(8) for name in gained}
    return found


def write(path: Path, tensors: dict[str, Array], shape: Any) -> Path:
    meta = {"shape": json.dumps(shape), "engine": str(ENGINE_VERSION)}
    save_file(tensors, path, metadata=meta)
    return path


def refused(path: Path, tensors: dict[str, Array], shape: Any) -> None:
    with pytest.raises(ModelDamagedError, match="not a prepared model") as raised:
        ExactModel.load(write(path, tensors, shape))
    assert "\n" not in str(raised.value)


@pytest.fixture(params=[GPT2, LLAMA, NORMED, LAYERED], ids=["gpt2", "llama", "normed", "layered"])
def shape(request: pytest.FixtureRequest) -> ModelShape:
    found: ModelShape = request.param
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_a_whole_model_is_read(shape: ModelShape, path: Path) -> None:
    model = ExactModel.load(write(path, tensors_of(shape), shape.form()))
    assert model.shape == shape
    assert dict(model.named_tensors()).keys() == tensors_of(shape).keys()


def test_biases_are_optional(path: Path) -> None:
    tensors = {n: t for n, t in tensors_of(GPT2).items() if not n.endswith("bias")}
    assert ExactModel.load(write(path, tensors, GPT2.form())).head.bias is None


def test_a_head_that_is_capped_has_no_bias(path: Path) -> None:
    tensors = tensors_of(GPT2)
    shape = replace(GPT2, score_cap=50.0, logit_cap=30.0)
    refused(path, tensors, shape.form())
    del tensors["head.bias"]
    model = ExactModel.load(write(path, tensors, shape.form()))
    assert model.shape == shape


def test_every_tensor_must_be_there_and_no_other(shape: ModelShape, path: Path) -> None:
    tensors = tensors_of(shape)
    for name in tensors:
        if not name.endswith("bias"):
            refused(path, {n: t for n, t in tensors.items() if n != name}, shape.form())
    for name in ("x", "head.bias.bias", f"{shape.n_layers}.qkv.weight", "-1.qkv.weight"):
        refused(path, {**tensors, name: ones(1)}, shape.form())
    other = {"cos", "sin"} if shape is GPT2 else {"positions"}
    for name in other:
        refused(path, {**tensors, name: ones(6, 2)}, shape.form())


CHANGES: dict[str, Callable[[Array], Array]] = {
    "shorter": lambda t: t[:-1],
    "longer": lambda t: np.concatenate([t, t[:1]]),
    "another axis": lambda t: t[None],
    "flat": lambda t: t.reshape(-1)[: t.shape[0] - 1],
    "turned": lambda t: t.T.copy() if t.ndim == 2 and t.shape[0] != t.shape[1] else t[:0],
    "empty": lambda t: t[:0],
    "float64": lambda t: t.astype(np.float64),
    "int32": lambda t: t.astype(np.int32),
    "unsigned": lambda t: np.abs(t).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_tensor_has_its_size_and_type(shape: ModelShape, path: Path, change: str) -> None:
    tensors = tensors_of(shape)
    for name, tensor in tensors.items():
        refused(path, {**tensors, name: CHANGES[change](tensor)}, shape.form())


def test_every_number_is_within_its_bounds(shape: ModelShape, path: Path) -> None:
    bad: dict[type, tuple[float, ...]] = {
        np.int8: (-128,),
        np.int16: (-32768,),
        np.float32: (float("nan"), float("inf"), -float("inf")),
    }
    tensors = tensors_of(shape)
    for name, tensor in tensors.items():
        values = bad[tensor.dtype.type]
        values += (-1.0,) if name.endswith("scale") else ()
        values += (1.5, -1.5) if name.startswith(("cos", "sin")) else ()
        for value in values:
            changed = tensor.copy()
            changed.reshape(-1)[-1] = value
            refused(path, {**tensors, name: changed}, shape.form())


@pytest.mark.parametrize("value", [-1, 0, 1 << 40, 1 << 70, 2.0, "2", None, True, [], float("inf")])
def test_sizes_that_cannot_be(shape: ModelShape, path: Path, value: object) -> None:
    for name in shape.form():
        switch = isinstance(value, bool) and name in ("gated", "rotary")
        may_be = (name == "eps" and value == 2.0) or (name == "layer_window" and value == [])
        if switch or may_be:
            continue
        refused(path, tensors_of(shape), {**shape.form(), name: value})


def test_sizes_that_are_others(shape: ModelShape, path: Path) -> None:
    tensors = tensors_of(shape)
    for name, value in shape.form().items():
        if isinstance(value, bool):
            refused(path, tensors, {**shape.form(), name: not value})
        elif name in ("head_norm", "norms"):
            refused(path, tensors, {**shape.form(), name: ""})
        elif isinstance(value, int):
            for other in (value - 1, value + 1, 2 * value):
                refused(path, tensors, {**shape.form(), name: other})
    for changes in ({"x": 1}, {"eps": -1e-5}, {"eps": float("nan")}):
        refused(path, tensors, shape.form() | changes)
    refused(path, tensors, {n: v for n, v in shape.form().items() if n != "n_heads"})
    refused(path, tensors, [])


def test_a_table_of_angles_has_a_limit(path: Path) -> None:
    large = replace(LLAMA, n_positions=1 << 22, n_heads=1, n_kv_heads=1, d_head=1 << 10)
    refused(path, tensors_of(LLAMA), large.form())


@settings(max_examples=300)
@given(data=st.data())
def test_whatever_is_in_the_file_it_is_refused_or_fits(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shape = data.draw(st.sampled_from([GPT2, LLAMA]))
    path = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    whole = bytearray(write(path, tensors_of(shape), shape.form()).read_bytes())
    n_header = int.from_bytes(whole[:8], "little")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, data.draw(st.sampled_from([8 + n_header, len(whole)])) - 1))
        whole[at] = data.draw(st.integers(0, 255) | st.sampled_from(b"0123456789"))
    path.write_bytes(whole)
    try:
        model = ExactModel.load(path)
    except ModelDamagedError:
        return
    sizes = {name: tensor.shape for name, tensor in tensors_of(shape).items()}
    assert {n: t.shape for n, t in model.named_tensors()}.items() <= sizes.items()
    for name, tensor in load_file(path).items():
        assert np.isfinite(tensor).all(), name
    assert all(int(layer.down.weight.min()) > -128 for layer in model.layers)


def test_a_form_names_what_came_later_only_where_it_is_otherwise(shape: ModelShape) -> None:
    """Else the digest of every older model would be another."""
    later = {"head_norm", "activation", "parallel", "layer_window", "layer_rope", "norms"}
    later |= {"score_cap", "logit_cap"}
    named = {NORMED: {"head_norm"}, LAYERED: {"layer_window", "layer_rope", "norms"}}
    assert shape.form().keys() & later == named.get(shape, set())
    side_by_side = replace(shape, parallel=True)
    assert side_by_side.form() == shape.form() | {"parallel": True}
    assert ModelShape.of_form(side_by_side.form()) == side_by_side
    layers = replace(shape, layer_window=(3,) * shape.n_layers)
    assert ModelShape.of_form(json.loads(json.dumps(layers.form()))) == layers


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("layer_window", -1),
        ("layer_window", True),
        ("layer_window", 1 << 23),
        ("layer_rope", 4),
        ("layer_rope", -2),
        ("layer_rope", 0.0),
    ],
)
def test_numbers_of_layers_that_can_not_be(
    shape: ModelShape, path: Path, name: str, number: float
) -> None:
    for count in (shape.n_layers, shape.n_layers + 1):
        refused(path, tensors_of(shape), shape.form() | {name: [number] * count})
    refused(path, tensors_of(shape), shape.form() | {name: [0] * (shape.n_layers + 1)})


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "silu"},
        {"head_norm": "both"},
        {"norms": "before"},
        {"norms": "both", "parallel": True},
        {"layer_window": "all"},
        {"score_cap": 0.5},
        {"score_cap": -50.0},
        {"score_cap": 50},
        {"logit_cap": 1e4},
        {"logit_cap": float("nan")},
        {"logit_cap": float("inf")},
    ],
)
def test_kinds_that_are_none(shape: ModelShape, path: Path, changes: dict[str, Any]) -> None:
    refused(path, tensors_of(shape), shape.form() | changes)
