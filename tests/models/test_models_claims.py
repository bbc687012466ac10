"""What a model's files claim is bounded before anything is loaded or allocated for it."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save_file

from llmzip.errors import LlmzipError, ModelDamagedError, ModelUnsupportedError
from llmzip.models import claims, gguf_claims, load_transformers, locate
from llmzip.models import load as loading
from llmzip.tokens import ByteTokenizer


@pytest.fixture(params=["tiny_gpt2_folder", "tiny_llama_folder"])
def model_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.getfixturevalue(request.param), tmp_path / "a model"))


@pytest.fixture
def nothing_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a model or a tokenizer is so much as begun to be loaded."""

    def never(*_: object) -> None:
        raise AssertionError("it should have been refused by now")

    monkeypatch.setattr(loading, "_load_model", never)


def change_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(path: Path, kind: type[LlmzipError] = ModelUnsupportedError) -> str:
    with pytest.raises(kind) as raised:
        load_transformers(locate(str(path)))
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
    return str(raised.value)


LARGE: list[dict[str, Any]] = [
    {"vocab_size": 2_000_000_000},
    {"vocab_size": 2e9},
    {"vocab_size": 10**400},
    {"vocab_size": 1 << 20},  # believed, but not held by the files
    {"num_hidden_layers": 1_000_000, "n_layer": 1_000_000},
    {"num_hidden_layers": 1000, "n_layer": 1000, "hidden_size": 1024, "n_embd": 1024},
    {"hidden_size": 1 << 40, "n_embd": 1 << 40},
    {"intermediate_size": 1 << 19, "n_inner": 1 << 19},
    {"intermediate_size": 1 << 30, "n_inner": 1 << 30},
    {"num_attention_heads": 1 << 20, "n_head": 1 << 20},
    {"head_dim": 1 << 30, "n_embd": 1 << 30},
    {"max_position_embeddings": 1 << 40, "n_positions": 1 << 40},
    {"text_config": {"vocab_size": 1 << 40}},
    {"hidden_sizes": [64, 1 << 40]},
]


@pytest.mark.parametrize("values", LARGE, ids=lambda v: str(v)[:40])
@pytest.mark.usefixtures("nothing_loads")
def test_a_config_that_asks_for_much_is_refused_at_once(
    model_folder: Path, values: dict[str, Any]
) -> None:
    change_config(model_folder, **values)
    said = refusal(model_folder)
    assert "believed" in said or "holds only" in said
    assert len(said) < 300


@pytest.mark.usefixtures("nothing_loads")
def test_code_by_the_name_of_an_attention_is_refused(model_folder: Path) -> None:
    for name in ("attn_implementation", "_attn_implementation", "experts_implementation"):
        for value in ("some/kernel", "flash_attention_2", {"": "some/kernel"}, ["x"]):
            change_config(model_folder, **{name: value})
            assert "remove that line" in refusal(model_folder)
        change_config(model_folder, **{name: None})
    change_config(model_folder, text_config={"attn_implementation": "some/kernel"})
    assert "remove that line" in refusal(model_folder)


def test_plain_attention_is_no_harm(model_folder: Path) -> None:
    change_config(model_folder, attn_implementation="eager", _attn_implementation_autoset=True)
    load_transformers(locate(str(model_folder)))


@pytest.mark.usefixtures("nothing_loads")
def test_an_adapter_is_not_added_unasked(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model_folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/etc"}')
    monkeypatch.setattr(loading, "find_spec", lambda _: object())
    assert "adapter" in refusal(model_folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"a":' * 100_000, "\0", "1"])
@pytest.mark.usefixtures("nothing_loads")
def test_a_config_that_is_none(model_folder: Path, text: str) -> None:
    (model_folder / "config.json").write_text(text)
    refusal(model_folder, ModelDamagedError)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("config.json", claims.MOST_JSON_BYTES),
        ("tokenizer.json", claims.MOST_TOKENIZER_BYTES),
        ("merges.txt", claims.MOST_TOKENIZER_BYTES),
        ("added_tokens.json", claims.MOST_TOKENIZER_BYTES),
    ],
)
@pytest.mark.usefixtures("nothing_loads")
def test_files_that_are_read_whole_have_a_limit(model_folder: Path, name: str, most: int) -> None:
    with (model_folder / name).open("ab") as file:
        file.truncate(most + 1)
    assert "more than" in refusal(model_folder)


