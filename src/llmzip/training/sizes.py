"""How large a model from scratch is: by name, or by the text there is and the time to read it.

All widths are multiples of 64, heads are 64 wide: what the exact engine is fastest with.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmzip.training.limits import AUTO, SIZES

D_HEAD = 64
LEAST_TOKENS, MOST_TOKENS = 1024, 8192
"""Of a vocabulary."""
_BYTES_A_TOKEN = 512
"""Of text for each token of the vocabulary: so each is met some hundred times, on average."""
_READ_AGAIN = 20
"""Times that auto would have text read, at most: more often small models, too, learn by heart."""
_WORTH_READING = 2
"""Tokens for each weight that auto would have read in the time given, at least."""
_FLOPS = {"cpu": 1e11, "cuda": 5e12}
"""Operations a second that training reaches, roughly: two cores, a card. Six a weight and token."""
_BYTES_IN_TOKEN = 3.0


@dataclass(frozen=True)
class Shape:
    """Sizes of a GPT-2. n_positions: tokens in a window."""

    n_layers: int
    d_model: int
    n_positions: int = 1024  # what most levels show a model; shorter windows are no faster

    @property
    def n_heads(self) -> int:
        """Heads of D_HEAD."""
        return self.d_model // D_HEAD

    def n_weights(self, vocab_size: int) -> int:
        """Return about how many weights there are, the head being the embeddings again."""
        return 12 * self.n_layers * self.d_model**2 + (vocab_size + self.n_positions) * self.d_model


SHAPES = {
    "small": Shape(n_layers=3, d_model=192),
    "medium": Shape(n_layers=5, d_model=256),
    "large": Shape(n_layers=6, d_model=384),
}
"""1.6 to 2.3, 4.3 to 6.2 and 11 to 14 million weights."""
assert tuple(SHAPES) == SIZES

N_ROWS = {"cpu": 2, "cuda": 16}
"""Windows in a batch: on a CPU time is short, and many small steps learn more than few large."""


def vocab_size_for(n_bytes: int) -> int:
    """Return how many tokens a vocabulary for so much text has: a power of two."""
    wanted = min(max(n_bytes // _BYTES_A_TOKEN, LEAST_TOKENS), MOST_TOKENS)
    return 1 << (wanted.bit_length() - 1)


def size_for(asked: str, n_bytes: int, minutes: float, device: str) -> str:
    """Return the name of a size: the one that was asked for, or what fits text and time.

    n_bytes: of text that is trained on. device: "cpu" or "cuda".
    """
    if asked != AUTO:
        return asked
    vocab_size, fitting = vocab_size_for(n_bytes), SIZES[0]
    for name in SIZES[1:]:
        n_weights = SHAPES[name].n_weights(vocab_size)
        in_time = 60 * minutes * _FLOPS[device] / (6 * n_weights)
        n_read = min(in_time, _READ_AGAIN * n_bytes / _BYTES_IN_TOKEN)
        if n_read >= _WORTH_READING * n_weights:
            fitting = name
    return fitting
