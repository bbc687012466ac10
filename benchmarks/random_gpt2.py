"""A model of GPT-2's shape with random weights, saved by transformers and loaded as any other.

What a model computes does not depend on what its weights are, so speed needs no trained ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from llmzip.models import OpenedExact, open_exact

_END = "<|endoftext|>"


def open_random_gpt2(folder: Path, n_layers: int, vocab_size: int) -> OpenedExact:
    """Make the model and open it, all in `folder`; see `save_random_gpt2`."""
    saved = save_random_gpt2(folder / "model", n_layers, vocab_size)
    with mock.patch.dict(os.environ, {"LLMZIP_HOME": str(folder / "home")}):
        return open_exact(str(saved), quiet=True)


def save_random_gpt2(folder: Path, n_layers: int, vocab_size: int) -> Path:
    """Save the model in `folder`, which is returned.

    It has 124 million weights with 12 layers and GPT-2's own vocabulary of 50,257.
    """
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(124)
        model = GPT2LMHeadModel(GPT2Config(n_layer=n_layers, vocab_size=vocab_size))
    model.save_pretrained(folder)
    byte_tokenizer(vocab_size - 1).save(str(folder / "tokenizer.json"))
    return folder


def byte_tokenizer(end_id: int) -> Tokenizer:
    """A token for each byte, and the end of text, which is GPT-2's last."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {**{char: i for i, char in enumerate(alphabet)}, _END: end_id}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_END])
    return tokenizer
