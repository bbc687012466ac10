"""A text token by token, as it is written and as it is read: what may come next, and how likely."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import SamplingError
from llmzip.predict.protocol import LaneDecoder
from llmzip.tokens import ByteTokenizer
from llmzip.tokens.canonical import CanonicalText

U64 = NDArray[np.uint64]

_LANE = np.zeros(1, dtype=np.int64)
_WIDENING = 8
"""By what factor more tokens are looked at where none of the likeliest may come."""

_EXACTLY = Context(prec=28, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=[])
"""Every operation in it, logarithms and powers of e too, is rounded correctly: to the same digits
everywhere."""
_ONE = Decimal(1 << 32)
"""The weight of the likeliest token at any temperature but 1."""


class SearchedLanes(LaneDecoder, Protocol):
    """Lanes that tell where any tokens lie."""

    def look_up(self, lanes: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[U64, U64]:
        """Where tokens (lanes, C) lie in the distributions that `totals` predicted: (low, freq)."""


@dataclass(frozen=True)
class Rule:
    """How the next token is chosen. top_k: among how many of the likeliest, 2 to 65,536."""

    temperature: Decimal = Decimal(1)
    top_k: int = 64


@dataclass(frozen=True)
class Choice:
    """The tokens that may come next, the likeliest first: ids int64, weights uint64, both (n,).

    The weights are at least 1, and their sum is at most MAX_TOTAL.
    """

    ids: NDArray[np.int64]
    weights: U64

    @property
    def total(self) -> int:
        """The sum of the weights."""
        return int(self.weights.sum())

    def low(self, place: int) -> int:
        """Return the sum of the weights before the token at `place`."""
        return int(self.weights[:place].sum())

    def at(self, target: int) -> int:
        """Return the place of the token that holds `target`, 0 to total - 1."""
        return int(np.searchsorted(np.cumsum(self.weights), np.uint64(target), side="right"))


class Walk:
    """Goes through a text after a prompt, in one lane of a predictor."""

    def __init__(
        self, lanes: SearchedLanes, tokenizer: ByteTokenizer, prompt: bytes, rule: Rule
    ) -> None:
        self._lanes = lanes
        self._rule = rule
        self._may_stand = tokenizer.table.is_plain
        self._every_id = np.arange(tokenizer.vocab_size)
        self._text = CanonicalText(tokenizer)
        lanes.open(0)
        for token in tokenizer.encode(prompt).tolist():
            self._lanes.totals(_LANE)
            self._feed(token)

    @property
    def is_complete(self) -> bool:
        """Whether the text so far, alone, is made into the tokens that were taken."""
        return self._text.is_complete

    def choice(self) -> Choice:
        """Return what may come next. Raises SamplingError if nothing may."""
        self._lanes.totals(_LANE)
        _, freq = self._lanes.look_up(_LANE, self._every_id[None])
        weights = np.where(self._may_stand, freq[0], np.uint64(0))
        ids = self._allowed(weights)
        return Choice(ids, _tempered(weights[ids], self._rule.temperature))

    def take(self, token: int) -> None:
        """Go on by a token of the last choice."""
        self._text.append(token)
        self._feed(token)

    def _feed(self, token: int) -> None:
        low, _ = self._lanes.look_up(_LANE, np.array([[token]]))
        self._lanes.find(_LANE, low[0])

    def _allowed(self, weights: U64) -> NDArray[np.int64]:
        """Return which of the likeliest tokens may come; of more where none of them may."""
        n_looked_at, n_able = 0, int(np.count_nonzero(weights))
        n_wanted = min(self._rule.top_k, n_able)
        while n_looked_at < n_able:
            likeliest = _likeliest(weights, n_wanted)[n_looked_at:].tolist()
            allowed = [token for token in likeliest if self._text.may_grow_by(token)]
            if allowed:
                return np.array(allowed[: self._rule.top_k])
            n_looked_at, n_wanted = n_wanted, min(_WIDENING * n_wanted, n_able)
        raise SamplingError(
            "after this text no token may come that would be read again: take another seed"
        )


def _likeliest(weights: U64, n: int) -> NDArray[np.int64]:
    """Return the ids of the `n` largest weights, the largest first, of equal ones the lowest id."""
    least = np.partition(weights, -n)[-n]
    ids = np.flatnonzero(weights >= least)
    order = np.argsort(weights[ids].max() - weights[ids], kind="stable")
    found: NDArray[np.int64] = ids[order[:n]]
    return found


def _tempered(weights: U64, temperature: Decimal) -> U64:
    """Return `weights`, the largest first, to the power 1 / temperature; see docs/SAMPLE.md."""
    if temperature == 1:
        return weights
    largest = _EXACTLY.ln(Decimal(int(weights[0])))
    logs = (_EXACTLY.ln(Decimal(weight)) for weight in weights.tolist())
    powers = (_EXACTLY.divide(_EXACTLY.subtract(log, largest), temperature) for log in logs)
    scaled = [int(_EXACTLY.multiply(_EXACTLY.exp(power), _ONE)) for power in powers]
    return np.array([max(1, weight) for weight in scaled], dtype=np.uint64)
