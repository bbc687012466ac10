"""Adapters: as PEFT lays them out, as one file of ours, and merged only where they fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmzip.errors import (
    LlmzipError,
    ModelDamagedError,
    ModelNotFoundError,
    ModelUnsupportedError,
    UsageError,
)
from llmzip.models import adapter_file, adapters, locate, open_exact
from llmzip.models.adapter import Adapter, AdapterConfig, read_config, write_folder
from llmzip.models.export import import_adapter
from llmzip.models.load import load_transformers
from llmzip.models.merge import merge

LAYER = "transformer.h.1.attn.c_attn"


def adapter(rank: int = 3, d_model: int = 48, base: str = "gpt2") -> Adapter:
    """Return one for the tiny GPT-2."""
    draw = np.random.default_rng(rank)
    config = AdapterConfig(base, rank, 6.0, ("c_attn",), ("ln_1",), is_transposed=True)
    tensors = {
        f"{LAYER}.lora_A": draw.normal(size=(rank, d_model)),
        f"{LAYER}.lora_B": draw.normal(size=(3 * 48, rank)) / 10,
        "transformer.h.0.ln_1.weight": draw.normal(size=48) + 1,
        "transformer.h.0.ln_1.bias": draw.normal(size=48),
    }
    as_f32 = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    return adapter_file.rounded(Adapter(config, as_f32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of that adapter."""
    (tmp_path / "mine").mkdir()
    write_folder(adapter(), tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the same as a file."""
    adapter_file.write_file(adapter(), tmp_path / "mine.adapter", '{"base": "gpt2"}')
    return tmp_path / "mine.adapter"


def assert_same(one: Adapter, other: Adapter) -> None:
    assert one.config == other.config
    assert one.tensors.keys() == other.tensors.keys()
    assert all(np.array_equal(one.tensors[name], array) for name, array in other.tensors.items())


def test_both_forms_come_back_as_they_were(folder: Path, file: Path) -> None:
    for path in (folder, file):
        assert adapters.is_adapter(path)
        assert adapters.base_of(path) == "gpt2"
        assert_same(adapters.read_adapter(path), adapter())


def test_a_file_holds_others_adapters_too(tmp_path: Path) -> None:
    theirs = adapter()
    theirs.tensors[f"{LAYER}.lora_A"][0, 0] = 0.123456789
    adapter_file.write_file(theirs, tmp_path / "x.adapter")
    assert_same(adapter_file.read_file(tmp_path / "x.adapter"), theirs)


def test_whole_models_and_folders_are_not_imported(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "whole.gguf").write_bytes(b"GGUF")
    for path in (folder, tmp_path / "whole.gguf"):
        with pytest.raises(UsageError, match=f"only those are imported: .* -m {path}"):
            import_adapter(path, "mine")


@pytest.mark.parametrize("at", [0, 9, 40, -1, -200])
def test_a_changed_file_is_refused(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 4
    file.write_bytes(data)
    with pytest.raises(ModelDamagedError):
        adapters.read_adapter(file)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("name", ["file", "folder"])
def test_a_truncated_one_is_refused(
    name: str, share: float, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(name)
    content = path if path.is_file() else path / "adapter_model.safetensors"
    content.write_bytes(content.read_bytes()[: int(share * content.stat().st_size)])
    with pytest.raises(ModelDamagedError):
        adapters.read_adapter(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peft_type": "IA3"}, "peft_type"),
        ({"use_dora": True}, "use_dora"),
        ({"rank_pattern": {"c_attn": 8}}, "rank_pattern"),
        ({"bias": "all"}, "bias"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"r": 0}, "damaged"),
        ({"r": "many"}, "damaged"),
        ({"lora_alpha": None}, "damaged"),
        ({"lora_alpha": 1e999}, "damaged"),
        ({"base_model_name_or_path": "a\nb"}, "damaged"),
    ],
)
def test_what_a_configuration_may_not_say(folder: Path, change: dict[str, Any], words: str) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(LlmzipError, match=words) as error:
        read_config(folder)
    assert "\n" not in str(error.value)


def test_rank_stabilised_ones_are_scaled_by_the_root(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_rslora": True}))
    assert read_config(folder).scale == pytest.approx(6.0 / 3**0.5)


def test_merging_adds_the_product(tiny_gpt2_folder: Path, folder: Path) -> None:
    plain, changed = (load_transformers(locate(str(tiny_gpt2_folder))).model for _ in range(2))
    merge(changed, adapter(), folder)
    found = adapter().tensors
    wanted = plain.get_parameter(f"{LAYER}.weight").numpy() + 2.0 * (
        found[f"{LAYER}.lora_B"] @ found[f"{LAYER}.lora_A"]
    ).T.astype(np.float32)
    moved = changed.get_parameter(f"{LAYER}.weight").numpy()
    assert moved == pytest.approx(wanted, abs=1e-4)
    gain = changed.get_parameter("transformer.h.0.ln_1.weight").numpy()
    assert np.array_equal(gain, found["transformer.h.0.ln_1.weight"])


@pytest.mark.parametrize(
    "other",
    [adapter(d_model=64), Adapter(adapter().config, {"model.norm.weight": np.ones(48, "f4")})],
)
def test_one_for_another_model_is_refused(
    other: Adapter, tiny_gpt2_folder: Path, folder: Path
) -> None:
    model = load_transformers(locate(str(tiny_gpt2_folder))).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ModelUnsupportedError, match="another model"):
        merge(model, other, folder)
    assert all(before[name].equal(value) for name, value in model.state_dict().items())


def test_a_model_with_an_adapter_is_another_model(
    tiny_gpt2_folder: Path, folder: Path, file: Path
) -> None:
    plain = open_exact(str(tiny_gpt2_folder), quiet=True)
    one, other = (open_exact(f"{tiny_gpt2_folder}+{path}", quiet=True) for path in (folder, file))
    assert one.fingerprint == other.fingerprint != plain.fingerprint
    assert (one.name, one.source) == ("mine", "local")


def test_no_path_is_taken_from_an_adapter(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write_folder(adapter(base=str(tiny_gpt2_folder)), tmp_path / "mine")
    with pytest.raises(ModelNotFoundError, match="--adapter"):
        locate(str(tmp_path / "mine"))


def test_two_adapters_are_not_merged(tiny_gpt2_folder: Path, folder: Path, file: Path) -> None:
    with pytest.raises(ModelUnsupportedError, match="two are not merged"):
        locate(f"{tiny_gpt2_folder}+{folder}+{file}")


def test_one_that_lies_in_a_models_folder_is_not_picked_up(
    tiny_gpt2_folder: Path, folder: Path, tmp_path: Path
) -> None:
    both = shutil.copytree(tiny_gpt2_folder, tmp_path / "both")
    for path in folder.iterdir():
        shutil.copy(path, both)
    opened = open_exact(str(both), quiet=True)
    assert opened.fingerprint == open_exact(str(tiny_gpt2_folder), quiet=True).fingerprint
