"""Small models that have learnt something, made on the spot, and what text costs by them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from exact_models import CPU
from llmzip import torch_threads
from llmzip.exact.engines import make_engine
from llmzip.exact.model import ExactModel
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window


def trained_gpt2(ids: NDArray[np.int64], n_steps: int = 80) -> Any:
    """A small GPT-2 that has read `ids` for a while."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": 512, "n_positions": 128, "n_embd": 96, "n_layer": 3, "n_head": 4}
    config = GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return trained(GPT2LMHeadModel(config), ids, 128, n_steps)


def trained(
    model: Any,
    ids: NDArray[np.int64],
    n_tokens: int,
    n_steps: int,
    rate: float = 3e-3,
    n_pieces: int = 8,
) -> Any:
    """The model, having read so many times some pieces of `ids`."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    with torch_threads.one_thread():  # so small a model gains nothing from more
        for _ in range(n_steps):
            starts = torch.randint(0, len(ids) - n_tokens, (n_pieces,)).tolist()
            batch = torch.stack([torch.from_numpy(ids[s : s + n_tokens]) for s in starts])
            loss = model(batch, labels=batch).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def float_bits(model: Any, window: Window, chunks: Sequence[NDArray[np.int32]]) -> float:
    """Cross-entropy of the chunks by transformers in float32, fed through the same windows."""
    bits = 0.0
    for chunk in chunks:
        done = 0
        for inputs, n_context in window.cut(chunk.astype(np.int64)):
            count = len(inputs) - n_context
            with torch.inference_mode():
                logits = model(torch.from_numpy(inputs)[None]).logits[0, n_context:].double()
            own = torch.from_numpy(chunk[done : done + count].astype(np.int64))
            bits += float(torch.nn.functional.cross_entropy(logits, own, reduction="sum"))
            done += count
    return bits / float(np.log(2))


def exact_bits(model: ExactModel, window: Window, chunks: Sequence[NDArray[np.int32]]) -> float:
    """What the exact predictor's intervals cost, in bits."""
    make = partial(make_engine, model, CPU, window.size)
    found = ExactPredictor(make, window, 1).intervals(chunks)
    return sum(float(-np.log2(x.freq / x.total).sum()) for x in found)
