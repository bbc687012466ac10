"""FORMAT.md, *Model*, and ADAPT.md: what the model sees, and in which order a group learns.

What picks a token is handed in: a decoder takes it from a payload, a dictionary's tokens are
known. So `wave` is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from decoder.forward import Array, Lane, Network, exp2, f32, f64, frequencies, i64
from decoder.history import History
from decoder.mixer import Mixer

SLICE = 32
LEARNT_TOKENS = 8192  # of a dictionary: with those before only the history begins

Pick = Callable[[int, Array], int]
"""The next token of a chunk of a wave, of the frequencies (V,) of all."""


@dataclass(frozen=True)
class Window:
    """W, C and the token at position 0."""

    size: int
    carry: int
    bos: int

    def start(self, n: int) -> int:
        """The first token in view when token number n is predicted."""
        if n < self.size:
            return 0
        fresh = self.size - self.carry
        return fresh + (n - self.size) // fresh * fresh

    def narrowed(self, ids: list[int]) -> Window:
        """The same where these tokens are called 0, 1, and so on."""
        return replace(self, bos=ids.index(self.bos))


class View:
    """A chunk as the model sees it; `prefix` stands before it."""

    def __init__(self, network: Network, window: Window, prefix: list[int]) -> None:
        self.network, self.window = network, window
        self.seen, self.start = list(prefix), 0
        self.lane: Lane | None = None

    def row(self) -> Array:
        """What the head reads to predict the next token."""
        start = self.window.start(len(self.seen))
        if self.lane is None or start != self.start:
            self.lane, self.start = Lane(self.network, self.window.size), start
            inputs = [self.window.bos, *self.seen[start:]]
        else:
            inputs = self.seen[-1:]
        return [self.lane.feed(token) for token in inputs][-1]


class Predictor(Protocol):
    """Waves of a group, one after the other."""

    def wave(self, sizes: list[int], pick: Pick) -> list[list[int]]:
        """The tokens of a wave of chunks of these sizes."""

    def fresh(self) -> Predictor:
        """The same, to go on with independently."""

    def narrowed(self, ids: list[int]) -> Predictor:
        """One that has seen nothing, of these tokens alone: what it calls 0, 1, … are they."""


class Alone:
    """Version 1: chunks share nothing."""

    def __init__(self, network: Network, window: Window) -> None:
        self.network, self.window = network, window

    def wave(self, sizes: list[int], pick: Pick) -> list[list[int]]:
        """The tokens of a wave of chunks of these sizes."""
        views = [View(self.network, self.window, []) for _ in sizes]
        for c, size in enumerate(sizes):
            for _ in range(size):
                freq = frequencies(self.network.logits(views[c].row()))
                views[c].seen.append(pick(c, freq))
            views[c].lane = None
        return [view.seen for view in views]

    def fresh(self) -> Alone:
        """The same, to go on with independently."""
        return self

    def narrowed(self, ids: list[int]) -> Alone:
        """The same of these tokens alone."""
        return Alone(self.network.narrowed(ids), self.window.narrowed(ids))


class Learning:
    """Versions 2 and 3: chunks of a group learn from each other, slice by slice."""

    def __init__(self, network: Network, window: Window) -> None:
        self.network, self.window = network, window
        self.prefix = list[int]()
        self.history, self.mixer = History(), Mixer()
        self.bias = np.zeros(network.shape.vocab_size, dtype=f32)

    def fresh(self) -> Learning:
        """The same, to go on with independently."""
        other = copy(self)
        other.history, other.mixer = deepcopy(self.history), deepcopy(self.mixer)
        return other

    def narrowed(self, ids: list[int]) -> Learning:
        """One that has learnt nothing, of these tokens alone."""
        return Learning(self.network.narrowed(ids), self.window.narrowed(ids))

    def know(self, dictionary: list[int]) -> None:
        """Begin with what follows from a dictionary, in tokens."""
        early, late = dictionary[:-LEARNT_TOKENS], dictionary[-LEARNT_TOKENS:]
        if early:
            self.history.chunks.append(early)
            for at in range(len(early)):
                self.history.learn((0, at))
        coming = iter(late)
        self.wave([len(late)], lambda *_: next(coming))
        self.prefix = dictionary[max(0, len(dictionary) - self.window.size // 2) :]

    def wave(self, sizes: list[int], pick: Pick) -> list[list[int]]:
        """The tokens of a wave of chunks of these sizes."""
        first = len(self.history.chunks)
        chunks: list[list[int]] = [[] for _ in sizes]
        self.history.chunks += chunks
        views = [View(self.network, self.window, self.prefix) for _ in sizes]
        for begin in range(0, max(sizes), SLICE):
            lessons = []
            gradient = np.zeros(len(self.bias), dtype=i64)
            for c, size in enumerate(sizes):
                for at in range(begin, min(begin + SLICE, size)):
                    place = (first + c, at)
                    logits = self.network.logits(views[c].row(), self.bias)
                    freq = frequencies(logits)
                    proposal = self.history.proposal(place)
                    candidates = [candidate.token for candidate in proposal.candidates]
                    own, total = freq[candidates].tolist(), int(freq.sum())
                    mixed = freq.copy()
                    mixed[candidates], mixed_total = self.mixer.mix(proposal, own, total)
                    assert int(mixed.sum()) == mixed_total
                    token = pick(c, mixed)
                    chunks[c].append(token)
                    views[c].seen.append(token)
                    lessons.append((place, proposal, own, total, token))
                    unit = f32(2.0**52 / f64(total))
                    gradient[token] += 1 << 24
                    gradient -= np.rint(exp2(logits - logits.max()) * unit).astype(i64)
            for _, *lesson in lessons:
                self.mixer.learn(*lesson)
            for place, *_ in lessons:
                self.history.learn(place)
            step = gradient.astype(f32) * f32(0.07 / 2**24)
            self.bias = self.bias + np.minimum(np.maximum(step, f32(-0.75)), f32(0.75))
        return chunks
