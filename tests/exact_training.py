"""A small GPT-2 that has learnt something, made on the spot."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def trained_gpt2(ids: NDArray[np.int64], n_steps: int = 80) -> Any:
    """A small GPT-2 that has read `ids` for a while."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": 512, "n_positions": 128, "n_embd": 96, "n_layer": 3, "n_head": 4}
    config = GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = GPT2LMHeadModel(config).train()
        optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(n_steps):
            starts = torch.randint(0, len(ids) - 128, (8,)).tolist()
            batch = torch.stack([torch.from_numpy(ids[s : s + 128]) for s in starts])
            loss = model(batch, labels=batch).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()
