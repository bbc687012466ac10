"""What the tokens of a text come to, in bits and bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmzip.explaining.explanation import Explanation


@dataclass(frozen=True)
class Totals:
    """What there is to say of a text as a whole.

    bits: of all tokens. model_bits: by the model alone. biased_bits: with what the head's bias has
    learnt. coded_bits: of the tokens that are coded so. n_payload_bytes: what these became.
    """

    model: str
    fingerprint: str
    level: int
    n_bytes: int
    n_scored_bytes: int
    n_characters: int
    n_tokens: int
    bits: float
    model_bits: float
    biased_bits: float
    coded_bits: float
    n_payload_bytes: int
    n_file_bytes: int

    @property
    def bits_per_byte(self) -> float | None:
        """Bits for each byte that is scored; this and its like are None where there is nothing."""
        return _share(self.bits, self.n_scored_bytes)

    @property
    def bits_per_token(self) -> float | None:
        """Bits for each token."""
        return _share(self.bits, self.n_tokens)

    @property
    def bits_per_character(self) -> float | None:
        """Bits for each character that is scored."""
        return _share(self.bits, self.n_characters)

    @property
    def perplexity(self) -> float | None:
        """Among how many equally likely tokens the model hesitates on average."""
        return None if self.bits_per_token is None else float(2.0**self.bits_per_token)

    @property
    def n_overhead_bytes(self) -> int:
        """What the file holds beside tokens."""
        return self.n_file_bytes - self.n_payload_bytes


def totals(explanation: Explanation) -> Totals:
    """Return what an explanation comes to."""
    tokens = explanation.tokens
    return Totals(
        explanation.model,
        explanation.fingerprint,
        explanation.level,
        len(explanation.data),
        explanation.n_scored_bytes,
        explanation.n_characters,
        explanation.n_tokens,
        explanation.total_bits,
        math.fsum(tokens.model_bits),
        math.fsum(tokens.biased_bits),
        explanation.coded_bits,
        explanation.n_payload_bytes,
        explanation.n_file_bytes,
    )


def _share(bits: float, n: int) -> float | None:
    return bits / n if n and math.isfinite(bits) else None
