"""A model with matrices of low rank beside its linear layers, and free norms: what is trained.

LoRA (arXiv:2106.09685): y = W x + B (A x), W frozen, A and B trained (alpha is the rank). The gains
(and biases) of norms are trained as what is added to them. All that is trained is float32, what
stands still has whatever type computes fastest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.families import gain_shift
from llmzip.exact.families.switches import multiplier
from llmzip.models.adapter import Adapter, AdapterConfig, read_folder, write_folder
from llmzip.models.adapter_file import rounded
from llmzip.training.entropy import cross_entropy
from llmzip.training.texts import Ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LowRank(nn.Module):
    """A linear layer with a product of two thin matrices beside it.

    a: (rank, inputs); b: (outputs, rank), zeros at first, so that nothing has changed.
    """

    def __init__(self, base: nn.Linear | Conv1D, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base
        n_out, n_in = base.weight.shape if isinstance(base, nn.Linear) else base.weight.shape[::-1]
        drawn = torch.empty(rank, n_in).uniform_(-1, 1, generator=generator)
        self.a = nn.Parameter(drawn / math.sqrt(n_in))
        self.b = nn.Parameter(torch.zeros(n_out, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., outputs) for (..., inputs)."""
        thin = functional.linear(x, self.a.to(x.dtype))
        wide: Tensor = self.base(x)
        return wide + functional.linear(thin, self.b.to(x.dtype))

    def begin_with(self, a: Tensor, b: Tensor) -> None:
        """Go on from a product b a of any rank; of a higher one, from the nearest of this rank."""
        if len(a) > len(self.a):
            a, b = _nearest(a, b, len(self.a))
        with torch.no_grad():
            self.a[: len(a)] = a
            self.b[:, : len(a)] = b


class FreeNorm(nn.Module):
    """A norm whose gain, and bias where it has one, is trained: as a difference, kept exactly.

    shift: what the norm adds to its weight for the gain.
    """

    def __init__(self, base: nn.Module, shift: float = 0.0) -> None:
        super().__init__()
        self.base, self._shift = base, shift
        self._own = dict(base.named_parameters(recurse=False))
        self.gain = nn.Parameter(torch.zeros(self._own["weight"].shape))
        has_bias = "bias" in self._own
        self.bias = nn.Parameter(torch.zeros_like(self.gain)) if has_bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised."""
        y: Tensor = self.base(x)
        y = y + y * self.gain.to(y.dtype)
        return y if self.bias is None else y + self.bias.to(y.dtype)

    def begin_with(self, merged: dict[str, Tensor]) -> None:
        """Go on from what `merged` has returned once."""
        own, gain = self._own["weight"].float() + self._shift, merged["weight"] + self._shift
        with torch.no_grad():
            self.gain.copy_(torch.where(own == 0, 0, gain / own - 1))
            if self.bias is not None:
                self.bias.copy_(merged["bias"] - self._own["bias"].float() * (self.gain + 1))

    def merged(self) -> dict[str, Tensor]:
        """Return the parameters that the norm alone would need to do the same."""
        grown = self.gain.detach() + 1
        own = self._own["weight"].float() + self._shift
        made = {"weight": own * grown - self._shift}
        if self.bias is not None:
            made["bias"] = self._own["bias"].float() * grown + self.bias.detach()
        return made


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
        model.to(dtype=dtype)
        self._generator = torch.Generator().manual_seed(seed)
        self._low_ranks: dict[str, LowRank] = {}
        self._norms: dict[str, FreeNorm] = {}
        self._wrap(model, "")
        model.to(device)
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

    def parameters(self) -> list[nn.Parameter]:
        """Return all that is trained, in an order that depends on the model alone."""
        return [p for p in self.model.parameters() if p.requires_grad]

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


def _nearest(a: Tensor, b: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the product of this rank that is nearest to b a, by its singular values."""
    left, wide = torch.linalg.qr(b)
    right, thin = torch.linalg.qr(a.T)
    u, values, v = torch.linalg.svd(wide @ thin.T)
    roots = values[:rank].sqrt()
    return roots[:, None] * (v[:rank] @ right.T), left @ u[:, :rank] * roots


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
