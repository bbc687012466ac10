"""Drafts: what an engine is fed ahead of what is decoded, and when that pays.

A step that feeds a lane its last token, and behind it tokens that are likely to come, predicts what
follows each of them: as long as they do come, the next token is decoded without another step. That
is exact whatever is guessed, for a row depends on nothing but the tokens before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmzip.adapt import Least
from llmzip.exact.distribution import StepCosts
from llmzip.predict.protocol import MOST_ROWS
from llmzip.predict.windows import Ids

TOKEN_COST, CALLS_COST = 0.01, 0.05
"""What is done beside a step for each token that is decoded, in units of StepCosts, and for as many
as there are lanes: most of it is Python's, for all of them at once."""
_REMEMBERED = 32
"""Steps after which what was gained counts for a third."""


@dataclass(frozen=True)
class FedRows:
    """Rows of a step. lanes: whose; those of a lane follow each other.

    ahead: how many rows of its lane stand before each. drafts: the tokens fed, where that is not 0.
    """

    lanes: Ids
    ahead: Ids
    drafts: Ids

    @classmethod
    def of(cls, lanes: Ids) -> FedRows:
        """A row for each of distinct lanes."""
        none = np.zeros_like(lanes)
        return cls(lanes, none, none)


class Pace:
    """How much steps have cost of late, and what came of it: what another row must bring."""

    def __init__(self, costs: StepCosts) -> None:
        self._costs = costs
        self._cost = self._n_tokens = 0.0

    def most(self, n_lanes: int, most_rows: int = MOST_ROWS) -> int:
        """How many drafts a lane may have, of so many lanes. most_rows: as in Drafted."""
        return max(0, min(self._costs.few - 1, most_rows // n_lanes - 1))

    def least(self, n_lanes: int) -> Least:
        """How likely a lane's first draft must be to come, and each other: above 1 if none pays.

        A row pays if it brings tokens faster than steps do without it.
        """
        costs = self._costs
        if not self._cost:
            self.note(n_lanes, n_lanes, 0, n_lanes)
        speed = self._n_tokens / self._cost
        row = costs.row if n_lanes < costs.few else costs.more
        worth = speed / max(1 - _token_cost(n_lanes) * speed, 1e-3)
        return Least((row + costs.second) * worth, row * worth)

    def note(self, n_lanes: int, n_rows: int, n_several: int, n_tokens: float) -> None:
        """Take note of a step of so many rows that gave so many tokens.

        n_several: lanes that had several rows.
        """
        kept = 1 - 1 / _REMEMBERED
        cost = self._costs.of(n_rows, n_lanes, n_several) + _token_cost(n_lanes) * n_tokens
        self._cost = kept * self._cost + cost
        self._n_tokens = kept * self._n_tokens + n_tokens


def _token_cost(n_lanes: int) -> float:
    return TOKEN_COST + CALLS_COST / n_lanes
