"""Compile every kernel that an engine launches, without a device; print what the PTX says.

Run with a folder for Triton's cache in TRITON_CACHE_DIR. The engine runs for real but for its
launches, each of which is compiled for compute capability 8.0 and 9.0 instead. Prints JSON:
{"kernel": [counts of suspicious and of wanted instructions, ...]}.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from exact_models import CPU, GPT2, LLAMA, exact_model
from llmzip.exact.cuda import distributions, engine, forward, gemm

TYPES = {
    torch.int8: "*i8",
    torch.int16: "*i16",
    torch.int32: "*i32",
    torch.int64: "*i64",
    torch.float32: "*fp32",
}
PATTERNS = {
    "contracted": r"\bfma\.",
    "flushed": r"\.ftz",
    "approximate": r"\.(?:approx|full)",
    "divisions": r"\bdiv\.rn\.f",
    "roots": r"\bsqrt\.rn\.f64",
    "tensor cores": r"mma\S*\.s8\.s8",
}
compiled: dict[str, list[dict[str, int]]] = {}
seen: set[str] = set()


def compile_instead(kernel: Any, grid: object, *arguments: Any, **constants: Any) -> None:
    """Stand in for `launch`."""
    options: dict[str, Any] = {"enable_fp_fusion": False}
    for name in ("num_warps", "num_stages"):
        if name in constants:
            options[name] = constants.pop(name)
    signature, attributes = {}, {}
    given = iter(arguments)
    for index, parameter in enumerate(kernel.params):
        if parameter.name in constants:
            signature[parameter.name] = "constexpr"
            continue
        argument = next(given)
        signature[parameter.name] = "i32" if isinstance(argument, int) else TYPES[argument.dtype]
        if not isinstance(argument, int):
            attributes[(index,)] = [["tt.divisibility", 16]]
    key = repr((kernel.__name__, sorted(signature.items()), sorted(constants.items())))
    if key in seen:
        return
    seen.add(key)
    for capability in (80, 90):
        source = ASTSource(kernel, signature, constants, attributes)
        target = GPUTarget("cuda", capability, 32)
        ptx = triton.compile(source, target=target, options=options).asm["ptx"]
        counts = {name: len(re.findall(pattern, ptx)) for name, pattern in PATTERNS.items()}
        compiled.setdefault(kernel.__name__, []).append(counts)


def main() -> None:
    """Walk through prefill, a step and all that is asked of the head, of both families."""
    for module in (distributions, engine, forward, gemm):
        module.launch = compile_instead  # type: ignore[attr-defined]
    gpt2 = replace(GPT2, n_layers=1, d_model=64, d_head=64, n_heads=1, n_kv_heads=1)
    llama = replace(LLAMA, n_layers=1, d_model=192, d_head=64, n_heads=3, n_kv_heads=1)
    later = replace(llama, head_norm="before", activation="gelu", parallel=True)
    normed = replace(llama, head_norm="whole", norms="after", layer_window=(64,))
    capped = replace(llama, score_cap=50.0, logit_cap=30.0)
    for recipe in (gpt2, replace(llama, d_ff=512, vocab_size=2500), later, normed, capped):
        runner = engine.CudaEngine(exact_model(recipe), CPU, 128, 64)
        cache, lane = runner.cache(1, 128), np.array([0])
        hidden = runner.forward(np.zeros((1, 40), dtype=np.int64), lane, lane, cache)
        runner.intervals(hidden, np.zeros(40, dtype=np.int64))
        found = runner.step(lane, lane, lane, cache)
        found.find(np.zeros(1, dtype=np.uint64))
        found.look_up(np.zeros((1, 6), dtype=np.int64))
        found.frequencies()
        found.add_gradient(lane, np.zeros(recipe.vocab_size, dtype=np.int64))
    print(json.dumps(compiled))


if __name__ == "__main__":
    main()
