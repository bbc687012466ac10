"""Where in a text stands what the model has said of a group's runs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.groups import PreparedGroup, PreparedRun
from llmzip.codec.layouts import program_of
from llmzip.codec.learning import Predicted
from llmzip.codec.model import Tokenizer
from llmzip.codec.pieces import Piece
from llmzip.codec.places import token_places
from llmzip.codec.score import Offsets
from llmzip.layout.program import unpack_layout
from llmzip.layout.text import Text
from llmzip.layout.weave import Placing, placings


@dataclass(frozen=True)
class PlacedGroup:
    """A group of a text, what the model has said of its runs, and where it begins in the text.

    What is told of tokens comes run after run, piece after piece, as they were predicted. Offsets
    are those of the group's text, from 0 on.
    """

    group: PreparedGroup
    predicted: Mapping[PreparedRun, Predicted]
    start: int

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces."""
        for one in self.predicted.values():
            yield from one.pieces

    def ids(self) -> NDArray[np.int32]:
        """Return the ids of all tokens, of which there are some."""
        return np.concatenate([piece.ids for piece in self.pieces()])

    def offsets(self, tokenizer: Tokenizer) -> tuple[Offsets, NDArray[np.intp]]:
        """Return where each token begins, and in which order they stand in the text."""
        offsets = _moved(self._content_offsets(tokenizer), self._placings)
        return offsets, np.argsort(offsets, kind="stable")

    def unscored(self) -> Offsets:
        """Return the stretches of which the model has said nothing: int64 (n, 2)."""
        is_unscored = np.ones(len(self.group.data) + 2, dtype=bool)
        is_unscored[[0, -1]] = False
        for one in self._placings:
            run = self.group.runs[bisect_right(self._run_starts, one.start) - 1]
            if run in self.predicted:
                is_unscored[1 + one.at : 1 + one.at + one.n_bytes] = False
        return np.flatnonzero(is_unscored[1:] != is_unscored[:-1]).reshape(-1, 2)

    @cached_property
    def _run_starts(self) -> list[int]:
        """Where each run begins in the group's content."""
        return list(accumulate((len(run.data) for run in self.group.runs[:-1]), initial=0))

    @cached_property
    def _placings(self) -> list[Placing]:
        """Where the runs stand in the group's text."""
        group = self.group
        if group.layout is not None:
            layout = unpack_layout(program_of(group.layout.result()))
            return placings(layout, Text(group.content), len(group.data), self.start)
        runs = zip(self._run_starts, group.runs, strict=True)
        return [Placing(start, start, len(run.data)) for start, run in runs]

    def _content_offsets(self, tokenizer: Tokenizer) -> Offsets:
        """Return where in the content tokens begin, in the order in which they were predicted."""
        offsets = []
        for start, run in zip(self._run_starts, self.group.runs, strict=True):
            for piece in self.predicted[run].pieces if run in self.predicted else ():
                offsets.append(start + token_places(tokenizer, piece))
                start += len(piece.data)
        return np.concatenate(offsets)


def _moved(offsets: Offsets, placed: list[Placing]) -> Offsets:
    """Return where in the text stands what stands at `offsets` of the content."""
    by_content = sorted(placed, key=lambda one: one.start)
    starts = np.array([one.start for one in by_content], dtype=np.int64)
    places = np.array([one.at for one in by_content], dtype=np.int64)
    which = np.searchsorted(starts, offsets, side="right") - 1
    return places[which] + offsets - starts[which]
