"""Weights where they lie: the same as transformers loads, bit for bit, or loaded by it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from family_models import VARIANTS, Variant, random_model
from llmzip.errors import ModelDamagedError, ModelUnsupportedError
from llmzip.exact.scratch import Folder
from llmzip.models import home, load_transformers, locate, notice, open_exact
from llmzip.models.adapter import Adapter, AdapterConfig, write_folder
from llmzip.models.load import StoredWeights, open_stored
from tiny_gguf import write_gguf

Tensors = dict[str, torch.Tensor]


def assert_as_loaded(name: str, *, is_whole: bool = False) -> StoredWeights:
    """Make sure that a model's weights are those that transformers loads; all, and some rows."""
    stored, wanted = open_stored(locate(name)), load_transformers(locate(name))
    assert stored.is_whole == is_whole
    assert stored.weights.keys() == wanted.model.state_dict().keys()
    for key, tensor in wanted.model.state_dict().items():
        for rows in (slice(None), slice(1, 3)):
            found = as_tensor(stored.weights[key][rows])
            assert found.dtype == torch.float32
            assert torch.equal(found, tensor[rows]), key
    assert (stored.bos_id, stored.tokenizer_json) == (wanted.bos_id, wanted.tokenizer_json)
    return stored


def as_tensor(array: Any) -> torch.Tensor:
    """A copy of an array, which may be of memory that is not to be written to, or a tensor."""
    return array if isinstance(array, torch.Tensor) else torch.from_numpy(array.copy())


def saved(model: Any, folder: Path, tokenizer_from: Path, **how: Any) -> Path:
    model.save_pretrained(folder, **how)
    shutil.copyfile(tokenizer_from / "tokenizer.json", folder / "tokenizer.json")
    return folder


def rewritten(folder: Path, into: Path, change: Callable[[Tensors], Tensors]) -> Path:
    """A copy of a model with its file of weights changed."""
    copy = Path(shutil.copytree(folder, into / "a model"))
    path = copy / "model.safetensors"
    save_file(change(load_file(path)), path, {"format": "pt"})
    return copy


@pytest.mark.parametrize("name", VARIANTS)
def test_every_family_is_read_as_it_is_loaded(
    name: str, tmp_path: Path, tiny_gpt2_folder: Path
) -> None:
    variant = VARIANTS[name]
    wider = Variant(variant.kind, variant.changes | {"vocab_size": 512})
    folder = saved(random_model(wider), tmp_path / "a model", tiny_gpt2_folder)
    assert_as_loaded(str(folder))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2", "phi3", "stablelm", "starcoder2"])
def test_a_gguf_is_read_as_it_is_loaded(kind: str, tmp_path: Path, tiny_gpt2_folder: Path) -> None:
    changes = {"vocab_size": 512, "n_inner": None, "num_key_value_heads": 2}
    own = {name: changes[name] for name in changes if kind == "gpt2" or name != "n_inner"}
    folder = saved(random_model(Variant(kind, own)), tmp_path / kind, tiny_gpt2_folder)
    assert_as_loaded(str(write_gguf(folder, tmp_path / "tiny.gguf")))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_in_several_files(
    dtype: torch.dtype, tmp_path: Path, tiny_gpt2_folder: Path
) -> None:
    model = random_model(Variant("llama", {"vocab_size": 512})).to(dtype)
    folder = saved(model, tmp_path / "a model", tiny_gpt2_folder, max_shard_size="200KB")
    assert (folder / "model.safetensors.index.json").exists()
    assert_as_loaded(str(folder))


def without_prefix(tensors: Tensors) -> Tensors:
    """As OpenAI's GPT-2 is stored: masks beside, too."""
    found = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    return found | {"h.0.attn.bias": torch.ones(1, 1, 8, 8)}


def with_head(tensors: Tensors) -> Tensors:
    return tensors | {"lm_head.weight": tensors["transformer.wte.weight"].clone()}


