"""How far to trust the history: the model's frequencies of its candidates, replaced by mixed ones.

The candidates of a row are asked one after the other: "is it this one, given that it is none
before?" The answer's probability is a logistic mixture of what the model and the counts say
(Mahoney's PAQ family mixes bits so), corrected by an adaptive map. All in base 2 and in float64,
by single IEEE operations in the order written, so that every machine gets the same integers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt.history import N_CANDIDATES, N_ORDERS
from llmzip.compiled import array_at, inlined, kernel
from llmzip.exact.constants import EXP2_COEFFICIENTS

MAX_TOTAL = 1 << 48
"""No distribution that leaves here has a larger total."""

N_INPUTS = N_ORDERS + 3  # the model, each order, the match, a constant
N_RANKS = 3  # first candidate, second, any other
N_SITUATIONS = N_ORDERS + 3  # highest order that knows the candidate, or how long a match is
MOST_COUNTED = 24
N_MATCH_LENGTHS = 6
N_STEPS = 24  # of the correcting map, between -STRETCH_LIMIT and STRETCH_LIMIT

RATE = 0.003  # of the weights
CORRECTION_SHARE = 0.4
STRETCH_LIMIT = 12.0
MIXED_LIMIT = 16.0
MODEL_LIMIT = 20.0
LEAST_PROBABILITY = 1e-5
LEAST_ESTIMATE = 1e-4
FIRST_AGE, LAST_AGE = 8.0, 255.0  # of an estimate: one over it is how fast it learns
FIRST_CORRECTION_AGE = 20.0
CONSTANT_INPUT = 0.5
LONG_MATCH = 16

C0, C1, C2, C3, C4 = EXP2_COEFFICIENTS
_EXPONENT = np.int64(1023)
_MANTISSA_BITS = np.int64(52)
_MANTISSA = np.int64((1 << 52) - 1)
_TWO_OVER_LN2 = 2.8853900817779268


class Mixer(NamedTuple):
    """All that is learnt on line, but for the history."""

    weights: NDArray[np.float64]  # (N_RANKS, N_SITUATIONS, N_INPUTS)
    estimates: NDArray[np.float64]  # (N_ORDERS, total, count): probabilities
    estimate_ages: NDArray[np.float64]
    match_estimates: NDArray[np.float64]  # (N_RANKS, N_MATCH_LENGTHS)
    match_ages: NDArray[np.float64]
    corrections: NDArray[np.float64]  # (N_RANKS, N_SITUATIONS, N_STEPS + 1): probabilities
    correction_ages: NDArray[np.float64]

    @classmethod
    def fresh(cls) -> Mixer:
        """The mixer that every group begins with."""
        weights = np.zeros((N_RANKS, N_SITUATIONS, N_INPUTS))
        weights[:, :, 0] = 1.0
        estimates = np.full((N_ORDERS, MOST_COUNTED + 1, MOST_COUNTED + 1), 0.5)
        matches = np.zeros((N_RANKS, N_MATCH_LENGTHS))
        corrections = np.zeros((N_RANKS, N_SITUATIONS, N_STEPS + 1))
        _first_estimates(estimates, matches, corrections)
        return cls(
            weights,
            estimates,
            np.zeros_like(estimates),
            matches,
            np.zeros_like(matches),
            corrections,
            np.zeros_like(corrections),
        )

    def copy(self) -> Mixer:
        """Return the same, to go on with independently."""
        return Mixer(*(part.copy() for part in self))

    def addresses(self) -> NDArray[np.int64]:
        """Where its arrays are."""
        return np.array([part.ctypes.data for part in self], dtype=np.int64)


@inlined
def log2(x: Any) -> Any:
    """log2 of a positive float64: 2 / ln 2 · artanh((m - 1) / (m + 1)) of the mantissa m."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits >> _MANTISSA_BITS) - _EXPONENT
    m = np.int64((bits & _MANTISSA) | (_EXPONENT << _MANTISSA_BITS)).view(np.float64)
    t = (m - 1.0) / (m + 1.0)
    u = t * t
    series = 1.0 / 9.0
    series = series * u + 1.0 / 7.0
    series = series * u + 1.0 / 5.0
    series = series * u + 1.0 / 3.0
    series = series * u + 1.0
    return np.float64(exponent) + series * t * _TWO_OVER_LN2


@inlined
def exp2(x: Any) -> Any:
    """2^x for float64 within ± 1000; see `arith.exp2`."""
    whole = np.rint(x)
    f = x - whole
    p = C0 * f + C1
    p = p * f + C2
    p = p * f + C3
    p = p * f + C4
    return np.int64(np.float64(p).view(np.int64) + (np.int64(whole) << _MANTISSA_BITS)).view(
        np.float64
    )


