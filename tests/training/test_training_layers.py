"""Gradients that are written out are those that torch finds by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from llmzip.training import attention
from llmzip.training.attention import keep_probabilities
from llmzip.training.layers import FreeNorm, LowRank

DRAW = torch.Generator().manual_seed(5)


def drawn(*shape: int) -> Tensor:
    """Return numbers that a gradient is asked of."""
    return torch.randn(*shape, generator=DRAW, requires_grad=True)


def require_alike(found: Tensor, wanted: Tensor, inputs: Sequence[Tensor]) -> None:
    """Assert that two results and their gradients for the same inputs are equal, nearly."""
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    outer = torch.randn(found.shape, generator=DRAW)
    grads = [torch.autograd.grad(result, inputs, outer) for result in (found, wanted)]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("base", [nn.Linear(12, 20), nn.Linear(12, 20, False), Conv1D(20, 12)])
@pytest.mark.parametrize("shape", [(3, 5, 12), (7, 12)])
def test_a_product_with_thin_matrices_beside_it(base: Any, shape: tuple[int, ...]) -> None:
    base.requires_grad_(False)
    low = LowRank(base, 4, DRAW)
    with torch.no_grad():
        low.b.copy_(torch.randn(low.b.shape, generator=DRAW))
    x = drawn(*shape)
    wanted = base(x) + x @ low.a.T @ low.b.T
    require_alike(low(x), wanted, (x, low.a, low.b))
    still = x.detach()  # what the first layer gets: nobody asks for its gradient
    require_alike(low(still), base(still) + still @ low.a.T @ low.b.T, (low.a, low.b))


class ShiftedNorm(nn.Module):
    """Gemma's: one more than the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.zeros(16)), 1e-6

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised."""
        return functional.rms_norm(x, (16,), self.weight + 1, self.eps)


@pytest.mark.parametrize(
    ("make", "shift", "is_written_out"),
    [
        (lambda: nn.RMSNorm(16, eps=1e-5), 0.0, True),
        (ShiftedNorm, 1.0, True),
        (ShiftedNorm, 0.0, False),  # it does something else than is said
        (lambda: nn.LayerNorm(16, bias=False), 0.0, False),
        (lambda: nn.LayerNorm(16), 0.0, False),
    ],
)
def test_a_norm_with_free_gains(
    make: Callable[[], nn.Module], shift: float, is_written_out: bool
) -> None:
    base = make()
    with torch.no_grad():
        base.get_parameter("weight").copy_(torch.randn(16, generator=DRAW) * 0.3 + 1)
    free = FreeNorm(base.requires_grad_(False), shift)
    with torch.no_grad():
        free.gain.copy_(torch.randn(16, generator=DRAW) * 0.1)
    assert (free._eps is not None) is is_written_out
    x = drawn(2, 7, 16)
    y = base(x)
    require_alike(free(x), y + y * free.gain, (x, free.gain))


@pytest.mark.parametrize("n_shared", [1, 3])
def test_attention_that_keeps_its_probabilities(n_shared: int) -> None:
    query, key, value = (
        drawn(2, 6, 9, 8),
        drawn(2, 6 // n_shared, 9, 8),
        drawn(2, 6 // n_shared, 9, 8),
    )
    found, _ = attention._attention(nn.Module(), query, key, value, None, 0.3)
    wanted = functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=0.3, enable_gqa=True
    )
    require_alike(found, wanted.transpose(1, 2), (query, key, value))


def test_a_models_gradient_is_the_same_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM  # and with them Triton

    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    model, ids = LlamaForCausalLM(config).eval(), torch.randint(50, (2, 11), generator=DRAW)
    wanted = torch.autograd.grad(model(ids, labels=ids).loss, list(model.parameters()))
    calls: list[Any] = []
    kept: Any = attention._KeptAttention.apply

    def counted(*given: Any) -> Any:
        calls.append(given)
        return kept(*given)

    monkeypatch.setattr(attention._KeptAttention, "apply", counted)
    keep_probabilities(model)
    found = torch.autograd.grad(model(ids, labels=ids).loss, list(model.parameters()))
    assert len(calls) == config.num_hidden_layers
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    calls.clear()
    padded = torch.ones_like(ids)
    padded[0, :3] = 0
    model(ids, attention_mask=padded)  # not all that came before: torch's own does that
    with torch.no_grad():
        model(ids)
    assert not calls
