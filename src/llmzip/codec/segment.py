"""Cuts bytes into runs: for the language model, or for a classical codec at once.

Running the model is slow, so data that it cannot help with is told apart first, cheaply: what is
no text, at a grain of some hundred bytes; and of texts, by blocks, what does not compress at all
and what LZMA shrinks to almost nothing. A wrong guess costs time or a few per cent, never
correctness, for the encoder compares the sizes of all that it did give to the model.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.classical import quick_ratio
from llmzip.encodings import ENCODINGS
from llmzip.encodings.detect import Found, detect, is_plain, tells_nothing
from llmzip.layout import islands
from llmzip.layout.dense import find_dense
from llmzip.layout.islands import find_islands

BLOCK_BYTES = 1 << 16
PROBE_BYTES = 1 << 12
MIN_PROBES = 3
"""Encodings are told apart by probes; less than this many of a kind change nothing."""

INCOMPRESSIBLE_RATIO = 0.95
NOISE_RATIO = 0.98
REDUNDANT_RATIO = 0.03
MIN_REDUNDANT_BYTES = 1 << 12  # LZMA's first bytes tell nothing about shorter blocks
MIN_NOISE_BYTES = 1 << 9
MIN_ORDER_OF = 200
"""Of so many bits that bytes take one must be known from the bytes before them."""

_BIT = 1 << 16


class Fate(Enum):
    """What becomes of bytes."""

    MODEL = "text"
    DENSE = "noise in letters"
    REDUNDANT = "text that repeats"
    BINARY = "binary data"
    NOISE = "noise"
    RUN = "one byte, over and over"
    HEADERS = "headers of an archive"


@dataclass(frozen=True)
class Run:
    """Bytes start to stop (exclusive) of some data, which share one fate.

    found: the encoding that they seem to be text in; None where that is UTF-8, or they are none.
    """

    start: int
    stop: int
    fate: Fate
    found: Found | None = None

    @property
    def for_model(self) -> bool:
        """Whether the language model is to code them."""
        return self.fate is Fate.MODEL

    def moved(self, by: int) -> Run:
        """Return the run as it stands in data that begins so many bytes before."""
        return replace(self, start=self.start + by, stop=self.stop + by)

    def part(self, start: int, stop: int) -> Run:
        """Return bytes `start` to `stop` of the data, which lie in this run."""
        found = self.found
        if found is not None:
            unit = ENCODINGS[found.encoding].unit
            found = Found(found.encoding, (found.n_before - (start - self.start)) % unit)
        return Run(start, stop, self.fate, found)


@dataclass(frozen=True)
class _Look:
    """Which encoding other than UTF-8 some bytes seem to be text in, if any.

    phase: where its characters begin, modulo its unit.
    """

    encoding: str | None = None
    phase: int = 0

    def found_at(self, start: int) -> Found | None:
        """Return the encoding as bytes from `start` on are in it."""
        if self.encoding is None:
            return None
        return Found(self.encoding, (self.phase - start) % ENCODINGS[self.encoding].unit)


_UTF_8 = _Look()
_FATES = {
    islands.TEXT: Fate.MODEL,
    islands.BINARY: Fate.BINARY,
    islands.RUN: Fate.RUN,
}


def plan_runs(data: bytes) -> list[Run]:
    """Return the runs of `data` in order: neighbours differ in fate, and together are all of it."""
    return merged(run for whole in find_runs(data) for run in by_worth(data, whole))


def find_runs(data: bytes) -> list[Run]:
    """Return what `data` consists of, as far as its bytes alone tell."""
    if not data:
        return []
    runs = [Run(0, len(data), Fate.MODEL)] if is_plain(data) else list(_unlike(data))
    return [one for run in runs for one in _dense_apart(data, run)]


def by_worth(data: bytes, run: Run) -> Iterator[Run]:
    """Yield the run, or parts of it, with the fate that their compressibility suggests."""
    if run.fate not in (Fate.MODEL, Fate.BINARY):
        yield run
        return
    for start in range(run.start, run.stop, BLOCK_BYTES):
        part = run.part(start, min(start + BLOCK_BYTES, run.stop))
        yield replace(part, fate=_fate(data[part.start : part.stop], run.fate))


def merged(runs: Iterable[Run]) -> list[Run]:
    """Return the runs with those made one that follow each other and are alike."""
    found: list[Run] = []
    for run in runs:
        if found and _goes_on(found[-1], run):
            found[-1] = replace(found[-1], stop=run.stop)
        else:
            found.append(run)
    return found


def _goes_on(run: Run, after: Run) -> bool:
    """Whether `after` follows at once, has the same fate, and goes on with the same characters."""
    is_next = run.stop == after.start and run.fate is after.fate
    return is_next and run.part(after.start, after.start).found == after.found


def _fate(block: bytes, fate: Fate) -> Fate:
    """Return what becomes of a block of text or of binary data."""
    if len(block) < (MIN_NOISE_BYTES if fate is Fate.BINARY else MIN_REDUNDANT_BYTES):
        return fate
    if fate is Fate.BINARY:
        return Fate.NOISE if quick_ratio(block) >= NOISE_RATIO else fate
    ratio = 0.5 if _is_ordinary(block) else quick_ratio(block)
    if ratio < REDUNDANT_RATIO:
        return Fate.REDUNDANT
    return fate if ratio < INCOMPRESSIBLE_RATIO and is_in_order(block) else Fate.DENSE


def _is_ordinary(block: bytes) -> bool:
    """Whether text is surely neither redundant nor incompressible: DEFLATE is quick to tell."""
    return 0.15 < len(zlib.compress(block, 1)) / len(block) < 0.85


def is_in_order(block: bytes) -> bool:
    """Whether a byte says something about the next: of random digits, say, none does."""
    octets = np.frombuffer(block, dtype=np.uint8)
    pairs = np.bincount(octets[:-1].astype(np.int64) << 8 | octets[1:], minlength=1 << 16)
    singles = pairs.reshape(256, 256).sum(axis=1)
    bits = _bits(singles)
    n_by_chance = np.count_nonzero(pairs) - 2 * np.count_nonzero(singles) + 1
    known = 2 * bits - _bits(pairs) - int(n_by_chance) * (_BIT * 100 // 139)  # 1 / 2 ln 2 of a bit
    return known * MIN_ORDER_OF > bits


def _bits(counts: NDArray[np.int64]) -> int:
    """Return how many bits all take, each as many as its share says, in units of 2^-16.

    Rounded one by one, so that it is the same everywhere.
    """
    there = counts[counts > 0]
    n = int(there.sum())
    logs = np.rint(np.log2(np.append(there, n)) * _BIT).astype(np.int64)
    return int(n * logs[-1] - (there * logs[:-1]).sum())


def _unlike(data: bytes) -> Iterator[Run]:
    """Yield the runs of data that is not all UTF-8."""
    for start, stop, look in _stretches(data):
        if look.encoding is not None:
            yield Run(start, stop, Fate.MODEL, look.found_at(start))
        else:
            for first, last, what in find_islands(data[start:stop]):
                yield Run(start + first, start + last, _FATES[what])


def _dense_apart(data: bytes, run: Run) -> Iterator[Run]:
    """Yield the run with what is base64 in its text apart."""
    if run.fate is not Fate.MODEL or run.found is not None:
        yield run
        return
    at = run.start
    for first, last in find_dense(data[run.start : run.stop]):
        if at < run.start + first:
            yield Run(at, run.start + first, Fate.MODEL)
        at = run.start + last
        yield Run(run.start + first, at, Fate.DENSE)
    if at < run.stop:
        yield Run(at, run.stop, Fate.MODEL)


def _stretches(data: bytes) -> Iterator[tuple[int, int, _Look]]:
    """Yield start, stop and look of stretches whose encodings are worth telling apart."""
    looks = _looks(data)
    start = 0
    for i in range(1, len(looks)):
        ahead = looks[i : i + MIN_PROBES]
        changes = looks[i - 1] != looks[i] and len(set(ahead)) == 1
        lasts = len(ahead) == MIN_PROBES and i * PROBE_BYTES - start >= MIN_PROBES * PROBE_BYTES
        if changes and lasts:
            yield start, i * PROBE_BYTES, _most(looks[start // PROBE_BYTES : i])
            start = i * PROBE_BYTES
    yield start, len(data), _most(looks[start // PROBE_BYTES :])


def _most(looks: Sequence[_Look]) -> _Look:
    ((most, _),) = Counter(looks).most_common(1)
    return most


def _looks(data: bytes) -> list[_Look]:
    """Return what each probe of `data` looks like."""
    looks: list[_Look | None] = []
    for start in range(0, len(data), PROBE_BYTES):
        probe = data[start : start + PROBE_BYTES]
        looks.append(None if tells_nothing(probe) else _look(probe, start))
    return _joined(looks)


def _look(probe: bytes, start: int) -> _Look:
    found = detect(probe)
    if found is None:
        return _UTF_8
    return _Look(found.encoding, (start + found.n_before) % ENCODINGS[found.encoding].unit)


def _joined(looks: Sequence[_Look | None]) -> list[_Look]:
    """Return `looks`, None being like the text before or after it, if that holds ASCII."""
    known = [look for look in looks if look is not None]
    joined: list[_Look] = []
    n_known = 0
    for look in looks:
        n_known += look is not None
        around = [*joined[-1:], *known[n_known : n_known + 1]]
        joined.append(look or next(filter(_holds_ascii, around), _UTF_8))
    return joined


def _holds_ascii(look: _Look) -> bool:
    return look.encoding is None or ENCODINGS[look.encoding].unit == 1
