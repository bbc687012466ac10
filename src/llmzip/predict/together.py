"""Waves of several groups, encoded side by side: each learns alone, the model serves all at once.

A slice of one short text has few rows, and the head reads all its weights for them. So the slices
of many groups go through it together, every row with the bias that its own group has learnt.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import ParamSpec, TypeVar

import numpy as np

from llmzip.adapt import SLICE_TOKENS
from llmzip.exact.bias import RowBias
from llmzip.exact.distribution import AnyHidden, Distributions, Engine, TokenIntervals
from llmzip.forks import Threads
from llmzip.predict.adaptive import EncodedWave, Slice
from llmzip.predict.gradients import Gradient, Room
from llmzip.predict.rows import RowStream
from llmzip.predict.workers import Workers

BATCH_ROWS = 64
"""Rows of slices that a worker takes at once: their logits stay in its cache, about. An engine that
wants more says so in `head_rows`."""

P = ParamSpec("P")
T = TypeVar("T")
Part = tuple[int, slice, slice]
"""Of a batch: which slice, and which rows of the slice and of the batch these are."""


def encode_together(
    waves: Sequence[EncodedWave],
    rows: RowStream,
    workers: Workers,
    progress: Callable[[float], None],
) -> None:
    """Take the waves, of different groups, through the model and the learning, slice by slice.

    rows: what the head reads to predict the tokens of all chunks, wave after wave.
    """
    n_steps = max(wave.n_steps for wave in waves)
    with _learners(len(waves), workers) as learners:
        for first in range(0, n_steps, SLICE_TOKENS):
            going = [wave for wave in waves if wave.n_steps > first]
            hidden = rows.take(first + SLICE_TOKENS)
            slices = list(learners.map(lambda wave, at=first: wave.slice(at), going))
            learning = [
                learners.submit(going[index].finish, slices[index], gradient)
                for index, gradient in _answered(slices, hidden, workers)
            ]
            for done in learning:
                done.result()
            progress(min(1.0, (first + SLICE_TOKENS) / n_steps))


def _learners(n_waves: int, workers: Workers) -> Executor:
    """What waves learn in: threads of their own, where the model leaves the processor to them."""
    if n_waves > 1 and hasattr(workers.engines[0], "groups_together"):
        return Threads(min(n_waves, os.cpu_count() or 1), "llmzip-learn")
    return _AtOnce()


class _AtOnce(Executor):
    """Does what it is given in the calling thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def _answered(
    slices: Sequence[Slice], hidden: AnyHidden, workers: Workers
) -> Iterator[tuple[int, Gradient]]:
    """Let the model say all of the slices, whose rows follow each other in `hidden`.

    Yields the number of each slice, and its gradient, as soon as it is complete.
    """
    most = max(BATCH_ROWS, getattr(workers.engines[0], "head_rows", 0))
    if slices[0].tell is not None:
        most = BATCH_ROWS  # all frequencies of a row are some hundred kilobytes
    batches = list(_batches([len(part.tokens) for part in slices], most))
    tasks = [partial(_ask, slices, hidden, parts, rows) for parts, rows in batches]
    gradients: dict[int, Gradient] = {}
    for (parts, _), found in zip(batches, workers.in_order(tasks), strict=True):
        for (index, theirs, _), gradient in zip(parts, found, strict=True):
            gradients[index] = gradients.get(index, 0) + gradient
            if theirs.stop == len(slices[index].tokens):
                yield index, gradients.pop(index)


def _ask(
    slices: Sequence[Slice], hidden: AnyHidden, parts: Sequence[Part], rows: slice, engine: Engine
) -> list[Gradient]:
    """Fill in what the model says of a batch; return the gradient of each part."""
    own, biases = hidden.part(rows), _row_bias(slices, parts)
    alone = _alone(slices, parts, own, engine)
    found = engine.distributions(own, biases)
    wanted = np.concatenate([slices[index].wanted[theirs] for index, theirs, _ in parts])
    totals, (low, freq) = found.totals(), found.look_up(wanted)
    for index, theirs, ours in parts:
        part = slices[index]
        part.totals[theirs], part.low[theirs], part.freq[theirs] = (
            totals[ours],
            low[ours],
            freq[ours],
        )
    if alone is not None:
        _tell(slices, parts, alone, found)
    return _gradients(slices, parts, found, engine)


def _gradients(
    slices: Sequence[Slice], parts: Sequence[Part], found: Distributions, engine: Engine
) -> list[Gradient]:
    """What came in each part of a batch, less what was predicted."""
    tokens = [slices[index].tokens[theirs] for index, theirs, _ in parts]
    if hasattr(engine, "gradient_room"):
        room: Room = engine.gradient_room()
        numbers = np.repeat(np.arange(len(parts)), [len(own) for own in tokens])
        room.add(found, np.concatenate(tokens), numbers)
        return [room.taken(number) for number in range(len(parts))]
    gradients = []
    for own, (_, _, ours) in zip(tokens, parts, strict=True):
        gradient = np.zeros(engine.shape.vocab_size, dtype=np.int64)
        found.add_gradient(own, gradient, ours.start)
        gradients.append(gradient)
    return gradients


def _alone(
    slices: Sequence[Slice], parts: Sequence[Part], hidden: AnyHidden, engine: Engine
) -> TokenIntervals | None:
    """Return what the model, without what was learnt, says of a batch whose slices want to know."""
    if slices[parts[0][0]].tell is None:
        return None
    return engine.intervals(hidden, np.concatenate([slices[i].tokens[own] for i, own, _ in parts]))


def _tell(
    slices: Sequence[Slice], parts: Sequence[Part], alone: TokenIntervals, found: Distributions
) -> None:
    freq = found.frequencies()
    for index, theirs, ours in parts:
        if (tell := slices[index].tell) is not None:
            tell(theirs, alone.part(ours.start, ours.stop), freq[ours])


def _batches(sizes: Sequence[int], most: int = BATCH_ROWS) -> Iterator[tuple[list[Part], slice]]:
    """Cut the rows of slices of these sizes into batches: their parts, and which rows they are.

    most: how many rows a batch has, but for the last.
    """
    ends = np.cumsum(sizes).tolist()
    for start in range(0, ends[-1], most):
        stop = min(start + most, ends[-1])
        parts = []
        for index in range(bisect_right(ends, start), bisect_left(ends, stop) + 1):
            begin = ends[index] - sizes[index]
            first, last = max(start, begin), min(stop, ends[index])
            theirs, ours = (slice(first - at, last - at) for at in (begin, start))
            parts.append((index, theirs, ours))
        yield parts, slice(start, stop)


def _row_bias(slices: Sequence[Slice], parts: Sequence[Part]) -> RowBias:
    """The biases of a batch's rows; groups that have not learnt any share one."""
    biases = {id(slices[index].bias): slices[index].bias for index, _, _ in parts}
    number = {key: i for i, key in enumerate(biases)}
    of = [np.full(ours.stop - ours.start, number[id(slices[i].bias)]) for i, _, ours in parts]
    values = [*biases.values()]
    stacked = values[0][None] if len(values) == 1 else np.stack(values)
    return RowBias(stacked, np.concatenate(of).astype(np.int64))
