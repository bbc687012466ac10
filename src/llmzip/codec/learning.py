"""What the model says of a group whose chunks learn from each other, for coding or for scoring."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from llmzip.codec.groups import PreparedRun
from llmzip.codec.levels import Level
from llmzip.codec.pieces import Piece
from llmzip.codec.wanted import LearningWave
from llmzip.predict.protocol import Intervals, Predictor


@dataclass(frozen=True)
class Predicted:
    """A run in pieces, and of each what the model has said."""

    pieces: Sequence[Piece]
    intervals: Sequence[Intervals]


def learn_group(
    runs: Sequence[PreparedRun],
    predictor: Predictor,
    level: Level,
    report: Callable[[int], None],
    shortlist: int = 0,
) -> Generator[LearningWave, None, dict[PreparedRun, Predicted]]:
    """Return what the model says of runs, at least one, of one group, in waves.

    report: is told how many bytes of the runs are done. shortlist: that of the predictor.
    Raises UsageError.
    """
    n_tokens = level.chunk_tokens(sum(run.n_tokens() for run in runs))
    n_spare = max(run.n_spare() for run in runs)
    n_tokens = min(n_tokens + n_spare, level.options.chunk_tokens)
    pieces = [piece for run in runs for piece in run.pieces(n_tokens)]
    learning = predictor.group()
    found: list[Intervals] = []
    n_done = 0
    for start in range(0, len(pieces), level.n_lanes):
        wave = pieces[start : start + level.n_lanes]
        n_bytes = sum(len(piece.data) for piece in wave)

        def report_wave(done: float, n_done: int = n_done, n_bytes: int = n_bytes) -> None:
            report(n_done + int(n_bytes * done))

        wanted = LearningWave(learning, [piece.ids for piece in wave], report_wave, shortlist)
        yield wanted
        found += wanted.found
        n_done += n_bytes
    intervals = iter(found)
    return {run: next_predicted(run.pieces(n_tokens), intervals) for run in runs}


def next_predicted(pieces: Sequence[Piece], intervals: Iterator[Intervals]) -> Predicted:
    """Return pieces with their intervals, which come next."""
    return Predicted(pieces, list(islice(intervals, len(pieces))))
