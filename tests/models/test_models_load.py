"""Loading through transformers: silent, complete, in float32; every failure one of ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load, save_file

from llmzip.errors import ModelDamagedError, ModelUnsupportedError
from llmzip.models import load_transformers, locate
from llmzip.models.foreign import parsed_once
from tiny_gguf import write_gguf


@pytest.fixture(params=["tiny_gpt2_folder", "tiny_llama_folder"])
def model_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a copy of each small model, to be spoilt."""
    return Path(shutil.copytree(request.getfixturevalue(request.param), tmp_path / "a model"))


def change_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_folder_loads_silently(model_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    loaded = load_transformers(locate(str(model_folder)))
    assert capfd.readouterr() == ("", "")
    assert (loaded.name, loaded.source, loaded.bos_id) == ("a model", "local", 0)
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert loaded.tokenizer_json == (model_folder / "tokenizer.json").read_text(encoding="utf-8")


def test_weights_of_another_name_are_the_ones_that_are_loaded(model_folder: Path) -> None:
    before = load_transformers(locate(str(model_folder))).model.state_dict()
    tensors = load((model_folder / "model.safetensors").read_bytes())
    twice = {name: 2 * tensor for name, tensor in tensors.items()}
    save_file(twice, model_folder / "other.safetensors", metadata={"format": "pt"})
    change_config(model_folder, transformers_weights="other.safetensors")
    after = load_transformers(locate(str(model_folder))).model.state_dict()
    assert all(torch.equal(after[name], 2 * tensor) for name, tensor in before.items())


def test_loading_leaves_random_numbers_alone(tiny_gpt2_folder: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    load_transformers(locate(str(tiny_gpt2_folder)))
    assert torch.equal(torch.rand(3), expected)


def test_half_precision_weights_become_float32(model_folder: Path) -> None:
    path = model_folder / "model.safetensors"
    halves = {name: tensor.bfloat16() for name, tensor in load(path.read_bytes()).items()}
    save_file(halves, path, metadata={"format": "pt"})
    change_config(model_folder, dtype="bfloat16")
    loaded = load_transformers(locate(str(model_folder)))
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}


def test_the_token_before_the_text(model_folder: Path) -> None:
    tokenizer = (model_folder / "tokenizer.json").read_text().replace("<|endoftext|>", "<s>")
    (model_folder / "tokenizer.json").write_text(tokenizer)
    change_config(model_folder, bos_token_id=7, eos_token_id=[9, 8])
    assert load_transformers(locate(str(model_folder))).bos_id == 7
    change_config(model_folder, bos_token_id=None)
    assert load_transformers(locate(str(model_folder))).bos_id == 9
    change_config(model_folder, eos_token_id=None)
    with pytest.raises(ModelUnsupportedError, match="no token marks"):
        load_transformers(locate(str(model_folder)))


def drop_a_weight(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load(path.read_bytes())
    del tensors[max(tensors)]
    save_file(tensors, path, metadata={"format": "pt"})


def widen(folder: Path) -> None:
    change_config(folder, vocab_size=700)


def cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def claim_much(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes((1 << 62).to_bytes(8, "little") + path.read_bytes()[8:])


def pickle_instead(folder: Path) -> None:
    path = folder / "model.safetensors"
    torch.save(load(path.read_bytes()), path)


def narrow_tokens(folder: Path) -> None:
    path = folder / "tokenizer.json"
    spec = json.loads(path.read_text())
    spec["model"]["vocab"]["one too many"] = 512
    path.write_text(json.dumps(spec))


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')


@pytest.mark.parametrize(
    "spoil",
    [drop_a_weight, widen, cut_off, claim_much, pickle_instead, narrow_tokens, no_tokenizer],
)
def test_damage_is_told_in_one_line(model_folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(model_folder)
    with pytest.raises(ModelDamagedError) as raised:
        load_transformers(locate(str(model_folder)))
    assert str(model_folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_architecture(model_folder: Path) -> None:
    change_config(model_folder, model_type="no-such-architecture")
    with pytest.raises(ModelUnsupportedError, match="transformers cannot load") as raised:
        load_transformers(locate(str(model_folder)))
    assert "\n" not in str(raised.value)


def test_code_in_the_folder_is_never_run(model_folder: Path) -> None:
    trap = model_folder / "trap.py"
    trap.write_text(f"open({str(model_folder / 'sprung')!r}, 'w')\nraise SystemExit\n")
    auto_map = {"AutoConfig": "trap.Config", "AutoModelForCausalLM": "trap.Model"}
    change_config(model_folder, model_type="trap", auto_map=auto_map)
    with pytest.raises(ModelUnsupportedError):
        load_transformers(locate(str(model_folder)))
    assert not (model_folder / "sprung").exists()


def test_a_gpt2_tokenizer_in_its_old_form(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "old"))
    spec = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(spec["model"]["vocab"]))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in spec["model"]["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "tokenizer_config.json").unlink()
    converted = json.loads(load_transformers(locate(str(folder))).tokenizer_json)
    assert converted["model"]["vocab"] == spec["model"]["vocab"]
    assert len(converted["model"]["merges"]) == len(merges)


def test_a_gguf_is_parsed_once_and_not_by_slices_of_a_memmap(
    tiny_llama_folder: Path, tmp_path: Path
) -> None:
    path = write_gguf(tiny_llama_folder, tmp_path / "tiny.gguf")
    wanted = gguf.GGUFReader(path)
    with parsed_once():
        found = gguf.GGUFReader(path)
        assert gguf.GGUFReader(path) is found
    assert type(found.data) is np.ndarray
    assert found.fields.keys() == wanted.fields.keys()
    for name, field in found.fields.items():
        assert field.contents() == wanted.fields[name].contents()
    for ours, theirs in zip(found.tensors, wanted.tensors, strict=True):
        assert (ours.name, ours.data_offset) == (theirs.name, theirs.data_offset)
        assert (ours.data == theirs.data).all()


def test_a_damaged_gguf(tmp_path: Path, default_model: str) -> None:
    whole = locate(default_model).path
    for name, n_bytes in (("head", 4), ("metadata", 100_000), ("tensors", 10_000_000)):
        path = tmp_path / f"{name}.gguf"
        with whole.open("rb") as source:
            path.write_bytes(source.read(n_bytes))
        with pytest.raises((ModelDamagedError, ModelUnsupportedError)) as raised:
            load_transformers(locate(str(path)))
        assert "\n" not in str(raised.value)