@inlined
def stretch(p: Any) -> Any:
    """The base-2 logit of a probability."""
    return log2(p / (1.0 - p))


@inlined
def squash(x: Any) -> Any:
    """The probability of a base-2 logit."""
    return 1.0 / (1.0 + exp2(-x))


@inlined
def _clamp(x: Any, low: Any, high: Any) -> Any:
    return max(min(x, high), low)


@kernel
def _first_estimates(estimates: Any, matches: Any, corrections: Any) -> None:
    for o in range(N_ORDERS):
        for total in range(MOST_COUNTED + 1):
            for count in range(total + 1):
                missing = 0.5 + 0.3 * np.float64(N_ORDERS - o)
                seen = np.float64(count) + 0.02 * np.float64(o + 1)
                estimates[o, total, count] = seen / (np.float64(total) + missing)
    for length in range(N_MATCH_LENGTHS):
        matches[:, length] = 0.5 + 0.06 * np.float64(length)
    for step in range(N_STEPS + 1):
        corrections[:, :, step] = squash(np.float64(step) - STRETCH_LIMIT)


@inlined
def _match_length(length: int) -> Any:
    """Which class of lengths a match belongs to."""
    if length < 16:
        return (max(length, 4) - 4) // 4
    return 3 if length < 24 else (4 if length < 32 else 5)


@inlined
def _rank(r: int) -> Any:
    return min(r, N_RANKS - 1)


@inlined
def _ask(
    mixer: Any, r: int, counts: Any, match: int, left: Any, freq: Any, rest: Any, inputs: Any
) -> Any:
    """Fill what is known of candidate r; return (situation, the mixture's logit).

    left: how often each context was met, less what candidates before r account for; freq of
    rest: what the model gives it, of what it leaves after those before.
    """
    situation = 0
    odds = np.float64(freq) / np.float64(max(rest - freq, 1))
    inputs[0] = _clamp(log2(odds), -MODEL_LIMIT, MODEL_LIMIT)
    for o in range(N_ORDERS):
        inputs[1 + o] = 0.0
        if left[o] > 0:
            total = min(left[o], MOST_COUNTED)
            count = min(np.int64(counts[o]), total)
            inputs[1 + o] = stretch(mixer.estimates[o, total, count])
            if count > 0:
                situation = o + 1
    inputs[N_ORDERS + 1] = 0.0
    if match > 0:
        estimate = mixer.match_estimates[_rank(r), _match_length(match)]
        inputs[N_ORDERS + 1] = stretch(estimate)
        situation = N_ORDERS + 1 + (match >= LONG_MATCH)
    inputs[N_ORDERS + 2] = CONSTANT_INPUT
    logit, weights = 0.0, mixer.weights[_rank(r), situation]
    for i in range(N_INPUTS):
        logit += weights[i] * inputs[i]
    return situation, _clamp(logit, -MIXED_LIMIT, MIXED_LIMIT)


@inlined
def _corrected(mixer: Any, r: int, situation: int, logit: Any) -> Any:
    """The probability after the correcting map, which is read between its steps."""
    place = _clamp(logit + STRETCH_LIMIT, 0.01, np.float64(N_STEPS) - 0.01)
    step = np.int64(place)
    part = place - np.float64(step)
    line = mixer.corrections[_rank(r), situation]
    corrected = line[step] * (1.0 - part) + line[step + 1] * part
    mixed = squash(logit) * (1.0 - CORRECTION_SHARE) + corrected * CORRECTION_SHARE
    return _clamp(mixed, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)


@inlined
def _drop(left: Any, counts: Any) -> None:
    """Take from `left` what a candidate accounts for."""
    for o in range(N_ORDERS):
        left[o] -= np.int64(counts[o])


@inlined
def _mixer_at(addresses: Any) -> Any:
    """The mixer of these addresses."""
    estimates = N_ORDERS, MOST_COUNTED + 1, MOST_COUNTED + 1
    matches = N_RANKS, N_MATCH_LENGTHS
    corrections = N_RANKS, N_SITUATIONS, N_STEPS + 1
    return Mixer(
        array_at(addresses[0], (N_RANKS, N_SITUATIONS, N_INPUTS), np.float64),
        array_at(addresses[1], estimates, np.float64),
        array_at(addresses[2], estimates, np.float64),
        array_at(addresses[3], matches, np.float64),
        array_at(addresses[4], matches, np.float64),
        array_at(addresses[5], corrections, np.float64),
        array_at(addresses[6], corrections, np.float64),
    )


