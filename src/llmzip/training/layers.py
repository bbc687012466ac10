"""The layers that learn: a linear one with matrices of low rank beside it, a norm with free gains.

LoRA (arXiv:2106.09685): y = W x + B (A x), W frozen, A and B trained (alpha is the rank). The gains
(and biases) of norms are trained as what is added to them. All that is trained is float32, what
stands still has whatever type computes fastest.

Gradients are written out here where torch would pass over memory for every single operation: on a
CPU those passes took as long as the products.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D


class _Product(torch.autograd.Function):
    """x Wᵀ + bias + (x Aᵀ) Bᵀ for rows x, of which W and the bias stand still.

    What it returns is no view, here and below: some models add to that in place.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor
    ) -> Tensor:
        thin = rows @ a.T
        ctx.save_for_backward(rows, weight, a, b, thin)
        return functional.linear(rows, weight, bias).addmm_(thin, b.T)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor]:
        rows, weight, a, b, thin = ctx.saved_tensors
        (outer,) = grads
        inner = outer @ b
        of_rows = (outer @ weight).addmm_(inner, a) if ctx.needs_input_grad[0] else None
        return of_rows, None, None, inner.T @ rows, outer.T @ thin


class LowRank(nn.Module):
    """A linear layer with a product of two thin matrices beside it.

    a: (rank, inputs); b: (outputs, rank), zeros at first, so that nothing has changed.
    """

    def __init__(self, base: nn.Linear | Conv1D, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base
        n_out, n_in = _weight(base).shape
        drawn = torch.empty(rank, n_in).uniform_(-1, 1, generator=generator)
        self.a = nn.Parameter(drawn / math.sqrt(n_in))
        self.b = nn.Parameter(torch.zeros(n_out, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., outputs) for (..., inputs)."""
        rows, thin = x.reshape(-1, x.shape[-1]), (self.a.to(x.dtype), self.b.to(x.dtype))
        out: Tensor = _Product.apply(rows, _weight(self.base), self.base.bias, *thin)  # type: ignore[no-untyped-call]
        return out.view(*x.shape[:-1], -1)

    def begin_with(self, a: Tensor, b: Tensor) -> None:
        """Go on from a product b a of any rank; of a higher one, from the nearest of this rank."""
        if len(a) > len(self.a):
            a, b = _nearest(a, b, len(self.a))
        with torch.no_grad():
            self.a[: len(a)] = a
            self.b[:, : len(a)] = b


class _RmsNorm(torch.autograd.Function):
    """x / sqrt(mean(x²) + eps) times gains (width,), float32, for rows x."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, gains: Tensor, eps: float) -> Tensor:
        lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True, dtype=torch.float32)
        scale = lengths.square_().div_(len(gains)).add_(eps).rsqrt_()
        ctx.save_for_backward(rows, gains, scale)
        out: Tensor = (rows * scale).mul_(gains).to(rows.dtype)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        rows, gains, scale = ctx.saved_tensors
        outer, even = grads[0].float(), rows * scale
        of_gains = (outer * even).sum(0)
        outer = outer * gains
        along = torch.linalg.vecdot(outer, even).div_(len(gains))[:, None]
        of_rows = outer.sub_(even.mul_(along)).mul_(scale)
        return of_rows.to(rows.dtype), of_gains, None


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
        self._eps = None if has_bias else _eps_if_rms(base, self._own_gains())

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised."""
        if self._eps is not None:
            gains = self._own_gains() * (self.gain + 1)
            out: Tensor = _RmsNorm.apply(x.reshape(-1, len(gains)), gains, self._eps)  # type: ignore[no-untyped-call]
            return out.view_as(x)
        y: Tensor = self.base(x)
        y = torch.addcmul(y, y, self.gain.to(y.dtype))
        return y if self.bias is None else y + self.bias.to(y.dtype)

    def begin_with(self, merged: dict[str, Tensor]) -> None:
        """Go on from what `merged` has returned once."""
        own, gain = self._own_gains(), merged["weight"] + self._shift
        with torch.no_grad():
            self.gain.copy_(torch.where(own == 0, 0, gain / own - 1))
            if self.bias is not None:
                self.bias.copy_(merged["bias"] - self._own["bias"].float() * (self.gain + 1))

    def merged(self) -> dict[str, Tensor]:
        """Return the parameters that the norm alone would need to do the same."""
        grown = self.gain.detach() + 1
        made = {"weight": self._own_gains() * grown - self._shift}
        if self.bias is not None:
            made["bias"] = self._own["bias"].float() * grown + self.bias.detach()
        return made

    def _own_gains(self) -> Tensor:
        """Return the gains that stand still, float32."""
        return self._own["weight"].float() + self._shift


def _weight(base: nn.Linear | Conv1D) -> Tensor:
    """A linear layer's weights, (outputs, inputs)."""
    return base.weight if isinstance(base, nn.Linear) else base.weight.T


def _nearest(a: Tensor, b: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the product of this rank that is nearest to b a, by its singular values."""
    left, wide = torch.linalg.qr(b)
    right, thin = torch.linalg.qr(a.T)
    u, values, v = torch.linalg.svd(wide @ thin.T)
    roots = values[:rank].sqrt()
    return roots[:, None] * (v[:rank] @ right.T), left @ u[:, :rank] * roots


def _eps_if_rms(base: nn.Module, gains: Tensor) -> float | None:
    """Return what a norm adds to the mean of squares if it does what _RmsNorm does; else None.

    Not its name decides, but what it makes of two rows.
    """
    eps = getattr(base, "variance_epsilon", getattr(base, "eps", None))
    if not isinstance(eps, float) or gains.ndim != 1:
        return None
    rows = torch.linspace(-1.0, 2.0, 2 * len(gains)).view(2, -1) * torch.tensor([[1.0], [0.01]])
    with torch.no_grad():
        found = base(rows.to(gains.device))
        wanted = _RmsNorm.apply(rows.to(gains.device), gains, eps)  # type: ignore[no-untyped-call]
    return eps if torch.allclose(found.float(), wanted, rtol=1e-4, atol=1e-6) else None
