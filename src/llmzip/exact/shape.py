"""What a model is: its sizes, and what its layers do. All that computes one reads it from here."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from enum import IntEnum
from typing import Any


class Activation(IntEnum):
    """What stands between `up` and `down`, as kernels are told."""

    GELU = 0
    SILU_GATE = 1
    GELU_GATE = 2
    RELU = 3
    SQUARED_RELU = 4

    @property
    def is_gate(self) -> bool:
        """Whether `up` has gates, and what they multiply."""
        return self in (Activation.SILU_GATE, Activation.GELU_GATE)


ACTIVATIONS = {
    (False, ""): Activation.GELU,
    (True, ""): Activation.SILU_GATE,
    (True, "gelu"): Activation.GELU_GATE,
    (False, "relu"): Activation.RELU,
    (False, "relu2"): Activation.SQUARED_RELU,
}
"""By whether there are gates, and what a shape calls the activation."""


HEAD_NORMS = ("", "before", "after", "whole")
"""Each query and key is as it is; or normed, its gain coming before or after RoPE; or all queries
of a row are normed as one, and all its keys, their gains coming before RoPE."""

NORMS = ("", "both", "after")
"""What is normed: what sublayers take in; that and what they add to the stream; only the latter."""


@dataclass(frozen=True)
class ModelShape:
    """Sizes and switches of an exact model.

    Fields with a default came later: a model's form names them only where they are otherwise, so
    that the digests of older models stay.
    """

    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int  # heads of keys and values; n_heads is a multiple
    d_head: int
    d_ff: int
    vocab_size: int
    n_positions: int  # positions that the model was trained for
    eps: float  # added to the mean square of each norm
    gated: bool  # True: silu(gate) · up (Llama); False: gelu_new (GPT-2); but see `activation`
    rotary: bool  # True: RoPE on queries and keys; False: learned positions
    head_norm: str = ""  # one of HEAD_NORMS
    activation: str = ""  # see ACTIVATIONS
    parallel: bool = False  # attention and feed-forward take in the same norm of the stream
    layer_window: tuple[int, ...] = ()  # keys that each layer sees, its own among them; 0, (): all
    layer_rope: tuple[int, ...] = ()  # the table of RoPE that turns each; -1: none; (): the first
    norms: str = ""  # one of NORMS
    score_cap: float = 0.0  # soft cap of attention's scores; 0: none
    logit_cap: float = 0.0  # soft cap of the logits; 0: none

    @classmethod
    def of_form(cls, form: dict[str, Any]) -> ModelShape:
        """The shape of what `form` gives, also if that has been JSON. Raises: TypeError."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in dict(form).items()
        }
        return cls(**values)

    def form(self) -> dict[str, Any]:
        """The fields as files and digests have them, in order."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: value
            for name, (value, default) in values.items()
            if default is MISSING or value != default
        }

    @property
    def d_heads(self) -> int:
        """The width of all heads together."""
        return self.n_heads * self.d_head

    @property
    def d_qkv(self) -> int:
        """Outputs of the linear `qkv`."""
        return (self.n_heads + 2 * self.n_kv_heads) * self.d_head

    @property
    def d_up(self) -> int:
        """Outputs of the linear `up`: with gates, both halves."""
        return 2 * self.d_ff if self.gated else self.d_ff

    def window_of(self, layer: int) -> int:
        """Keys that a layer sees, the row's own among them; 0: all."""
        return self.layer_window[layer] if self.layer_window else 0

    def rope_of(self, layer: int) -> int:
        """Which table of RoPE turns a layer's queries and keys; -1: none."""
        if not self.rotary:
            return -1
        return self.layer_rope[layer] if self.layer_rope else 0

    @property
    def n_ropes(self) -> int:
        """Tables of RoPE."""
        return max((0, *self.layer_rope)) + 1 if self.rotary else 0

    def alone(self, layer: int) -> ModelShape:
        """The shape of a model of which this is the only layer, and that knows one token."""
        return replace(
            self,
            n_layers=1,
            vocab_size=1,
            layer_window=self.layer_window[layer : layer + 1],
            layer_rope=self.layer_rope[layer : layer + 1],
        )

    @property
    def turned_block(self) -> int:
        """Elements of the stream that are turned together when it is read: a power of two.

        1 where the stream itself has been turned, by the weights: see `turning`.
        """
        return self.d_model & -self.d_model if self.norms else 1

    def takes_normed(self, index: int) -> bool:
        """Whether what is taken of the stream is normed: by `qkv`, `up`, …, at last by the head."""
        return self.norms != "after" or index == 2 * self.n_layers

    @property
    def gains(self) -> tuple[int, ...]:
        """The sizes of a layer's gains of queries and keys; (0,) where these are not normed."""
        return (self.n_heads + self.n_kv_heads, self.d_head) if self.head_norm else (0,)

    @property
    def gain_first(self) -> bool:
        """Whether the gain of queries and keys comes before RoPE."""
        return self.head_norm in ("before", "whole")

    @property
    def feed_forward(self) -> Activation:
        """What `up` goes through."""
        return ACTIVATIONS[self.gated, self.activation]