@kernel
def mix(
    mixers: Any,
    of: Any,
    n: Any,
    counts: Any,
    matches: Any,
    met: Any,
    freq: Any,
    totals: Any,
    mixed: Any,
    mixed_totals: Any,
) -> None:
    """Mixed frequencies of the candidates (rows, N_CANDIDATES) and totals (rows,), both int64.

    mixers: the addresses of some, which are alive; of: whose each row is. n, counts, matches, met:
    fields of Candidates (met: its totals). freq, totals: the model's.
    All other tokens keep the model's frequencies.
    """
    inputs, left = np.zeros(N_INPUTS), np.zeros(N_ORDERS, dtype=np.int64)
    odds = np.zeros(N_CANDIDATES)
    for row in range(n.size):
        mixer = _mixer_at(mixers[of[row]])
        rest = np.int64(totals[row])
        for o in range(N_ORDERS):
            left[o] = met[row, o]
        for r in range(n[row]):
            own = freq[row, r]
            situation, logit = _ask(
                mixer, r, counts[row, r], np.int64(matches[row, r]), left, own, rest, inputs
            )
            p = _corrected(mixer, r, situation, logit)
            odds[r] = p / (1.0 - p)
            rest -= own
            _drop(left, counts[row, r])
        for r in range(n[row] - 1, -1, -1):
            wanted = np.rint(np.float64(rest) * odds[r])
            most = (MAX_TOTAL - rest) // 2
            mixed[row, r] = max(1, np.int64(min(wanted, np.float64(most))))
            rest += mixed[row, r]
        mixed_totals[row] = rest


@inlined
def _teach(table: Any, ages: Any, first_age: Any, happened: Any) -> Any:
    """Move one estimate (a view of one element) towards what happened; return it."""
    ages[0] = ages[0] + 1.0
    return table[0] + (happened - table[0]) / min(ages[0] + first_age, LAST_AGE)


@inlined
def _adjust(
    mixer: Any,
    r: int,
    situation: int,
    counts: Any,
    match: int,
    left: Any,
    logit: Any,
    inputs: Any,
    happened: Any,
) -> None:
    """Learn from one answer: weights, then estimates, then the map's nearest step."""
    rank = _rank(r)
    step = RATE * (happened - squash(logit))
    weights = mixer.weights[rank, situation]
    for i in range(N_INPUTS):
        weights[i] = weights[i] + step * inputs[i]
    high = 1.0 - LEAST_ESTIMATE
    for o in range(N_ORDERS):
        if left[o] > 0:
            total = min(left[o], MOST_COUNTED)
            count = min(np.int64(counts[o]), total)
            line, ages = mixer.estimates[o, total], mixer.estimate_ages[o, total]
            moved = _teach(line[count:], ages[count:], FIRST_AGE, happened)
            line[count] = _clamp(moved, LEAST_ESTIMATE, high)
    if match > 0:
        length = _match_length(match)
        line, ages = mixer.match_estimates[rank], mixer.match_ages[rank]
        moved = _teach(line[length:], ages[length:], FIRST_AGE, happened)
        line[length] = _clamp(moved, LEAST_ESTIMATE, high)
    nearest = np.int64(np.rint(_clamp(logit + STRETCH_LIMIT, 0.0, np.float64(N_STEPS))))
    line, ages = mixer.corrections[rank, situation], mixer.correction_ages[rank, situation]
    line[nearest] = _teach(line[nearest:], ages[nearest:], FIRST_CORRECTION_AGE, happened)


@kernel
def learn(
    mixer: Any,
    n: Any,
    ids: Any,
    counts: Any,
    matches: Any,
    met: Any,
    freq: Any,
    totals: Any,
    tokens: Any,
) -> None:
    """Learn from the tokens (rows,) that came, row after row; the rest as for `mix`."""
    inputs, left = np.zeros(N_INPUTS), np.zeros(N_ORDERS, dtype=np.int64)
    for row in range(n.size):
        rest = np.int64(totals[row])
        for o in range(N_ORDERS):
            left[o] = met[row, o]
        for r in range(n[row]):
            own, match = freq[row, r], np.int64(matches[row, r])
            situation, logit = _ask(mixer, r, counts[row, r], match, left, own, rest, inputs)
            happened = 1.0 if ids[row, r] == tokens[row] else 0.0
            _adjust(mixer, r, situation, counts[row, r], match, left, logit, inputs, happened)
            if happened == 1.0:
                break
            rest -= own
            _drop(left, counts[row, r])
