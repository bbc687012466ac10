"""Attention of whole windows whose probabilities are kept for the gradient.

torch's own does without them, and makes them again: on a CPU its gradient took a quarter of a step
of training, several times what the products need. Windows are of some hundred tokens here, so there
is room for all. In bfloat16 scores are rounded, too, unlike there: gradients of keys are off by 4 %
where scores come to 80 (torch's by 0.6 %). What is judged goes through torch's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from llmzip.models.foreign import silence

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NAME = "llmzip"
_PLAIN = "sdpa"
"""What transformers calls this way, and the one it stands for."""


class _KeptAttention(torch.autograd.Function):
    """softmax(scale Q Kᵀ + mask) V, each row of a batch for itself.

    grouped: queries (rows, heads of keys, queries that share one · length, width); keys and values
    (rows, heads, length, width). Returns (rows, heads, queries · length, width of values).
    """

    @staticmethod
    def forward(ctx: Any, grouped: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        n = key.shape[2]
        mask = grouped.new_full((n, n), -torch.inf).triu_(1).repeat(grouped.shape[2] // n, 1)
        kept = grouped.new_empty(*grouped.shape[:3], n)
        out = grouped.new_empty(*grouped.shape[:3], value.shape[3])
        for row in range(len(grouped)):
            scores = torch.baddbmm(mask, grouped[row], key[row].mT, alpha=scale)
            torch.softmax(scores, 2, out=kept[row])
            torch.bmm(kept[row], value[row], out=out[row])
        ctx.save_for_backward(grouped, key, value, kept)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        grouped, key, value, kept = ctx.saved_tensors
        (outer,) = grads
        of_query, of_key, of_value = (torch.empty_like(x) for x in (grouped, key, value))
        for row, probabilities in enumerate(kept):
            torch.bmm(probabilities.mT, outer[row], out=of_value[row])
            of_kept = torch.bmm(outer[row], value[row].mT)
            # of the scores: p (dp - sum(p dp)), in one pass
            scores = torch._softmax_backward_data(of_kept, probabilities, 2, of_kept.dtype)
            scores.mul_(ctx.scale)
            torch.bmm(scores, key[row], out=of_query[row])
            torch.bmm(scores.mT, grouped[row], out=of_key[row])
        return of_query, of_key, of_value, None


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **how: Any,
) -> tuple[Tensor, Any]:
    """Do what transformers asks of an attention function; returns (rows, length, heads, width).

    Where it is of whole windows and all that came before, without anything else, by what is above.
    """
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    special = (how.get(name) is not None for name in ("softcap", "s_aux", "position_bias", "cache"))
    simple = attention_mask is None and causal and not dropout and not any(special)
    if not (simple and query.requires_grad and query.shape[2] == key.shape[2]):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        given = module, query, key, value, attention_mask
        how |= {"dropout": dropout, "scaling": scaling, "is_causal": is_causal}
        out, _ = sdpa_attention_forward(*given, **how)
        return out, None
    scale = query.shape[3] ** -0.5 if scaling is None else scaling
    grouped = query.reshape(len(key), key.shape[1], -1, query.shape[3])
    out = _KeptAttention.apply(grouped, key, value, scale)  # type: ignore[no-untyped-call]
    return out.view(*query.shape[:3], -1).transpose(1, 2).contiguous(), None


def keep_probabilities(model: PreTrainedModel) -> None:
    """Have a model that uses torch's attention use this instead, where transformers lets it."""
    try:
        from transformers import AttentionInterface
        from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
    except ImportError:  # an older one
        return
    if model.config._attn_implementation != _PLAIN:
        return
    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    with silence():
        model.set_attn_implementation(_NAME)
