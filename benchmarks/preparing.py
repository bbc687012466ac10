"""What preparing a model takes: memory at most, seconds, and what comes of it.

    python benchmarks/preparing.py MODEL...

MODEL: as `-m` takes it; or random-gpt2 (124 million weights), random-llama (TinyLlama's shape: 1.1
billion, in bf16), which are made first. Each is prepared in a process of its own, in a cache of its
own, twice: kernels are compiled the first time, the second counts (--runs).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from llmzip.models import claims, locate
from llmzip.models.home import HOME_VARIABLE
from random_gpt2 import byte_tokenizer, save_random_gpt2

PREPARE = """
import sys
from llmzip.models import open_exact
opened = open_exact(sys.argv[1], quiet=True)
print(opened.fingerprint.hex())
"""
WIDTH, D_FF, N_TOKENS, N_LAYERS = 2048, 5632, 32000, 22
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": D_FF,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
    "vocab_size": N_TOKENS,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "bos_token_id": N_TOKENS - 1,
    "eos_token_id": N_TOKENS - 1,
    "dtype": "bfloat16",
}
LAYERS_A_SHARD = 4


@dataclass(frozen=True)
class Cost:
    """What one preparation took."""

    fingerprint: str
    peak_bytes: int
    wall_s: float
    processor_s: float
    n_prepared_bytes: int


def main() -> None:
    """Prepare what is asked for; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--runs", type=int, default=2, help="the last one counts")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="llmzip-preparing-") as folder:
        print("| model | weights | prepared | memory at most | a weight | wall s | processor s |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for name in asked.models:
            show(name, Path(folder), asked.runs)


def show(name: str, folder: Path, n_runs: int) -> None:
    """Prepare a model so many times; print the last row."""
    made = make(name, folder / name) if name.startswith("random-") else None
    model = name if made is None else str(made)
    n_weights = count(model)
    for _ in range(n_runs):
        cost = prepared(model)
    print(
        f"| {name} {cost.fingerprint} | {n_weights / 1e6:,.0f} M "
        f"| {cost.n_prepared_bytes / 1e6:,.0f} MB | {cost.peak_bytes / 1e6:,.0f} MB "
        f"| {cost.peak_bytes / n_weights:.2f} B | {cost.wall_s:.0f} | {cost.processor_s:.0f} |",
        flush=True,
    )


def prepared(model: str) -> Cost:
    """Prepare a model in a process of its own, and forget what was prepared."""
    files = locate(model)
    with tempfile.TemporaryDirectory(prefix="llmzip-home-", dir=Path.home()) as home:
        place = Path(home)
        if files.source.startswith("wheel"):  # is here, and need not be fetched again
            known = files.path.parent
            (place / "models").mkdir(mode=0o700)
            (place / "models" / known.name).symlink_to(known)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", PREPARE, model],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {HOME_VARIABLE: home},
        )
        assert process.stdout is not None
        fingerprint = process.stdout.read().strip()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{model} could not be prepared")
        n_bytes = sum(path.stat().st_size for path in place.rglob("prepared/*/model.safetensors"))
        took = time.monotonic() - began
        processor_s = used.ru_utime + used.ru_stime
        return Cost(fingerprint, used.ru_maxrss * 1024, took, processor_s, n_bytes)


def count(model: str) -> int:
    """How many weights a model's files hold."""
    files = locate(model)
    if files.is_gguf:
        import gguf

        return sum(int(tensor.n_elements) for tensor in gguf.GGUFReader(files.path).tensors)
    paths = claims.weight_files(files.path)
    return sum(claims.held_weights(path) for path in paths if path.suffix == ".safetensors")


def make(name: str, folder: Path) -> Path:
    """Save one of the two models of random weights."""
    if name == "random-gpt2":
        return save_random_gpt2(folder, n_layers=12, vocab_size=50257)
    folder.mkdir(parents=True)
    weight_map, shard = dict[str, str](), dict[str, torch.Tensor]()
    for number, layer in enumerate(llama_layers()):
        shard |= layer
        if number % LAYERS_A_SHARD == 0:
            weight_map |= save_shard(folder, shard)
            shard = {}
    weight_map |= save_shard(folder, shard)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(LLAMA))
    byte_tokenizer(N_TOKENS - 1).save(str(folder / "tokenizer.json"))
    return folder


def save_shard(folder: Path, tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    """Save some tensors; return in which file each is."""
    path = folder / f"model-{len(list(folder.glob('*.safetensors'))):05}.safetensors"
    save_file(tensors, path, {"format": "pt"})
    return dict.fromkeys(tensors, path.name)


def llama_layers() -> Iterator[dict[str, torch.Tensor]]:
    """Random weights of the Llama, in bf16: what stands around its layers, then each of these."""
    torch.manual_seed(1100)

    def drawn(*sizes: int) -> torch.Tensor:
        return torch.empty(sizes, dtype=torch.bfloat16).normal_(0, 0.02)

    ones = torch.ones(WIDTH, dtype=torch.bfloat16)
    yield {
        "model.embed_tokens.weight": drawn(N_TOKENS, WIDTH),
        "lm_head.weight": drawn(N_TOKENS, WIDTH),
        "model.norm.weight": ones.clone(),
    }
    sizes = {
        "self_attn.q_proj": (WIDTH, WIDTH),
        "self_attn.k_proj": (256, WIDTH),
        "self_attn.v_proj": (256, WIDTH),
        "self_attn.o_proj": (WIDTH, WIDTH),
        "mlp.gate_proj": (D_FF, WIDTH),
        "mlp.up_proj": (D_FF, WIDTH),
        "mlp.down_proj": (WIDTH, D_FF),
    }
    for index in range(N_LAYERS):
        at = f"model.layers.{index}"
        layer = {f"{at}.{name}.weight": drawn(*size) for name, size in sizes.items()}
        norms = ("input_layernorm", "post_attention_layernorm")
        yield layer | {f"{at}.{name}.weight": ones.clone() for name in norms}


if __name__ == "__main__":
    main()
