"""The decoder's lanes of waves that learn: those of one group, or of several side by side.

The lanes of a wave learn together, waves of different groups share nothing but the steps. What
stands for the rows of a step here is ordered by wave, so that each finds its own in one piece.

Where drafts pay, a step has several rows of a lane (see `drafts`): they are asked for one after the
other, as long as what was decoded is what the next row was fed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt import Mixed, Seats, Step
from llmzip.exact.bias import HeadBias, RowBias
from llmzip.exact.distribution import Ids
from llmzip.predict.adaptive import Adaptive, learnt_by
from llmzip.predict.drafts import FedRows, Pace
from llmzip.predict.exact_lanes import ExactLanes
from llmzip.predict.gradients import Gradients
from llmzip.predict.protocol import Drafted

if TYPE_CHECKING:
    from llmzip.predict.protocol import LearningGroup

U64 = NDArray[np.uint64]


class AdaptiveLanes:
    """Lanes of waves; see `SharedLanes`."""

    def __init__(
        self, plain: ExactLanes, n_lanes: int, vocab_size: int, drafted: Drafted | None = None
    ) -> None:
        """`drafted`: asks for drafts, and counts them."""
        self._plain = plain
        self._waves: dict[int, Adaptive] = {}  # what those that go on belong to, by number
        self._seats = Seats(n_lanes)
        self._seat_of = np.zeros(n_lanes, dtype=np.int64)
        self._wave_of = np.zeros(n_lanes, dtype=np.int64)
        self._gradients = Gradients(vocab_size)
        self._biases = _Biases(n_lanes, vocab_size)
        self._drafted = drafted or Drafted()
        costs = plain.step_costs
        self._pace = None if drafted is None or costs is None else Pace(costs)
        self._rows: _Rows | None = None  # of the last step, as long as there is more to ask for
        self._row_of = np.full(n_lanes, _NONE)  # of each lane, the row to be asked for next

    def begin(self, group: LearningGroup, lanes: Sequence[int], n_tokens: Sequence[int]) -> None:
        """Let `lanes` hold the chunks, of so many tokens, of the next wave of `group`."""
        adaptive, own = learnt_by(group), np.array(lanes)
        number = next(i for i in range(len(self._wave_of)) if i not in self._waves)
        self._waves[number] = adaptive
        self._wave_of[own] = number
        self._seat_of[own] = self._seats.begin(number, adaptive.learner, n_tokens)
        self._biases.put(number, adaptive.bias)

    def open(self, lane: int) -> None:
        """Start the chunk of `lane`."""
        self._plain.open(lane)

    def due(self, lanes: Ids) -> Ids:
        """Those of `lanes` that do not wait for others of their wave to end its slice."""
        if self._pace is None:
            return lanes
        due: Ids = lanes[self._seats.room(self._seat_of[lanes]) > 0]
        return due

    def ahead(self, lanes: Ids) -> Ids:
        """Those of `lanes` whose next row was fed what has come."""
        ahead: Ids = lanes[self._row_of[lanes] != _NONE]
        return ahead

    def totals(self, lanes: Ids) -> U64:
        """Predict the next token of each of `lanes`; return the totals, in order."""
        if self._rows is None:
            self._rows = self._predicted(lanes[np.argsort(self._wave_of[lanes], kind="stable")])
        totals: U64 = self._rows.mixed.totals[self._row_of[lanes]].astype(np.uint64)
        return totals

    def find(self, lanes: Ids, targets: U64) -> tuple[NDArray[np.int32], U64, U64]:
        """Take the token whose interval holds each target and append it to its lane."""
        assert self._rows is not None, "find must follow totals"
        rows, order = self._rows, np.argsort(self._row_of[lanes])
        lanes, targets = lanes[order], targets[order]
        own = self._row_of[lanes]
        wanted = rows.mixed.model_targets(targets, rows.low, own)
        ids, low, freq = self._plain.find(lanes, wanted, rows.places_of(own))
        tokens = ids.astype(np.int64)
        low, freq = rows.mixed.interval(tokens, low, freq, own)
        self._row_of[lanes] = rows.take(own, tokens)
        if not len(self.ahead(lanes)):
            self._rows = None
            self._learn_from(rows)
        as_asked = np.argsort(order)
        return ids[as_asked], low[as_asked], freq[as_asked]

    def _predicted(self, lanes: Ids) -> _Rows:
        """Let the model predict what follows each of `lanes`, and drafts if they pay."""
        seats, drafts = self._seat_of[lanes], self._pace
        n_each = -(-len(lanes) // self._plain.n_groups)
        if drafts is None or (least := drafts.least(n_each)).first > 1:
            fed = FedRows.of(lanes)
            self._plain.step(fed, self._biases.of(self._wave_of[lanes]))
            step = self._seats.propose(seats)  # while the engine is at work
        else:
            room = np.minimum(self._seats.room(seats), self._plain.room(lanes))
            most = np.minimum(room - 1, drafts.most(len(lanes), self._drafted.most_rows))
            step, n_rows = self._seats.draft(seats, most, least)
            fed = _fed(lanes, n_rows, step)
            self._plain.step(fed, self._biases.of(step.waves))
        totals = self._plain.step_totals(fed.lanes)
        low, freq = self._plain.look_up(fed.lanes, step.candidates.ids.astype(np.int64))
        mixed = self._seats.mix(step, freq, totals)
        self._row_of[lanes] = np.flatnonzero(fed.ahead == 0)
        return _Rows(fed, step, mixed, low, self._plain.places(fed.lanes))

    def _learn_from(self, rows: _Rows) -> None:
        """Learn what the step has shown, all of whose rows that count have been asked for."""
        taken, fed = rows.taken, rows.fed
        n_rows, n_taken, n_lanes = len(taken), int(taken.sum()), int((fed.ahead == 0).sum())
        self._drafted.n_rows += n_rows - n_lanes
        self._drafted.n_taken += n_taken - n_lanes
        if self._pace is not None:
            each, n_several = self._plain.n_groups, int((fed.ahead == 1).sum())
            shares = (-(-n_lanes // each), -(-n_rows // each), -(-n_several // each))
            self._pace.note(*shares, n_taken / each)
        some = None if n_taken == n_rows else taken
        self._plain.add_gradient(fed.lanes, rows.tokens, rows.step.waves, self._gradients, some)
        step, mixed, tokens = rows.step, rows.mixed.rows, rows.tokens
        if some is not None:
            own = np.flatnonzero(taken)
            step, mixed, tokens = step.picked(own), mixed.picked(own), tokens[own]
        for wave in self._seats.take(step, mixed, tokens):
            self._learn(wave)

    def _learn(self, wave: int) -> None:
        adaptive = self._waves[wave]
        rows, tokens = self._seats.slice(wave)
        adaptive.learn(rows, tokens, self._gradients.take(wave))
        self._biases.put(wave, adaptive.bias)
        if self._seats.is_over(wave):
            self._seats.end(wave)
            del self._waves[wave]


_NONE = -1


class _Rows:
    """What a step says: its rows, in the order of waves, and which tokens have come of them.

    low: (rows, candidates), where the candidates lie in the model's own distributions. places:
    which of its engine's rows each is. tokens: what came; taken: whether it is known.
    """

    def __init__(self, fed: FedRows, step: Step, mixed: Mixed, low: U64, places: Ids) -> None:
        self.fed, self.step, self.mixed, self.low = fed, step, mixed, low
        self._places = places
        self.tokens = np.zeros(len(places), dtype=np.int64)
        self.taken = np.zeros(len(places), dtype=np.bool_)

    def places_of(self, rows: Ids) -> Ids | None:
        """Return which of their engines' rows these are; None if a lane has one each."""
        return None if len(self.fed.lanes) == len(rows) else self._places[rows]

    def take(self, rows: Ids, tokens: Ids) -> Ids:
        """Take what came of rows, of distinct lanes; return which rows say more, or _NONE."""
        self.tokens[rows], self.taken[rows] = tokens, True
        behind = np.minimum(rows + 1, len(self.tokens) - 1)
        is_next = (self.fed.ahead[behind] > self.fed.ahead[rows]) & (
            self.fed.drafts[behind] == tokens
        )
        return np.where(is_next, behind, _NONE)


