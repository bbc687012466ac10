"""The cross-entropy of a large vocabulary without ever holding all of its logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_ROWS, _MOST_ROWS = 256, 4096
"""Tokens whose logits are held at once; a GPU takes up to the second, of _LOGITS logits."""
_LOGITS = 1 << 28


class _CrossEntropy(torch.autograd.Function):
    """The sum over rows of -log softmax(h Wᵀ + b)[target], in nats; W and b stand still.

    The gradient of h, (softmax - one-hot) W, is made on the way, so that no logits are kept.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, bias: Tensor | None
    ) -> Tensor:
        total = torch.zeros((), device=hidden.device)
        gradient = torch.empty_like(hidden)
        n_rows = _ROWS
        if hidden.device.type == "cuda":
            n_rows = max(_ROWS, min(_MOST_ROWS, _LOGITS // len(head)))
        for first in range(0, len(hidden), n_rows):
            part = slice(first, first + n_rows)
            wanted = targets[part, None]
            logits = functional.linear(hidden[part], head, bias).float()
            scale = torch.logsumexp(logits, 1, keepdim=True)
            total += (scale - logits.gather(1, wanted)).sum()
            logits.sub_(scale).exp_()
            logits.scatter_add_(1, wanted, torch.full_like(scale, -1.0))
            gradient[part] = logits.to(head.dtype) @ head
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0], None, None, None


def cross_entropy(
    hidden: Tensor, head: Tensor, targets: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Return the sum of the targets' cross-entropies in nats, float32.

    hidden: (rows, width); head: (vocabulary, width), no gradient is made for it; targets: (rows,).
    bias: the head's, (vocabulary,).
    """
    total: Tensor = _CrossEntropy.apply(hidden, head, targets, bias)  # type: ignore[no-untyped-call]
    return total