@pytest.mark.parametrize("change", [without_prefix, with_head])
def test_names_as_others_write_them(
    change: Callable[[Tensors], Tensors], tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    assert_as_loaded(str(rewritten(tiny_gpt2_folder, tmp_path, change)))


def with_another_head(tensors: Tensors) -> Tensors:
    return tensors | {"lm_head.weight": 2 * tensors["transformer.wte.weight"]}


def in_doubles(tensors: Tensors) -> Tensors:
    return {name: tensor.double() for name, tensor in tensors.items()}


@pytest.mark.parametrize("change", [with_another_head, in_doubles])
def test_what_is_stored_otherwise_is_loaded(
    change: Callable[[Tensors], Tensors], tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    folder = rewritten(tiny_gpt2_folder, tmp_path, change)
    assert_as_loaded(str(folder), is_whole=True)
    said: list[str] = []
    with notice.heard_by(said.append):
        open_exact(str(folder), quiet=True)
    assert any("lie in their files in another way" in line for line in said)


def test_adapters_are_merged_as_into_a_whole_model(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    layer = "transformer.h.1.attn.c_attn"
    tensors = {
        f"{layer}.lora_A": draw.normal(size=(3, 48)),
        f"{layer}.lora_B": draw.normal(size=(3 * 48, 3)),
        "transformer.h.0.ln_1.bias": draw.normal(size=48),
        "transformer.wte.weight": draw.normal(size=(512, 48)),
    }
    config = AdapterConfig("gpt2", 3, 6.0, ("c_attn",), ("ln_1", "wte"), is_transposed=True)
    (tmp_path / "mine").mkdir()
    as_f32 = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    write_folder(Adapter(config, as_f32), tmp_path / "mine")
    stored = assert_as_loaded(f"{tiny_gpt2_folder}+{tmp_path / 'mine'}")
    plain = open_stored(locate(str(tiny_gpt2_folder)))
    differing = {
        name
        for name in plain.weights
        if not np.array_equal(plain.weights[name][:], stored.weights[name][:])
    }
    assert differing == {
        f"{layer}.weight",
        "transformer.h.0.ln_1.bias",
        "transformer.wte.weight",
        "lm_head.weight",
    }


def test_weights_that_are_no_numbers_are_refused(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    def spoil(tensors: Tensors) -> Tensors:
        tensors["transformer.h.1.mlp.c_fc.weight"][3, 4] = float("nan")
        return tensors

    folder = rewritten(tiny_gpt2_folder, tmp_path, spoil)
    with pytest.raises(ModelUnsupportedError, match=r"h\.1\.mlp\.c_fc\.weight hold infinities"):
        open_exact(str(folder), quiet=True)


def test_a_file_that_is_cut_off_meanwhile_is_damaged(
    tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "a model"))
    stored = open_stored(locate(str(folder)))
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelDamagedError, match="not whole"):
        stored.weights["transformer.h.1.mlp.c_fc.weight"][:]


@pytest.mark.parametrize("exc", [OSError(errno.ENOSPC, "no space left"), KeyboardInterrupt()])
def test_nothing_is_left_of_what_was_not_finished(
    exc: BaseException, tiny_gpt2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(home.HOME_VARIABLE, str(tmp_path / "home"))
    put = Folder.put

    def fail(folder: Folder, name: str, array: np.ndarray) -> None:
        if name.startswith("1."):
            raise exc
        put(folder, name, array)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "put", fail)
        with pytest.raises(type(exc)):
            open_exact(str(tiny_gpt2_folder), quiet=True)
    left = {path.name for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert all(name.endswith((".lock", ".json")) for name in left), left
    assert not list((tmp_path / "home" / "staging").iterdir())
    assert len(open_exact(str(tiny_gpt2_folder), quiet=True).fingerprint) == 8


def test_only_what_a_model_is_made_of_is_put_in_place(
    tiny_gpt2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(home.HOME_VARIABLE, str(tmp_path / "home"))
    open_exact(str(tiny_gpt2_folder), quiet=True)
    (folder,) = (tmp_path / "home" / "prepared").iterdir()
    names = {path.name for path in folder.iterdir() if path.suffix != ".form"}
    assert names == {"info.json", "model.safetensors", "tokenizer.json"}
