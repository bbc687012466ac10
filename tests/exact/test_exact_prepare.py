"""From transformers' models to integers: read right, folded right, saved and refused right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import float_reference
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file

from exact_models import (
    CPU,
    GPT2,
    LLAMA,
    SAMPLE,
    Recipe,
    exact_model,
    float_model,
    newly_prepared,
    random_ids,
)
from llmzip.errors import ModelDamagedError, ModelUnsupportedError
from llmzip.exact.families import read_model
from llmzip.exact.floats import FloatModel
from llmzip.exact.model import ExactModel
from llmzip.exact.prepare import prepare, prepare_file
from llmzip.exact.reference import Reference

GPT2_SIZES = {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 64}
LLAMA_SIZES = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def transformers_model(kind: str, **changes: Any) -> Any:
    """A random model of transformers, with gains and biases that matter."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = GPT2_SIZES if kind == "gpt2" else LLAMA_SIZES
    options = {"vocab_size": 200, "initializer_range": 0.2, "bos_token_id": 0, "eos_token_id": 0}
    config = AutoConfig.for_model(kind, **{**options, **sizes, **changes})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_config(config).eval()
        for name, weights in model.named_parameters():
            if "bias" in name or "norm" in name or "ln_" in name:
                weights.data += 0.3 * torch.randn_like(weights)
    return model


PLAIN_ROPE = {"rope_type": "default"}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("gpt2", {}),
    ("gpt2", {"n_inner": 100}),
    ("llama", {"tie_word_embeddings": True}),
    ("llama", {"tie_word_embeddings": False, "rms_norm_eps": 1e-3}),
    ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 16}),
    ("llama", {"num_key_value_heads": 4, "rope_theta": 500.0}),
    (
        "llama",
        {"num_key_value_heads": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 50.0}},
    ),
]


def exact_logits(model: ExactModel, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """The engine's logits as natural logarithms."""
    reference = Reference(model, CPU)
    zero = torch.zeros(1, dtype=torch.int64)
    hidden = reference.forward(
        torch.from_numpy(ids)[None], zero, zero, reference.cache(1, len(ids))
    )
    logits: NDArray[np.float64] = reference.logits(hidden).double().numpy() * np.log(2)
    return logits


def relative_error(ours: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Root mean square of the difference over that of the logits, both without their mean."""
    ours, wanted = (x - x.mean(-1, keepdims=True) for x in (ours, wanted))
    return float(np.sqrt(((ours - wanted) ** 2).mean() / (wanted**2).mean()))


@pytest.mark.parametrize(("kind", "changes"), VARIANTS)
def test_families_are_read_as_transformers_computes_them(
    kind: str, changes: dict[str, Any]
) -> None:
    model = transformers_model(kind, **changes)
    ids = random_ids(GPT2, 50).astype(np.int64) % 200
    with torch.inference_mode():
        wanted = model.double()(torch.from_numpy(ids)[None]).logits[0].numpy()
    ours = float_reference.logits(read_model(model), ids)
    assert relative_error(ours, wanted) < 1e-5  # RoPE's angles are float32 in transformers


@pytest.mark.parametrize(("kind", "changes"), VARIANTS)
def test_a_prepared_model_computes_what_the_float_model_does(
    kind: str, changes: dict[str, Any]
) -> None:
    """Folding, rotating and quantising leave the function alone, but for int8's rounding."""
    model = read_model(transformers_model(kind, **changes))
    ids = random_ids(GPT2, 50).astype(np.int64) % 200
    error = relative_error(exact_logits(prepare(model), ids), float_reference.logits(model, ids))
    assert error < 0.05


@pytest.mark.parametrize("recipe", [GPT2, LLAMA, replace(GPT2, d_model=60, d_head=15)])
def test_preparing_twice_gives_the_same_integers(recipe: Recipe) -> None:
    digest = newly_prepared(recipe).digest()
    assert newly_prepared(recipe).digest() == digest
    assert exact_model(replace(recipe, seed=2)).digest() != digest


def test_a_tied_head_and_its_embedding_are_quantised_apart() -> None:
    model = exact_model(GPT2)
    assert model.embedding.dtype == np.int16
    assert model.head.weight.dtype == np.int8


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("gpt2", {"activation_function": "silu"}, "the activation silu"),
        ("gpt2", {"activation_function": "quick_gelu"}, "the activation quick_gelu"),
        ("llama", {"hidden_act": "relu"}, "the activation relu"),
        ("olmo", {"clip_qkv": 3.0}, "clipped queries, keys and values"),
        ("phi", {"qk_layernorm": True}, "norms of queries and keys with a bias"),
        ("falcon", {"alibi": True}, "scores that fall off with distance"),
        ("opt", {"do_layer_norm_before": False}, "norms behind attention and feed-forward"),
        ("mistral", {"sliding_window": 1}, "a sliding window of 1"),
    ],
)
def test_switches_that_the_engine_lacks_are_refused(
    kind: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelUnsupportedError, match=f"lacks {message}.*--float runs it"):
        read_model(transformers_model(kind, **changes))