@pytest.mark.parametrize(
    "name",
    [
        *("../model-1.safetensors", "/etc/passwd", "sub/model.safetensors", "missing.safetensors"),
        *("", "..", "model.bin", "a\\b.safetensors", "model-1.safetensors\n", None, 1, ["x"]),
    ],
    ids=str,
)
@pytest.mark.usefixtures("nothing_loads")
def test_an_index_names_files_of_its_own_folder(model_folder: Path, name: object) -> None:
    shutil.copy(model_folder / "model.safetensors", model_folder.parent / "model-1.safetensors")
    (model_folder / "model.safetensors").rename(model_folder / "model-1.safetensors")
    index = model_folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": name}}))
    refusal(model_folder, ModelDamagedError)


def test_weights_in_several_files_are_counted_together(model_folder: Path) -> None:
    whole = model_folder / "model.safetensors"
    tensors, n_held = load(whole.read_bytes()), claims.check_folder(model_folder)
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, own in parts.items():
        save_file({n: tensors[n] for n in own}, model_folder / file, metadata={"format": "pt"})
    weight_map = {name: file for file, own in parts.items() for name in own}
    index = model_folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    whole.unlink()
    assert claims.check_folder(model_folder) == n_held
    assert n_held == sum(tensor.numel() for tensor in tensors.values())
    load_transformers(locate(str(model_folder)))


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b'{"a": 1}',
        b'{"a": {"shape": [1], "data_offsets": [0, 99]}}',
        b'{"a": {"shape": [1], "data_offsets": [5, 0]}}',
        b'{"a": {"shape": 3, "data_offsets": [0, 4]}}',
        b'{"a": {"shape": ["x"], "data_offsets": [0, 4]}}',
        b'{"a": {"data_offsets": [0, 4]}}',
        b"\xff",
    ],
    ids=str,
)
def test_headers_of_weights_that_are_none(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(ModelDamagedError, match="get it again"):
        claims.held_weights(path)


def test_a_header_cannot_claim_more_weights_than_its_file_has_room_for(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 8]}
    header = json.dumps({str(i): entry for i in range(50)}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert claims.held_weights(path) == 16


def test_one_token_cannot_ask_for_a_table_of_any_size(byte_tokenizer_json: str) -> None:
    for change in ("added", "unk_id", "vocab"):
        spec = json.loads(byte_tokenizer_json)
        if change == "added":
            spec["added_tokens"][0]["id"] = 10**12
        elif change == "unk_id":
            spec["model"]["unk_id"] = 10**12
        else:
            spec["model"]["vocab"]["one too many"] = 10**12
        with pytest.raises(ModelUnsupportedError, match="go up to 1000000000000"):
            ByteTokenizer(json.dumps(spec))


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def number(name: str, value: int) -> bytes:
    return text(name) + struct.pack("<IQ", 10, value)


def array(name: str, kind: int, count: int, elements: bytes) -> bytes:
    return text(name) + struct.pack("<IIQ", 9, kind, count) + elements


def tensor(name: str, *sizes: int, offset: int = 0) -> bytes:
    axes = struct.pack(f"<{len(sizes)}Q", *sizes)
    return text(name) + struct.pack("<I", len(sizes)) + axes + struct.pack("<IQ", 0, offset)


def gguf(fields: list[bytes], tensors: list[bytes], counts: tuple[int, int] | None = None) -> bytes:
    n_tensors, n_fields = counts or (len(tensors), len(fields))
    head = b"GGUF" + struct.pack("<IQQ", 3, n_tensors, n_fields)
    return head + b"".join(fields + tensors) + bytes(4096)


HONEST = [
    text("general.architecture") + struct.pack("<I", 8) + text("llama"),
    number("llama.block_count", 2),
    number("llama.embedding_length", 16),
    array("tokenizer.ggml.tokens", 8, 2, text("a") + text("b")),
    array("tokenizer.ggml.scores", 6, 2, struct.pack("<2f", 1, 2)),
]


def test_an_honest_gguf_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf(HONEST, [tensor("a", 16, 16), tensor("b", 3)]))
    gguf_claims.check_gguf(path)
    swapped = b"GGUF" + struct.pack(">IQQ", 3, 0, 1)
    swapped += struct.pack(">Q", 1) + b"a" + struct.pack(">IQ", 10, 7)
    path.write_bytes(swapped)
    gguf_claims.check_gguf(path)


