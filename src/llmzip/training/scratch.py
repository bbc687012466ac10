"""A small GPT-2 that begins with nothing: all of it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from llmzip.models.trained import TOKENIZER, WEIGHTS
from llmzip.training.learner import Group
from llmzip.training.sizes import Shape
from llmzip.training.texts import Ids

if TYPE_CHECKING:
    from transformers import GPT2Config, GPT2LMHeadModel

_HEAD = "lm_head.weight"  # the embeddings again


@dataclass(frozen=True)
class LearntModel:
    """A whole model at one time. tensors: float32, on the CPU, by transformers' names."""

    config: GPT2Config
    tensors: dict[str, Tensor]
    tokenizer_json: str

    def write(self, folder: Path) -> None:
        """Write it as save_pretrained would: configuration, weights, tokenizer. Raises OSError."""
        self.config.save_pretrained(folder)
        save_file(self.tensors, folder / WEIGHTS, {"format": "pt"})
        (folder / WEIGHTS).chmod(0o644)  # the library lets only their owner read them
        (folder / TOKENIZER).write_text(self.tokenizer_json, encoding="utf-8")


class ScratchModel:
    """A GPT-2 with a vocabulary of its own, as training sees it; weights are float32.

    dtype: what is multiplied in.
    seed: what weights are drawn by.
    """

    def __init__(
        self,
        shape: Shape,
        vocab_size: int,
        tokenizer_json: str,
        device: torch.device,
        dtype: torch.dtype,
        seed: int = 0,
    ) -> None:
        self._tokenizer_json, self._device, self._dtype = tokenizer_json, device, dtype
        self._config = _config(shape, vocab_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = _new(self._config)
        self.model.to(device)
        self.model.train()

    @property
    def n_weights(self) -> int:
        """How many there are, the head being the embeddings again."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def groups(self) -> list[Group]:
        """Return all parameters, in an order that depends on the shape alone."""
        parameters = list(self.model.parameters())
        return [
            Group([p for p in parameters if p.ndim > 1]),
            Group([p for p in parameters if p.ndim == 1], decays=False),
        ]

    def entropy(self, ids: Ids) -> Tensor:
        """Return the cross-entropy of all tokens in windows but the first of each, in nats.

        ids: (rows, length), of which one more may be than there are positions.
        """
        tokens = torch.from_numpy(ids).to(self._device)
        is_mixed = self._dtype != torch.float32
        with torch.autocast(self._device.type, self._dtype, enabled=is_mixed):
            logits = self.model(input_ids=tokens[:, :-1], use_cache=False).logits
        wanted = tokens[:, 1:].reshape(-1)
        return functional.cross_entropy(
            logits.float().reshape(len(wanted), -1), wanted, reduction="sum"
        )

    def learnt(self) -> LearntModel:
        """Return a copy of the model as it is now."""
        tensors = {
            name: tensor.detach().to("cpu", copy=True).contiguous()
            for name, tensor in self.model.state_dict().items()
            if name != _HEAD
        }
        return LearntModel(self._config, tensors, self._tokenizer_json)

    def read(self, folder: Path) -> LearntModel:
        """Return what was written into a folder. Raises: ValueError if of another vocabulary."""
        if (folder / TOKENIZER).read_text(encoding="utf-8") != self._tokenizer_json:
            raise ValueError("its vocabulary is another one")
        return LearntModel(self._config, load_file(folder / WEIGHTS), self._tokenizer_json)


def _new(config: GPT2Config) -> GPT2LMHeadModel:
    from transformers import GPT2LMHeadModel  # which takes a second, and brings what compiles

    return GPT2LMHeadModel(config)


def _config(shape: Shape, vocab_size: int) -> GPT2Config:
    """Return what the exact engine runs: gelu_new, no dropout, the head tied."""
    from transformers import GPT2Config

    return GPT2Config(
        architectures=["GPT2LMHeadModel"],
        vocab_size=vocab_size,
        n_positions=shape.n_positions,
        n_embd=shape.d_model,
        n_layer=shape.n_layers,
        n_head=shape.n_heads,
        activation_function="gelu_new",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
