"""RoPE by published configurations: what transformers computes in floats, and pinned for ever."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from llmzip.exact.families.rope import Rope, read_rope

_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_type": "llama3"}
_SHORT = [1.0, 1.02, *([1.03] * 40), 1.25, *([1.5] * 5)]
PUBLISHED: dict[str, tuple[int, dict[str, Any], str]] = {
    "Llama 3.1": (
        131072,
        _LLAMA3 | {"factor": 8.0, "original_max_position_embeddings": 8192, "rope_theta": 500000.0},
        "f68e3223ebf566d06f71e8f07bbf8675166ebc4c4fcfe9e8cdc47e761a3e37ef",
    ),
    "Llama 3.2": (
        131072,
        _LLAMA3
        | {"factor": 32.0, "original_max_position_embeddings": 8192, "rope_theta": 500000.0},
        "fb35cadb257567f12185568531d8206b69373f7c8e1659305b9d6f3ad3368aef",
    ),
    "Qwen2.5 by yarn": (
        131072,
        {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 32768,
            "rope_theta": 1000000.0,
        },
        "7d3eaec5166006d6b7c79c2835f05ebc62aa1c5a6363a48c8eb3e0f4612a75b4",
    ),
    "Phi-3.5 mini": (
        131072,
        {
            "rope_type": "longrope",
            "short_factor": _SHORT,
            "long_factor": [2.0] * 48,
            "original_max_position_embeddings": 4096,
            "rope_theta": 10000.0,
        },
        "2220cf63e3234e0d7c39137099b5452add61b6cda692c09eb56524e06e456ccf",
    ),
    "DeepSeek by linear": (
        16384,
        {"rope_type": "linear", "factor": 4.0, "rope_theta": 100000.0},
        "36e412f88169a82583750a3e3529bdcf784c9ba10fddbe8e00ab48951b86f6b0",
    ),
}


def read(name: str) -> tuple[Any, Rope]:
    """A configuration, and what we read of it."""
    from transformers import LlamaConfig

    n_positions, values, _ = PUBLISHED[name]
    d_head = 96 if name.startswith("Phi") else 128
    config = LlamaConfig(
        hidden_size=4 * d_head,
        num_attention_heads=4,
        max_position_embeddings=n_positions,
        rope_parameters=dict(values),
    )
    return config, read_rope(config, d_head, n_positions, share=None)


@pytest.mark.parametrize("name", PUBLISHED)
def test_pairs_turn_as_transformers_has_them_turn(name: str) -> None:
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config, rope = read(name)
    wanted, factor = ROPE_INIT_FUNCTIONS[PUBLISHED[name][1]["rope_type"]](config, "cpu")
    found = np.array([turn * 2.0**-128 for turn in rope.turns])
    assert np.abs(found / wanted.double().numpy() - 1).max() < 1e-6
    assert rope.factor == pytest.approx(factor, rel=1e-12)
    assert rope.n_positions == (4096 if name.startswith("Phi") else config.max_position_embeddings)


@pytest.mark.parametrize("name", PUBLISHED)
def test_turns_are_pinned(name: str) -> None:
    _, rope = read(name)
    text = "\n".join(map(str, (*rope.turns, rope.factor.hex())))
    assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED[name][2]
