"""What an encoder wants of the model: it says so and waits, for others may want some at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.predict.protocol import Intervals, LearningGroup, Predictor


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
    """The next wave of a group. found: the intervals of its chunks."""

    group: LearningGroup
    chunks: Sequence[NDArray[np.int32]]
    report: Callable[[float], None]
    found: Sequence[Intervals] = ()

    def code(self) -> None:
        """Let the model work on these alone."""
        self.found = self.group.intervals(self.chunks, self.report)