def test_another_kind_of_rope_is_refused() -> None:
    model = transformers_model("llama")
    model.config.rope_parameters = {"rope_type": "proportional", "rope_theta": 10000.0}
    with pytest.raises(ModelUnsupportedError, match="lacks RoPE scaling proportional; --float"):
        read_model(model)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rope_type": "linear"}, "factor is 'None', no number"),
        ({"rope_type": "linear", "factor": "2"}, "factor is '2', no number"),
        ({"rope_type": "linear", "factor": True}, "factor is 'True', no number"),
        ({"rope_type": "linear", "factor": -2.0}, "factor is '-2.0', no number"),
        ({"rope_type": "linear", "factor": 0.01}, "more than 8 radians"),
        ({"rope_type": "longrope", "factor": 2.0, "short_factor": [1.0]}, "is not 6 numbers"),
        ({"rope_type": "yarn", "factor": 2.0}, "original_max_position_embeddings is 'None'"),
        ({"rope_type": "default", "rope_theta": 1e20}, "a base of 1e"),
    ],
)
def test_rope_of_numbers_that_are_none_is_refused(values: dict[str, Any], message: str) -> None:
    model = transformers_model("llama")
    model.config.rope_parameters = values
    with pytest.raises((ModelUnsupportedError, ModelDamagedError), match=message):
        read_model(model)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("mamba", "what mamba needs: layers with a state in place of attention; --float runs it"),
        ("no-such", "does not know models of the kind no-such; --float runs it"),
    ],
)
def test_other_architectures_are_refused_with_a_way_out(kind: str, message: str) -> None:
    model = transformers_model("gpt2")
    model.config.model_type = kind
    with pytest.raises(ModelUnsupportedError, match=message):
        read_model(model)


def test_vocabularies_beyond_the_coder_are_refused() -> None:
    model = transformers_model("gpt2")
    model.config.vocab_size = 1 << 19
    with pytest.raises(ModelUnsupportedError, match="fewer than 524,288 tokens, not 524,288"):
        read_model(model)


def test_weights_that_are_no_numbers_are_refused() -> None:
    model = transformers_model("gpt2")
    model.transformer.h[1].mlp.c_fc.weight.data[3, 4] = float("nan")
    with pytest.raises(ModelUnsupportedError, match=r"h\.1\.mlp\.c_fc\.weight hold infinities"):
        prepare(read_model(model), SAMPLE)


@pytest.mark.parametrize("size", [1e15, 1e30, 1e37])
def test_activations_beyond_floats_are_refused(size: float) -> None:
    model = transformers_model("llama")
    for layer in model.model.layers:
        for linear in (layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj):
            linear.weight.data *= size
    with pytest.raises(ModelUnsupportedError, match="beyond the numbers of float32"):
        prepare(read_model(model), SAMPLE)


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(ModelUnsupportedError, match="n_layers is 0"):
        read_model(transformers_model("llama", num_hidden_layers=0))


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
def test_saved_and_loaded_a_model_is_the_same(recipe: Recipe, tmp_path: Path) -> None:
    model = replace(exact_model(recipe), extra={"name": "small"})
    model.save(tmp_path / "model.safetensors")
    again = ExactModel.load(tmp_path / "model.safetensors")
    assert again.digest() == model.digest()
    assert again.shape == model.shape
    assert again.extra == {"name": "small"}


def test_every_weight_counts_in_the_digest() -> None:
    model = newly_prepared(LLAMA)
    digest = model.digest()
    for name, tensor in list(model.named_tensors()):
        last = tensor.reshape(-1)[-1:]
        before = last.copy()
        last += 1
        assert model.digest() != digest, name
        last[:] = before
    assert model.digest() == digest


def test_another_engines_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    exact_model(GPT2).save(path)
    meta = {"engine": "0", "shape": "{}"}
    save_file(load_file(path), path, metadata=meta)
    with pytest.raises(ModelDamagedError, match="another engine version"):
        ExactModel.load(path)


@pytest.mark.parametrize("cut", [0, 5, 300, -1])
def test_a_damaged_file_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    exact_model(GPT2).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelDamagedError, match="not a prepared model"):
        ExactModel.load(path)


@pytest.mark.parametrize("llama", [False, True])
def test_rotating_leaves_the_function_alone(llama: bool) -> None:
    """A width with a whole Hadamard matrix and one without: the same loss by int8."""
    for d_model in (48, 50):
        recipe = replace(GPT2, llama=llama, d_model=d_model, gain=1.0, biases=not llama)
        model: FloatModel = float_model(recipe)
        ids = random_ids(recipe, 60).astype(np.int64)
        wanted = float_reference.logits(model, ids)
        assert relative_error(exact_logits(prepare(model), ids), wanted) < 0.05


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
def test_a_file_is_as_the_library_reads_it_and_as_in_memory(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    path, told = tmp_path / "model.safetensors", list[float]()
    prepare_file(float_model(recipe), path, tmp_path / "scratch", told.append, SAMPLE)
    model = exact_model(recipe)
    found = load_numpy(path)
    assert found.keys() == {name for name, _ in model.named_tensors()}
    for name, tensor in model.named_tensors():
        assert found[name].dtype == tensor.dtype
        assert np.array_equal(found[name], tensor), name
    assert ExactModel.load(path).digest() == model.digest()
    assert told == sorted(told)
    assert told[-1] == 1
    assert not list((tmp_path / "scratch").iterdir())
