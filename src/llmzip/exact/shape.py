"""What a model is: its sizes, and what its layers do. All that computes one reads it from here."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
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


HEAD_NORMS = ("", "before", "after")
"""Each query and key is as it is; or normed, its gain coming before or after RoPE."""


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
    layer_window: tuple[int, ...] = ()  # how many keys each layer sees, its own among them; 0: all

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

    @property
    def gains(self) -> tuple[int, ...]:
        """The sizes of a layer's gains of queries and keys; (0,) where these are not normed."""
        return (self.n_heads + self.n_kv_heads, self.d_head) if self.head_norm else (0,)

    @property
    def gain_first(self) -> bool:
        """Whether the gain of queries and keys comes before RoPE."""
        return self.head_norm == "before"

    def window_of(self, layer: int) -> int:
        """How many keys a layer sees, its own position's among them; 0: all."""
        return self.layer_window[layer] if self.layer_window else 0

    @property
    def feed_forward(self) -> Activation:
        """What `up` goes through."""
        return ACTIVATIONS[self.gated, self.activation]
