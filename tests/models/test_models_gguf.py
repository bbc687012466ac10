"""GGUF: what transformers passes over is read, or refused; the rest is as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from family_models import Variant, random_model
from llmzip.errors import ModelUnsupportedError
from llmzip.exact.families import read_model
from llmzip.models import LoadedModel, gguf_tokens, load_transformers, locate
from llmzip.models.gguf_claims import GgufHeader, check_gguf
from llmzip.models.gguf_config import changes, is_more
from llmzip.models.load import open_stored
from llmzip.tokens import ByteTokenizer
from small_gemma import NORMAL, small_gemma
from tiny_gguf import write_gguf

N_PAIRS = 8
DIVISORS = np.linspace(1, 8, N_PAIRS, dtype=np.float32)
IDS = torch.arange(40)[None] * 7 % 300


def loaded(path: Path) -> LoadedModel:
    return load_transformers(locate(str(path)))


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(IDS).logits[0]
    return found


def scaled_folder(folder: Path, into: Path, rope: dict[str, Any]) -> Path:
    """The model of a folder with RoPE that its configuration scales."""
    copy = Path(shutil.copytree(folder, into / "as a folder"))
    config = json.loads((copy / "config.json").read_text())
    config["rope_parameters"] = {"rope_theta": 10000.0} | rope
    (copy / "config.json").write_text(json.dumps(config))
    return copy


@pytest.mark.parametrize("suffix", [".gguf", ".GGUF"])
def test_a_plain_one_is_as_its_folder(tiny_llama_folder: Path, tmp_path: Path, suffix: str) -> None:
    path = write_gguf(tiny_llama_folder, tmp_path / f"tiny{suffix}")
    assert not is_more(path)
    here, folder = loaded(path), loaded(tiny_llama_folder)
    assert torch.equal(logits(here.model), logits(folder.model))
    assert here.bos_id == folder.bos_id


EACH = [float(divisor) for divisor in DIVISORS]
SCALED: dict[str, tuple[dict[str, Any], bool, dict[str, Any]]] = {
    "linear": (
        {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
        False,
        {"rope_type": "linear", "factor": 4.0},
    ),
    "as older files say it": (
        {"rope.scale_linear": 4.0},
        False,
        {"rope_type": "linear", "factor": 4.0},
    ),
    "yarn": (
        {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 4.0,
            "rope.scaling.original_context_length": 32,
            "rope.scaling.yarn_beta_fast": 16.0,
        },
        False,
        {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 32,
            "beta_fast": 16.0,
        },
    ),
    "Llama 3.1's": (
        {},
        True,
        {
            "rope_type": "longrope",
            "short_factor": EACH,
            "long_factor": EACH,
            "factor": 1.0,
            "attention_factor": 1.0,
            "original_max_position_embeddings": 128,
        },
    ),
}


@pytest.mark.parametrize("name", SCALED)
def test_scaled_rope_is_read(tiny_llama_folder: Path, tmp_path: Path, name: str) -> None:
    values, has_divisors, rope = SCALED[name]
    tensors = {"rope_freqs.weight": DIVISORS} if has_divisors else {}
    path = write_gguf(tiny_llama_folder, tmp_path / "tiny.gguf", values, tensors)
    here = loaded(path).model
    wanted = loaded(scaled_folder(tiny_llama_folder, tmp_path, rope)).model
    assert torch.equal(logits(here), logits(wanted))
    assert not torch.equal(logits(here), logits(loaded(tiny_llama_folder).model))
    ours = read_model(here)
    assert ours.turns == read_model(wanted).turns
    assert ours.turns != read_model(loaded(tiny_llama_folder).model).turns
    assert ours.shape.n_positions == 128


@pytest.mark.parametrize(
    ("values", "tensors"),
    [
        ({"rope.scaling.type": "dynamic", "rope.scaling.factor": 2.0}, {}),
        ({"rope.scaling.type": "longrope", "rope.scaling.factor": 2.0}, {}),
        ({"rope.scaling.type": "yarn", "rope.scaling.yarn_log_multiplier": 0.1}, {}),
        ({"rope.scaling.type": "yarn"}, {"rope_freqs.weight": DIVISORS}),
    ],
)
def test_rope_of_another_kind_is_refused(
    tiny_llama_folder: Path, tmp_path: Path, values: dict[str, Any], tensors: dict[str, Any]
) -> None:
    path = write_gguf(tiny_llama_folder, tmp_path / "tiny.gguf", values, tensors)
    with pytest.raises(ModelUnsupportedError, match="in a way that llmzip does not read"):
        loaded(path)


def test_rope_that_was_passed_over_was_another_model(
    tiny_llama_folder: Path, tmp_path: Path
) -> None:
    """So its prepared form, from before, is not taken for this one."""
    plain = write_gguf(tiny_llama_folder, tmp_path / "plain.gguf")
    scaled = write_gguf(
        tiny_llama_folder, tmp_path / "scaled.gguf", tensors={"rope_freqs.weight": DIVISORS}
    )
    from llmzip.models import digests

    assert locate(str(plain)).sha256() == digests.read_sha256(plain)
    assert locate(str(scaled)).sha256() != digests.read_sha256(scaled)


KINDS: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "phi3": {"partial_rotary_factor": 0.75, "sliding_window": None},
    "stablelm": {"partial_rotary_factor": 0.5, "use_qkv_bias": True, "rope_theta": 500.0},
    "starcoder2": {"rope_theta": 500.0, "sliding_window": None},
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_families_are_as_their_folders(
    kind: str, tmp_path: Path, tiny_gpt2_folder: Path
) -> None:
    changes = {"vocab_size": 512, "num_key_value_heads": 2, **KINDS[kind]}
    random_model(Variant(kind, changes)).save_pretrained(tmp_path / kind)
    shutil.copyfile(tiny_gpt2_folder / "tokenizer.json", tmp_path / kind / "tokenizer.json")
    window = {"attention.sliding_window": 50} if kind == "phi3" else {}
    path = write_gguf(tmp_path / kind, tmp_path / "tiny.gguf", window)
    here, folder = loaded(path).model, loaded(tmp_path / kind).model
    assert torch.allclose(logits(here), logits(folder), atol=1e-4)
    ours, wanted = read_model(here), read_model(folder)
    assert ours.turns == wanted.turns
    assert ours.shape.n_positions == (50 if window else wanted.shape.n_positions)


def test_norms_of_heads_that_transformers_leaves_out_are_refused(
    tmp_path: Path, tiny_gpt2_folder: Path
) -> None:
    changes = {"vocab_size": 512, "num_key_value_heads": 2}
    random_model(Variant("stablelm", changes)).save_pretrained(tmp_path / "folder")
    shutil.copyfile(tiny_gpt2_folder / "tokenizer.json", tmp_path / "folder" / "tokenizer.json")
    norm = {"blk.0.attn_q_norm.weight": np.ones(16, dtype=np.float32)}
    path = write_gguf(tmp_path / "folder", tmp_path / "tiny.gguf", tensors=norm)
    with pytest.raises(ModelUnsupportedError, match="norms queries and keys"):
        loaded(path)


@pytest.mark.parametrize("n_inner", [None, 100])
def test_a_gpt2_of_any_size_is_read(
    tiny_gpt2_folder: Path, tmp_path: Path, n_inner: int | None
) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "gpt2"))
    if n_inner is not None:
        config = GPT2Config.from_pretrained(folder, n_inner=n_inner)
        with torch.random.fork_rng(devices=[]):
            GPT2LMHeadModel(config).save_pretrained(folder)
    path = write_gguf(folder, tmp_path / "tiny.gguf")
    here = loaded(path).model
    assert torch.allclose(logits(here), logits(loaded(folder).model), atol=1e-4)
    assert read_model(here).shape.n_positions == 128


GEMMA3: dict[str, Any] = {
    "vocab_size": len(small_gemma()[0]),
    "hidden_size": 128,
    "intermediate_size": 96,
    "num_hidden_layers": 7,
    "num_attention_heads": 4,  # which are wider together than the stream
    "num_key_value_heads": 1,
    "head_dim": 64,
    "sliding_window": 16,
    "query_pre_attn_scalar": 64,
    "max_position_embeddings": 96,
}
ROPE3: dict[str, Any] = {
    "full_attention": {"rope_type": "default", "rope_theta": 500_000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
}


@pytest.fixture(scope="module")
def gemma3(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small Gemma 3 with norms of its own."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        model = Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA3, rope_parameters=ROPE3)).eval()
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.data.uniform_(-0.5, 0.5)
    folder = tmp_path_factory.mktemp("gemma3")
    model.save_pretrained(folder)
    return model, folder


def test_a_gemma3_is_read_by_rows_as_transformers_has_it(gemma3: Any, tmp_path: Path) -> None:
    model, folder = gemma3
    path = write_gguf(folder, tmp_path / "tiny.gguf")
    stored, whole = open_stored(locate(str(path))), loaded(path)
    assert not stored.is_whole
    for name, tensor in model.state_dict().items():
        assert np.allclose(stored.weights[name][:], tensor.numpy(), atol=1e-6), name
        assert np.array_equal(stored.weights[name][:], whole.model.state_dict()[name].numpy())
    for config in (stored.config, whole.model.config):
        for name in (*GEMMA3, "layer_types", "hidden_activation", "rms_norm_eps"):
            ours, wanted = getattr(config, name), getattr(model.config, name)
            assert ours == (pytest.approx(wanted) if name == "rms_norm_eps" else wanted), name
        assert config.rope_parameters == ROPE3
    ids = IDS % GEMMA3["vocab_size"]
    with torch.inference_mode():
        assert torch.allclose(whole.model(ids).logits, model(ids).logits, atol=1e-4)
    assert stored.bos_id == whole.bos_id == 2


def test_a_gemma3s_rope_is_scaled_where_layers_see_all(gemma3: Any, tmp_path: Path) -> None:
    values = {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    path = write_gguf(gemma3[1], tmp_path / "tiny.gguf", values)
    rope = loaded(path).model.config.rope_parameters
    assert rope["full_attention"]["factor"] == 8.0
    assert rope["full_attention"]["rope_theta"] == 500_000.0
    assert rope["sliding_attention"] == ROPE3["sliding_attention"]


def test_a_gemma3_may_say_of_each_layer_what_is_so(gemma3: Any, tmp_path: Path) -> None:
    values = {
        "attention.sliding_window_pattern": [True, True, True, True, True, False, True],
        "final_logit_softcapping": 0.0,
    }
    path = write_gguf(gemma3[1], tmp_path / "tiny.gguf", values)
    header = check_gguf(path)
    assert changes(path, header) == {"query_pre_attn_scalar": 64}
    assert header.arrays["tokenizer.ggml.tokens"] == []


@pytest.mark.parametrize(
    "values",
    [
        {"attention.sliding_window_pattern": 4},
        {"attention.sliding_window_pattern": [True, True, False, True, True, False, True]},
        {"attention.sliding_window_pattern": [True, True, True, True, True, False]},
        {"rope.freq_base_swa": 500.0},
        {"attn_logit_softcapping": 50.0},
        {"final_logit_softcapping": 30.0},
    ],
)
def test_a_gemma3_whose_layers_differ_otherwise_is_refused(
    gemma3: Any, tmp_path: Path, values: dict[str, Any]
) -> None:
    path = write_gguf(gemma3[1], tmp_path / "tiny.gguf", values)
    with pytest.raises(ModelUnsupportedError, match="windows, RoPE or caps of its own"):
        loaded(path)


def test_scores_of_the_largest_gemma3_are_scaled_in_its_own_way() -> None:
    sizes = {"embedding_length": 5376, "attention.head_count": 32, "attention.key_length": 128}
    for n_layers, scalar in ((48, 128), (62, 168)):
        header = GgufHeader("gemma3", {**sizes, "block_count": n_layers})
        assert changes(Path("x.gguf"), header)["query_pre_attn_scalar"] == scalar


GEMMA2 = {name: value for name, value in GEMMA3.items() if name != "query_pre_attn_scalar"}
CAPS2 = {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}


def test_a_gemma2_is_read_as_transformers_has_it(tmp_path: Path) -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12)
        config = Gemma2Config(**GEMMA2, **CAPS2, query_pre_attn_scalar=64)
        model = Gemma2ForCausalLM(config).eval()
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.data.uniform_(-0.5, 0.5)
    model.save_pretrained(tmp_path / "gemma2")
    path = write_gguf(tmp_path / "gemma2", tmp_path / "tiny.gguf")
    stored, whole = open_stored(locate(str(path))), loaded(path)
    assert not stored.is_whole
    for name, tensor in model.state_dict().items():
        assert np.allclose(stored.weights[name][:], tensor.numpy(), atol=1e-6), name
    for name in (*GEMMA2, *CAPS2, "query_pre_attn_scalar", "layer_types", "hidden_activation"):
        assert getattr(stored.config, name) == getattr(config, name), name
    ids = IDS % GEMMA2["vocab_size"]
    with torch.inference_mode():
        assert torch.allclose(whole.model(ids).logits, model(ids).logits, atol=1e-4)


def test_the_caps_of_a_gemma2_are_those_of_all_where_it_says_nothing() -> None:
    sizes = {"embedding_length": 4608, "attention.head_count": 32, "attention.key_length": 128}
    header = GgufHeader("gemma2", {**sizes, "block_count": 46})
    assert changes(Path("x.gguf"), header) == {"query_pre_attn_scalar": 144}
    header = GgufHeader("gemma2", {**sizes, **CAPS2, "block_count": 42})
    assert changes(Path("x.gguf"), header) == {"query_pre_attn_scalar": 128, **CAPS2}


def test_a_gemmas_tokens_are_those_of_transformers(gemma3: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    path = write_gguf(gemma3[1], tmp_path / "tiny.gguf")
    theirs = AutoTokenizer.from_pretrained(str(tmp_path), gguf_file=path.name)
    ours = ByteTokenizer(loaded(path).tokenizer_json)
    text = "They had not the 中文 of it,\n\n   but there is <b>one</b>: é\t\tÿ\0 and\n" * 3
    wanted = theirs.encode(text, add_special_tokens=False)
    assert ours.encode(text.encode()).tolist() == wanted


def test_only_a_vocabulary_without_merges_is_read_as_gemmas() -> None:
    model, merges = "tokenizer.ggml.model", "tokenizer.ggml.merges"
    for kind in ("gemma2", "gemma3"):
        assert gguf_tokens.is_known(GgufHeader(kind, {model: "llama"}))
    for other in (
        GgufHeader("gemma3", {model: "gpt2"}),
        GgufHeader("gemma3"),
        GgufHeader("gemma3", {model: "llama"}, {merges: []}),
        GgufHeader("llama", {model: "llama"}),
    ):
        assert not gguf_tokens.is_known(other)


def test_a_vocabulary_that_takes_too_long_to_merge_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made(n_chars: int) -> list[list[str]]:
        tokens = ["a" * n for n in range(1, n_chars + 1)]
        text = gguf_tokens.tokenizer_json(tokens, [NORMAL] * n_chars, 0, "x.gguf")
        merges: list[list[str]] = json.loads(text)["model"]["merges"]
        return merges

    assert len(made(256)) == 255 * 256 // 2
    for n_chars, refusal in ((257, r"x\.gguf .*\(257\) than the 256 "), (4, "than the 5 ")):
        monkeypatch.setattr(gguf_tokens, "MOST_MERGES", 5)
        with pytest.raises(ModelUnsupportedError, match=refusal) as raised:
            made(n_chars)
        assert "\n" not in str(raised.value)
    assert len(made(3)) == 3


def test_a_gemmas_header_is_parsed_once(
    gemma3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gguf(gemma3[1], tmp_path / "tiny.gguf")
    parsed = []

    class Reader(gguf.GGUFReader):  # type: ignore[misc]  # gguf has no types
        def __init__(self, *args: Any) -> None:
            parsed.append(args)
            super().__init__(*args)

    monkeypatch.setattr(gguf, "GGUFReader", Reader)
    open_stored(locate(str(path)))
    assert parsed == [(str(path),)]
