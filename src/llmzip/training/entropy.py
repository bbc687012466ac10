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

    The gradient of h, (softmax - one-hot) W, is made on the way, so that no logits are kept. Where
    there is a soft cap c, c tanh(z / c) stands for logits z, and 1 - tanh² comes into the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, bias: Tensor | None, cap: float
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
            if cap:
                bent = torch.tanh(logits / cap)
                logits = bent * cap
            scale = torch.logsumexp(logits, 1, keepdim=True)
            total += (scale - logits.gather(1, wanted)).sum()
            logits.sub_(scale).exp_()
            logits.scatter_add_(1, wanted, torch.full_like(scale, -1.0))
            if cap:
                logits.mul_(1 - bent.square_())
            gradient[part] = logits.to(head.dtype) @ head
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0], None, None, None, None


def cross_entropy(
    hidden: Tensor,
    head: Tensor,
    targets: Tensor,
    bias: Tensor | None = None,
    cap: float = 0.0,
) -> Tensor:
    """Return the sum of the targets' cross-entropies in nats, float32.

    hidden: (rows, width); head: (vocabulary, width), no gradient is made for it; targets: (rows,).
    bias: the head's, (vocabulary,). cap: the logits' soft cap, 0 where there is none.
    """
    total: Tensor = _CrossEntropy.apply(hidden, head, targets, bias, cap)  # type: ignore[no-untyped-call]
    return total
