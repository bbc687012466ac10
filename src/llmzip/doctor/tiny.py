"""A tiny model made by integer arithmetic: the same on every machine, there without any file.

Its predictions are noise. Its widths are such that every way of computing takes it, and its layers
are as those of the default model, so that the kernels are the same.
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.model import ExactModel, Layer, Linear
from llmzip.exact.shape import ModelShape
from llmzip.exact.tables import rope_tables, rope_turns
from llmzip.models.prepared import OpenedExact
from llmzip.tokens import ByteTokenizer
from llmzip.tokens.vocabulary import byte_alphabet

_END_OF_TEXT = "<|endoftext|>"
_GOLDEN = 0x9E3779B97F4A7C15


def tiny_shape() -> ModelShape:
    """Return its sizes."""
    return ModelShape(
        n_layers=2,
        d_model=192,
        n_heads=3,
        n_kv_heads=1,
        d_head=64,
        d_ff=256,
        vocab_size=320,
        n_positions=256,
        eps=1e-5,
        gated=True,
        rotary=True,
    )


def tiny_model(shape: ModelShape | None = None) -> ExactModel:
    """Return the model, or one like it of some other shape, without norms of heads."""
    shape, numbers = shape or tiny_shape(), _Numbers()
    d = shape.d_model
    cos = sin = positions = None
    if shape.rotary:
        cos, sin = rope_tables(shape.n_positions, rope_turns(10_000.0, shape.d_head))
    else:
        positions = np.zeros((shape.n_positions, d), dtype=np.float32)
    embedding = numbers.below(65_535, (shape.vocab_size, d)) - 32_767
    layers = tuple(
        Layer(
            numbers.linear(shape.d_qkv, d),
            numbers.linear(d, shape.d_heads),
            numbers.linear(shape.d_up, d),
            numbers.linear(d, shape.d_ff),
        )
        for _ in range(shape.n_layers)
    )
    return ExactModel(
        shape,
        embedding.astype(np.int16),
        np.full(shape.vocab_size, 2.0**-15, dtype=np.float32),
        positions,
        cos,
        sin,
        layers,
        numbers.linear(shape.vocab_size, d),
    )


def tiny_opened() -> OpenedExact:
    """Return the model with a tokenizer for which every byte is a token. Imports no library."""
    return OpenedExact(tiny_model(), ByteTokenizer(_tokenizer_json()), 0, "tiny", "none", bytes(8))


class _Numbers:
    """Numbers of SplitMix64 (Steele, Lea, Flood: Fast splittable PRNGs), one after the other."""

    def __init__(self) -> None:
        self._n_taken = 0

    def below(self, limit: int, sizes: tuple[int, ...]) -> NDArray[np.int64]:
        """Return numbers of 0 to limit - 1."""
        count = int(np.prod(sizes))
        z = np.arange(self._n_taken + 1, self._n_taken + count + 1, dtype=np.uint64)
        self._n_taken += count
        z *= np.uint64(_GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        return (z % np.uint64(limit)).astype(np.int64).reshape(sizes)

    def linear(self, n_out: int, n_in: int) -> Linear:
        """Return a linear that about keeps the size of what goes in."""
        weight = (self.below(255, (n_out, n_in)) - 127).astype(np.int8)
        scale = (256 + self.below(256, (n_out,))).astype(np.float32) * np.float32(2.0**-18)
        return Linear(weight, scale, None)


def _tokenizer_json() -> str:
    """Return the tokenizer.json of a byte-level BPE without merges; id 0 is the end of text."""
    ids = {letter: byte + 1 for letter, byte in byte_alphabet().items()}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    end = {"id": 0, "content": _END_OF_TEXT, "special": True, "normalized": False}
    spec = {
        "version": "1.0",
        "added_tokens": [{**end, "single_word": False, "lstrip": False, "rstrip": False}],
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": {_END_OF_TEXT: 0, **ids}, "merges": []},
    }
    return json.dumps(spec)