def _fed(lanes: Ids, n_rows: Ids, step: Step) -> FedRows:
    """Rows of lanes, so many each, that are fed the first candidates of the rows before them."""
    ahead = np.arange(int(n_rows.sum())) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    drafts = np.zeros_like(ahead)
    drafts[1:] = step.candidates.ids[:-1, 0]
    return FedRows(np.repeat(lanes, n_rows), ahead, drafts)


class _Biases:
    """What waves have learnt to add to the head's logits, in one array for the engine.

    A row of it for all that have learnt nothing yet, then one for each that has.
    """

    def __init__(self, n_waves: int, vocab_size: int) -> None:
        self._values = np.zeros((1, vocab_size), dtype=np.float32)
        self._first: NDArray[np.float32] | None = None  # what stands in the first row
        self._rows: dict[int, int] = {}  # that are reserved for waves
        self._row_of = np.zeros(n_waves, dtype=np.int64)
        self._version = 0

    def put(self, wave: int, bias: HeadBias) -> None:
        """Note what the wave's group has learnt."""
        self._version += 1
        if self._first is None:
            self._first, self._values[0] = bias.values, bias.values
        is_first = bias.values is self._first  # steps make arrays anew
        self._row_of[wave] = 0 if is_first else self._reserved(wave)
        if not is_first:
            self._values[self._row_of[wave]] = bias.values

    def of(self, waves: Ids) -> RowBias:
        """Return the biases of rows of these waves."""
        return RowBias(self._values, self._row_of[waves], self._version)

    def _reserved(self, wave: int) -> int:
        row = self._rows.setdefault(wave, len(self._rows) + 1)
        if row == len(self._values):
            self._values = np.concatenate([self._values, np.zeros_like(self._values)])
        return row
