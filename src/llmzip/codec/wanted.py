"""What an encoder wants of the model: it says so and waits, for others may want some at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from llmzip.predict.protocol import Intervals, LearningGroup, Predictor

T = TypeVar("T")


class ToCode(Protocol):
    """Chunks that the model is wanted for: whoever gets to see this sees to it."""

    def code(self) -> None:
        """Let the model work on these alone."""


@dataclass(eq=False)
class FrozenChunks:
    """Chunks that share nothing. found: their intervals, in order, as they are asked for."""

    predictor: Predictor
    chunks: Iterator[NDArray[np.int32]]
    found: Iterator[Intervals] = field(default_factory=lambda: iter(()))

    def code(self) -> None:
        """Let the model work on these alone."""
        self.found = self.predictor.intervals(self.chunks)


@dataclass(eq=False)
class LearningWave:
    """The next wave of a group. found: the intervals of its chunks.

    shortlist: that of the group's predictor; groups of the same one can be run side by side.
    """

    group: LearningGroup
    chunks: Sequence[NDArray[np.int32]]
    report: Callable[[float], None]
    shortlist: int = 0
    found: Sequence[Intervals] = ()


@dataclass(frozen=True)
class LearningWaves:
    """The next waves, at least one, of different groups of one model."""

    waves: Sequence[LearningWave]

    def code(self) -> None:
        """Let the model work on these alone."""

        for shortlist in {wave.shortlist: None for wave in self.waves}:
            _code([wave for wave in self.waves if wave.shortlist == shortlist])


def _code(waves: Sequence[LearningWave]) -> None:
    """Let the model work on waves of one predictor."""

    def report(done: float) -> None:
        for wave in waves:
            wave.report(done)

    wanted = [(wave.group, wave.chunks) for wave in waves]
    found = waves[0].group.encode(wanted, report)
    for wave, intervals in zip(waves, found, strict=True):
        wave.found = intervals


def side_by_side(
    groups: Sequence[Generator[LearningWave, None, T]],
) -> Generator[LearningWaves, None, list[T]]:
    """Run all of `groups` to their end, each next wave with those of the others.

    Returns what they return, in order.
    """
    results: dict[int, T] = {}
    while len(results) < len(groups):
        waves = []
        for number, group in enumerate(groups):
            if number in results:
                continue
            try:
                waves.append(next(group))
            except StopIteration as end:
                results[number] = end.value
        if waves:
            yield LearningWaves(waves)
    return [results[number] for number in range(len(groups))]
