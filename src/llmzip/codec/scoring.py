"""Scores a stream: what an encoder would code is counted instead.

Groups, runs, pieces and what the model says of them are those of the encoder; but the model scores
its text whether or not a classical codec would make less of it, and however short it is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import BinaryIO

import numpy as np

from llmzip.codec.ahead import read_ahead
from llmzip.codec.encode import N_AHEAD_GROUPS
from llmzip.codec.groups import FindCopies, Groups, PreparedGroup, PreparedRun, no_copies
from llmzip.codec.learning import Predicted, learn_group, next_predicted
from llmzip.codec.levels import Level
from llmzip.codec.model import OpenedModel, OpenToEncode, Progress, Tokenizer, unseen
from llmzip.codec.placed import PlacedGroup
from llmzip.codec.places import n_characters
from llmzip.codec.score import Score
from llmzip.codec.wanted import FrozenChunks, LearningWave, LearningWaves, ToCode, side_by_side
from llmzip.coder.cost import ideal_bits
from llmzip.predict.protocol import Intervals


def score_stream(
    source: BinaryIO,
    open_model: OpenToEncode,
    level: Level,
    progress: Progress = unseen,
    find_copies: FindCopies = no_copies,
) -> Score:
    """Return how many bits the model takes for what is left of `source`.

    The arguments, and what is raised, are those of encode_stream.
    """
    scorer = GroupScorer(open_model, level, progress, find_copies)
    for wanted in scorer.steps(source):
        wanted.code()
    return Score.joined(scorer.scores)


class GroupScorer:
    """Scores groups of bytes. scores: of those that are done, in order."""

    def __init__(
        self,
        open_model: OpenToEncode,
        level: Level,
        progress: Progress = unseen,
        find_copies: FindCopies = no_copies,
    ) -> None:
        self.scores: list[Score] = []
        self._open_model = open_model
        self._level = level
        self._progress = progress
        self._find_copies = find_copies
        self._model: OpenedModel | None = None
        self._n_bytes = 0
        self._under_way: dict[PreparedGroup, int] = {}  # how many bytes of groups are done

    def steps(self, source: BinaryIO) -> Iterator[ToCode]:
        """Score all of `source`, leaving to others when the model works: see GroupEncoder.steps."""
        n_bytes = self._level.group_bytes
        with (
            read_ahead(source, N_AHEAD_GROUPS * n_bytes) as ahead,
            closing(
                Groups(
                    *(ahead, self._tokenizer, n_bytes),
                    find_copies=self._find_copies,
                    any_text=True,
                )
            ) as groups,
        ):
            if self._level.options.adaptive:
                yield from self._score_learning(groups)
            else:
                yield from self._score_frozen(groups)

    def _score_learning(self, groups: Groups) -> Iterator[LearningWaves]:
        while (group := groups.first()) is not None:
            n_together = self._opened().predictor.groups_together if group.for_model else 1
            together = groups.at_hand(n_together)
            predicted = yield from side_by_side([self._learn(one) for one in together])
            for one, own in zip(together, predicted, strict=True):
                self._add(one, own)
                groups.drop()

    def _learn(
        self, group: PreparedGroup
    ) -> Generator[LearningWave, None, dict[PreparedRun, Predicted]]:
        runs = [run for run in group.runs if run.tokens is not None]
        if not runs:
            return {}
        report = partial(self._report, group)
        return (yield from learn_group(runs, self._opened().predictor, self._level, report))

    def _score_frozen(self, groups: Groups) -> Iterator[FrozenChunks]:
        intervals: Iterator[Intervals] = iter(())
        n_tokens = self._level.target_tokens
        while (group := groups.first()) is not None:
            if group.for_model and not groups.is_streamed:
                wanted = FrozenChunks(self._opened().predictor, groups.stream(n_tokens))
                yield wanted
                intervals = wanted.found
            runs = [run for run in group.runs if run.tokens is not None]
            self._add(group, {run: next_predicted(run.pieces(n_tokens), intervals) for run in runs})
            groups.drop()

    def _add(self, group: PreparedGroup, predicted: Mapping[PreparedRun, Predicted]) -> None:
        """Count a group of which the model has said all."""
        self.scores.append(_score(PlacedGroup(group, predicted, self._n_bytes), self._model))
        self._n_bytes += len(group.data)
        self._under_way.pop(group, None)
        self._progress(self._n_bytes + sum(self._under_way.values()))

    def _report(self, group: PreparedGroup, n_bytes: int) -> None:
        """Tell how far a group is that is not done yet, and others beside it."""
        self._under_way[group] = n_bytes
        self._progress(self._n_bytes + sum(self._under_way.values()))

    def _opened(self) -> OpenedModel:
        if self._model is None:
            self._model = self._open_model()
            self._progress(self._n_bytes)  # from here on its speed counts
        return self._model

    def _tokenizer(self) -> Tokenizer:
        return self._opened().tokenizer


def _score(placed: PlacedGroup, model: OpenedModel | None) -> Score:
    """Return the score of a group; `model` is what has said it, if anything had to."""
    n_bytes, n_other_bytes = len(placed.group.data), sum(_other_payloads(placed))
    if not placed.predicted:
        return Score(unscored=placed.unscored(), n_bytes=n_bytes, n_other_bytes=n_other_bytes)
    assert model is not None
    offsets, order = placed.offsets(model.tokenizer)
    found = [own for one in placed.predicted.values() for own in one.intervals]
    bits = ideal_bits(
        np.concatenate([own.freq for own in found]), np.concatenate([own.total for own in found])
    )
    return Score(
        placed.ids()[order],
        offsets[order],
        bits[order],
        placed.unscored(),
        n_bytes,
        sum(n_characters(model.tokenizer, one.pieces) for one in placed.predicted.values()),
        n_other_bytes,
        model.ref,
    )


def _other_payloads(placed: PlacedGroup) -> Iterator[int]:
    """Yield how many bytes a file holds for each thing that is no token."""
    group, predicted = placed.group, placed.predicted
    if group.layout is not None:
        yield len(group.layout.result().payload)
    for run in group.runs:
        if run in predicted:
            yield from (len(piece.spelling.packed()) for piece in predicted[run].pieces)
        else:
            yield len(run.unaided.result().payload)
