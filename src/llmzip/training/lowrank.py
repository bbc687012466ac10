"""A model with matrices of low rank beside its linear layers, and free norms: what is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.families import gain_shift
from llmzip.exact.families.switches import multiplier
from llmzip.models.adapter import Adapter, AdapterConfig, read_folder, write_folder
from llmzip.models.adapter_file import rounded
from llmzip.training.attention import keep_probabilities
from llmzip.training.entropy import cross_entropy
from llmzip.training.layers import FreeNorm, LowRank
from llmzip.training.learner import Group
from llmzip.training.texts import Ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WIDE_RATE = 4.0
"""How much faster the matrices that begin as zeros learn: LoRA+ (arXiv:2402.12354)."""


@dataclass(frozen=True)
class LearntAdapter:
    """An adapter as training has it at one time."""

    adapter: Adapter

    def write(self, folder: Path) -> None:
        """Write it into a folder that is there. Raises OSError."""
        write_folder(self.adapter, folder)


class TrainedModel:
    """A transformers model whose linear layers and norms can learn; all else stands still.

    dtype: of what stands still, and of what flows between the layers.
    seed: what the thin matrices that are not zeros are drawn by.
    base: what the model is called, for the adapter.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        rank: int,
        device: torch.device,
        dtype: torch.dtype,
        seed: int = 0,
        base: str = "",
    ) -> None:
        self.model, self._rank, self._base = model, rank, base
        self._head = model.get_output_embeddings()
        self._logit_divisor = _logit_divisor(model.config)
        self._logit_cap = float(getattr(model.config, "final_logit_softcapping", None) or 0)
        self._gain_shift = gain_shift(model.config)
        model.requires_grad_(False)
        self._generator = torch.Generator().manual_seed(seed)
        self._low_ranks: dict[str, LowRank] = {}
        self._norms: dict[str, FreeNorm] = {}
        self._wrap(model, "")
        for parameter in model.parameters():  # buffers stay: RoPE's frequencies need all digits
            if not parameter.requires_grad:
                parameter.data = parameter.data.to(dtype)
        model.to(device)
        if device.type == "cpu":
            keep_probabilities(model)
        model.eval()  # no dropout: what is learnt is little beside what stands still

    def begin_with(self, adapter: Adapter, where: Path) -> None:
        """Go on from what an adapter of the same model has learnt; where: it is, for messages.

        Raises ModelUnsupportedError for one of another model.
        """
        tensors = {name: torch.from_numpy(array) for name, array in adapter.tensors.items()}
        try:
            for name, low in self._low_ranks.items():
                if f"{name}.lora_A" in tensors:
                    wide = tensors.pop(f"{name}.lora_B") * adapter.config.scale
                    low.begin_with(tensors.pop(f"{name}.lora_A"), wide)
            for name, norm in self._norms.items():
                if f"{name}.weight" in tensors:
                    norm.begin_with({part: tensors.pop(f"{name}.{part}") for part in norm.merged()})
        except (KeyError, RuntimeError) as exc:
            raise _other(where) from exc
        if tensors:
            raise _other(where)

    def groups(self) -> list[Group]:
        """Return all that is trained, in an order that depends on the model alone."""
        low_ranks, norms = self._low_ranks.values(), self._norms.values()
        return [
            Group([low.a for low in low_ranks]),
            Group([low.b for low in low_ranks], rate=WIDE_RATE),
            Group([p for n in norms for p in n.parameters() if p.requires_grad], decays=False),
        ]

    def entropy(self, ids: Ids) -> Tensor:
        """Return the cross-entropy of all tokens in windows but the first of each, in nats.

        ids: (rows, length).
        """
        tokens = torch.from_numpy(ids).to(self.head.device)
        hidden = self.hidden(tokens)[:, :-1] / self._logit_divisor
        rows, targets = hidden.reshape(-1, hidden.shape[-1]), tokens[:, 1:].reshape(-1)
        bias = getattr(self._head, "bias", None)
        return cross_entropy(rows, self.head, targets, bias, self._logit_cap)

    def learnt(self) -> LearntAdapter:
        """Return what has been learnt, as a file of 8 bits a weight holds it."""
        return LearntAdapter(rounded(self.adapter(self._base)))

    def read(self, folder: Path) -> LearntAdapter:
        """Return what was written into a folder. Raises: ModelError, OSError."""
        return LearntAdapter(read_folder(folder))

    def hidden(self, ids: Tensor) -> Tensor:
        """Return what the head takes (rows, length, width) of token ids (rows, length)."""
        hidden: Tensor = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        return hidden

    @property
    def head(self) -> Tensor:
        """The head's weights (vocabulary, width)."""
        weight: Tensor = self._head.weight
        return weight

    def adapter(self, base: str) -> Adapter:
        """Return what has been learnt, on the CPU.

        base: what the model is called that it was learnt for.
        """
        tensors: dict[str, Tensor] = {}
        for name, low in self._low_ranks.items():
            tensors[f"{name}.lora_A"] = low.a.detach()
            tensors[f"{name}.lora_B"] = low.b.detach()
        for name, norm in self._norms.items():
            tensors |= {f"{name}.{part}": value for part, value in norm.merged().items()}
        config = AdapterConfig(
            base=base,
            rank=self._rank,
            alpha=float(self._rank),
            layers=tuple(sorted({name.rpartition(".")[2] for name in self._low_ranks})),
            norms=tuple(sorted(set(map(_ending, self._norms)))),
            is_transposed=any(isinstance(low.base, Conv1D) for low in self._low_ranks.values()),
        )
        return Adapter(config, {name: t.float().cpu().numpy() for name, t in tensors.items()})

    def _wrap(self, module: nn.Module, prefix: str) -> None:
        for name, child in list(module.named_children()):
            if child is self._head:
                continue
            where = f"{prefix}{name}"
            if isinstance(child, nn.Linear | Conv1D):
                self._low_ranks[where] = wrapped = LowRank(child, self._rank, self._generator)
                setattr(module, name, wrapped)
            elif _is_norm(child):
                self._norms[where] = free = FreeNorm(child, self._gain_shift)
                setattr(module, name, free)
            else:
                self._wrap(child, f"{where}.")


def _ending(name: str) -> str:
    """The part of a norm's name that tells it from others of a layer; in a list, all of it."""
    last = name.rpartition(".")[2]
    return name if last.isdigit() else last


def _other(where: Path) -> ModelUnsupportedError:
    return ModelUnsupportedError(
        f"{where} changes layers that the model does not have, or that are not trained: begin "
        "with its model instead"
    )


def _logit_divisor(config: Any) -> float:
    """What the logits are divided by (Granite), or multiplied (Cohere)."""
    divisor, factor = (multiplier(config, name) for name in ("logits_scaling", "logit_scale"))
    return divisor / factor


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and hasattr(module, "weight")