@pytest.mark.parametrize(
    "data",
    [
        gguf(HONEST, [], (1 << 60, len(HONEST))),
        gguf(HONEST, [], (0, 1 << 60)),
        gguf([array("a", 8, 1 << 60, b"")], []),
        gguf([array(f"a{i}", 0, 3 << 20, bytes(3 << 20)) for i in range(2)], []),
        gguf([text("a") + struct.pack("<IQ", 8, 1 << 60)], []),
        gguf([struct.pack("<Q", 1 << 60)], []),
        gguf([number("llama.block_count", 1 << 40)], []),
        gguf([number("llama.vocab_size", 1 << 40)], []),
        gguf([number("llama.context_length", 1 << 40)], []),
        gguf([number("llama.attention.head_count", 1 << 40)], []),
        gguf([array("llama.feed_forward_length", 10, 1, struct.pack("<Q", 1 << 40))], []),
        gguf([number("llama.block_count", 1000), number("llama.embedding_length", 4096)], []),
        gguf(HONEST, [tensor("a", 1 << 40)]),
        gguf(HONEST, [tensor("a", 1 << 40, 1 << 40)]),
        gguf(HONEST, [tensor("a", *([2] * 100))]),
    ],
    ids=lambda data: f"{len(data)} bytes {zlib.crc32(data):08x}",
)
@pytest.mark.usefixtures("nothing_loads")
def test_a_gguf_that_claims_much_is_refused_at_once(
    tmp_path: Path, data: bytes, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(data)
    said = refusal(path)
    assert "believed" in said or "holds only" in said


@given(cut=st.integers(0, 300), flips=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255))))
@settings(max_examples=300)
def test_whatever_a_gguf_holds_it_is_passed_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flips: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.gguf"
    data = bytearray(gguf(HONEST, [tensor("a", 16, 16)]))
    for at, value in flips:
        data[at] = value
    path.write_bytes(data[: cut or None])
    try:
        gguf_claims.check_gguf(path)
    except (ModelDamagedError, ModelUnsupportedError):
        return
    assert data[:4] == b"GGUF"


def test_the_default_models_claims_are_believed(default_model: str) -> None:
    gguf_claims.check_gguf(locate(default_model).path)


PUBLISHED: dict[str, Callable[[], dict[str, Any]]] = {
    "Llama 3.1 405B": lambda: {
        "hidden_size": 16384, "intermediate_size": 53248, "max_position_embeddings": 131072,
        "num_attention_heads": 128, "num_hidden_layers": 126, "vocab_size": 128256,
        "rope_theta": 500000.0, "head_dim": 128, "initializer_range": 0.02,
    },
    "a mixture of experts": lambda: {
        "hidden_size": 7168, "moe_intermediate_size": 2048, "n_routed_experts": 256,
        "shared_expert_intermediate_size": 20480, "kv_lora_rank": 512, "q_lora_rank": 1536,
        "first_k_dense_replace": 3, "num_experts_per_tok": 8, "rope_theta": 10**9,
        "max_position_embeddings": 10485760, "sliding_window": 1 << 40, "eos_token_id": 151645,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_are_believed(tmp_path: Path, name: str) -> None:
    for field, value in PUBLISHED[name]().items():
        claims.check_number(str(tmp_path), field, value)
