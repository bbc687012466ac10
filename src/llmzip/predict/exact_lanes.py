"""Lanes of the exact predictor: chunks decoded side by side, stepped by its workers' engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import RowBias
from llmzip.exact.distribution import StepCosts
from llmzip.predict.drafts import FedRows
from llmzip.predict.gradients import Gradients, runs
from llmzip.predict.lane_group import LaneGroup, Lanes, Totals
from llmzip.predict.prefix import NO_PREFIX, Prefix
from llmzip.predict.windows import Ids, Window
from llmzip.predict.workers import Workers

Own = NDArray[np.bool_] | slice
"""Which of some lanes are a group's; a slice where all are."""


class ExactLanes:
    """Lanes in groups, each stepped by an engine of its own.

    An engine that keeps all threads busy with one step has all lanes in one group;
    otherwise they are spread over the workers, lane by lane.
    """

    def __init__(
        self,
        workers: Workers,
        window: Window,
        n_lanes: int,
        n_tokens: int | None = None,
        prefix: Prefix = NO_PREFIX,
    ) -> None:
        """`n_tokens`: the longest chunk there will be, if that is known."""
        self._workers = workers
        shared = workers.engines[0].step_threads > 1
        n_groups = 1 if shared else min(len(workers.engines), n_lanes)
        self._groups = [
            LaneGroup(
                engine,
                window,
                -(-(n_lanes - i) // n_groups),
                workers if shared else None,
                min(window.size, len(prefix.ids) + (n_tokens or window.size)),
                prefix,
            )
            for i, engine in enumerate(workers.engines[:n_groups])
        ]

    def open(self, lane: int) -> None:
        """Start a new chunk in `lane`."""
        place, group = divmod(lane, len(self._groups))
        self._groups[group].open(place)

    @property
    def step_costs(self) -> StepCosts | None:
        """What a step of each of the groups costs; None where lanes have one row each."""
        costs: StepCosts | None = getattr(self._groups[0].engine, "step_costs", None)
        return costs

    @property
    def n_groups(self) -> int:
        """How many groups are stepped side by side."""
        return len(self._groups)

    def due(self, lanes: Lanes) -> Lanes:
        """All lanes take all steps."""
        return lanes

    def ahead(self, lanes: Lanes) -> Lanes:
        """None: a step has a row of each."""
        return lanes[:0]

    def room(self, lanes: Lanes) -> Lanes:
        """Return how many rows each lane can have in the next step."""
        room = np.zeros_like(lanes)
        for group, own, places in self._parts(lanes):
            room[own] = group.room(places)
        return room

    def totals(self, lanes: Lanes) -> Totals:
        """Predict the next token of each of the distinct `lanes`; return the totals, in order."""
        self.step(FedRows.of(lanes))
        return self.step_totals(lanes)

    def step(self, fed: FedRows, bias: RowBias | None = None) -> None:
        """Begin with what `totals` does: an engine on a device of its own is not waited for.

        bias: each row's, instead of the head's own; see `HeadBias`.
        """

        def run(group: LaneGroup, own: Own, places: Lanes) -> None:
            rows = FedRows(places, fed.ahead[own], fed.drafts[own])
            group.step(rows, None if bias is None else bias.part(own))

        self._each(fed.lanes, run)

    def step_totals(self, lanes: Lanes) -> Totals:
        """Return the totals of the last `step`, whose rows were of `lanes`."""
        totals = np.zeros(len(lanes), dtype=np.uint64)
        for group, own, _ in self._parts(lanes):
            totals[own] = group.distributions().totals()
        return totals

    def look_up(self, lanes: Lanes, ids: Ids) -> tuple[Totals, Totals]:
        """Where tokens (rows, C) lie in the distributions of the last `step`: (low, freq)."""
        low, freq = np.zeros((2, *ids.shape), dtype=np.uint64)

        def run(group: LaneGroup, own: Own, _places: Lanes) -> None:
            low[own], freq[own] = group.distributions().look_up(ids[own])

        self._each(lanes, run)
        return low, freq

    def add_gradient(
        self,
        lanes: Lanes,
        tokens: Ids,
        of: Ids,
        gradients: Gradients,
        rows: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add up what came less what was predicted by the last `step`; see `Distributions`.

        lanes: those of its rows. tokens, of: (rows,), what came, and whose gradient it is; where
        the same number stands again, it follows itself. rows: which of them count; None for all.
        """

        def run(group: LaneGroup, own: Own, _places: Lanes) -> None:
            found, index = group.distributions(), self._groups.index(group)
            if (room := gradients.room(index, group.engine)) is not None:
                room.add(found, tokens[own], of[own])
                return
            taken: Own = own
            if rows is not None:
                found = group.distributions(np.flatnonzero(rows[own]))
                taken = rows if isinstance(own, slice) else own & rows
            for number, part in runs(of[taken]):
                gradient = gradients.of(number, index)
                found.add_gradient(tokens[taken][part], gradient, part.start)

        self._each(lanes, run)

    def find(
        self, lanes: Lanes, targets: Totals, rows: Ids | None = None
    ) -> tuple[NDArray[np.int32], Totals, Totals]:
        """Take the token whose interval holds each target and append it to its lane.

        rows: of each lane, which row of those that its group has in the last `step` to search;
        None stands for all, in order.
        """
        ids = np.zeros(len(lanes), dtype=np.int32)
        low, freq = np.zeros_like(targets), np.zeros_like(targets)

        def run(group: LaneGroup, own: Own, places: Lanes) -> None:
            found = group.find(places, targets[own], None if rows is None else rows[own])
            ids[own], low[own], freq[own] = found.tokens, found.low, found.freq

        self._each(lanes, run)
        return ids, low, freq

    def places(self, lanes: Lanes) -> Lanes:
        """Return of each row of a step, of these lanes, which one of its group's it is."""
        places = np.zeros_like(lanes)
        for _, own, those in self._parts(lanes):
            places[own] = np.arange(len(those))
        return places

    def _each(self, lanes: Lanes, run: Callable[[LaneGroup, Own, Lanes], None]) -> None:
        """Let every group that has some of the lanes run, all at once."""
        self._workers.all([partial(run, *part) for part in self._parts(lanes)])

    def _parts(self, lanes: Lanes) -> Iterator[tuple[LaneGroup, Own, Lanes]]:
        """Yield each group that has some of the lanes, with which of them, and their places."""
        if len(self._groups) == 1:
            yield self._groups[0], slice(None), lanes
            return
        places, groups = np.divmod(lanes, len(self._groups))
        for index, group in enumerate(self._groups):
            own = groups == index
            if own.any():
                yield group, own, places[own]
