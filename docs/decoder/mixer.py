"""ADAPT.md: the mixer, from the candidates' questions to the mixed distribution, and its learning.

Python's floats are the document's f64: one rounding for each sign that is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from decoder.history import ORDERS, Proposal

MOST_COUNTED, LONG_MATCH = 24, 16
RATE, SHARE = 0.003, 0.4
MODEL_LIMIT, MIXED_LIMIT, MAP_LIMIT = 20.0, 16.0, 12.0
N_STEPS = 24
MAX_TOTAL = 2**48


def log2(x: float) -> float:
    """Nearly the logarithm."""
    m, e = math.frexp(x)
    m, e = m * 2.0, e - 1
    t = (m - 1.0) / (m + 1.0)
    u = t * t
    y = 1 / 9
    for c in (1 / 7, 1 / 5, 1 / 3, 1.0):
        y = y * u + c
    return e + y * t * 2.8853900817779268


def exp2(x: float) -> float:
    """2^x, in f64."""
    w = round(x)
    f = x - w
    y = 0.009582852944731712
    for c in (0.055906426161527634, 0.24024099111557007, 0.6931241750717163, 1.0):
        y = y * f + c
    return math.ldexp(y, w)


def stretch(p: float) -> float:
    """A probability's logit, in base 2."""
    return log2(p / (1.0 - p))


def squash(x: float) -> float:
    """The other way."""
    return 1.0 / (1.0 + exp2(-x))


def clamp(x: float, low: float, high: float) -> float:
    """Within the bounds."""
    return max(min(x, high), low)


class Estimate:
    """A probability that moves towards what happens, more slowly with age."""

    def __init__(self, value: float, young: float, low: float, high: float) -> None:
        self.value, self.age = value, 0.0
        self.young, self.low, self.high = young, low, high

    def learn(self, y: float) -> None:
        """What happened: 0 or 1."""
        self.age += 1.0
        moved = self.value + (y - self.value) / min(self.age + self.young, 255.0)
        self.value = clamp(moved, self.low, self.high)


def counted(value: float) -> Estimate:
    """An estimate of counts or matches."""
    return Estimate(value, 8.0, 1e-4, 1.0 - 1e-4)


class Mixer:
    """All that a group has learnt of how far to trust what."""

    def __init__(self) -> None:
        n = len(ORDERS)
        self.weights = [[[1.0] + [0.0] * (n + 2) for _ in range(n + 3)] for _ in range(3)]
        self.estimates = [
            {
                (total, count): counted((count + 0.02 * (o + 1)) / (total + (0.5 + 0.3 * (n - o))))
                for total in range(MOST_COUNTED + 1)
                for count in range(total + 1)
            }
            for o in range(n)
        ]
        self.matches = [[counted(0.5 + 0.06 * c) for c in range(6)] for _ in range(3)]
        self.maps = [
            [
                [Estimate(squash(s - MAP_LIMIT), 20.0, 0.0, 1.0) for s in range(N_STEPS + 1)]
                for _ in range(n + 3)
            ]
            for _ in range(3)
        ]

    def mix(self, proposal: Proposal, freqs: Sequence[int], total: int) -> tuple[list[int], int]:
        """The candidates' new frequencies and the new total."""
        questions = Questions(self, proposal, freqs, total)
        odds = []
        for r in range(len(proposal.candidates)):
            question = questions.ask(r)
            p = question.corrected()
            odds.append(p / (1.0 - p))
            questions.drop(r)
        rest, mixed = questions.rest, []
        for x in reversed(odds):
            wanted = min(float(round(rest * x)), float((MAX_TOTAL - rest) // 2))
            mixed.append(max(1, int(wanted)))
            rest += mixed[-1]
        return mixed[::-1], rest

    def learn(self, proposal: Proposal, freqs: Sequence[int], total: int, token: int) -> None:
        """The token that came, where these were the model's frequencies of the candidates."""
        questions = Questions(self, proposal, freqs, total)
        for r, candidate in enumerate(proposal.candidates):
            questions.ask(r).learn(1.0 if candidate.token == token else 0.0)
            if candidate.token == token:
                return
            questions.drop(r)


class Questions:
    """The candidates of a row, one after the other."""

    def __init__(self, mixer: Mixer, proposal: Proposal, freqs: Sequence[int], total: int) -> None:
        self.mixer, self.proposal, self.freqs = mixer, proposal, freqs
        self.rest, self.left = total, list(proposal.met)

    def drop(self, r: int) -> None:
        """Go on to the next: it is not this one."""
        self.rest -= self.freqs[r]
        counts = self.proposal.candidates[r].counts
        self.left = [n - c for n, c in zip(self.left, counts, strict=True)]

    def ask(self, r: int) -> Question:
        """Whether it is candidate r."""
        candidate, mixer, rank = self.proposal.candidates[r], self.mixer, min(r, 2)
        odds = self.freqs[r] / max(self.rest - self.freqs[r], 1)
        inputs = [clamp(log2(odds), -MODEL_LIMIT, MODEL_LIMIT)]
        asked, situation = [], 0
        for o, (left, count) in enumerate(zip(self.left, candidate.counts, strict=True)):
            if left > 0:
                total = min(left, MOST_COUNTED)
                asked.append(mixer.estimates[o][total, min(count, total)])
                inputs.append(stretch(asked[-1].value))
                situation = o + 1 if count > 0 else situation
            else:
                inputs.append(0.0)
        if candidate.match > 0:
            asked.append(mixer.matches[rank][match_class(candidate.match)])
            inputs.append(stretch(asked[-1].value))
            situation = 7 if candidate.match >= LONG_MATCH else 6
        else:
            inputs.append(0.0)
        inputs.append(0.5)
        weights = mixer.weights[rank][situation]
        return Question(inputs, asked, weights, mixer.maps[rank][situation])


class Question:
    """Is it this candidate, given that it is none before?"""

    def __init__(
        self,
        inputs: list[float],
        asked: list[Estimate],
        weights: list[float],
        line: list[Estimate],
    ) -> None:
        self.inputs, self.asked, self.weights, self.map = inputs, asked, weights, line
        logit = 0.0
        for w, x in zip(weights, inputs, strict=True):
            logit = logit + w * x
        self.logit = clamp(logit, -MIXED_LIMIT, MIXED_LIMIT)

    def corrected(self) -> float:
        """The probability p of a yes."""
        place = clamp(self.logit + MAP_LIMIT, 0.01, N_STEPS - 0.01)
        step = int(place)
        part = place - step
        corrected = self.map[step].value * (1.0 - part) + self.map[step + 1].value * part
        mixed = squash(self.logit) * (1.0 - SHARE) + corrected * SHARE
        return clamp(mixed, 1e-5, 1.0 - 1e-5)

    def learn(self, y: float) -> None:
        """Whether it was."""
        step = RATE * (y - squash(self.logit))
        for i, x in enumerate(self.inputs):
            self.weights[i] = self.weights[i] + step * x
        for estimate in self.asked:
            estimate.learn(y)
        nearest = round(clamp(self.logit + MAP_LIMIT, 0.0, N_STEPS))
        self.map[nearest].learn(y)


def match_class(length: int) -> int:
    """0 to 5."""
    if length < 16:
        return (max(length, 4) - 4) // 4
    return 3 if length < 24 else 4 if length < 32 else 5
