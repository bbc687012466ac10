"""Cuts a group's bytes into runs: for the language model, or for the classical codec at once.

Running the model is slow, so data that it cannot help with is told apart first, cheaply, by
blocks: what is hardly text, what does not compress at all, and what LZMA shrinks to almost
nothing. A wrong guess costs time or a few per cent, never correctness, for the encoder
compares the sizes of every run it did give to the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from llmzip.codec.classical import quick_ratio
from llmzip.encodings import ENCODINGS
from llmzip.encodings.detect import SEPARATORS, Found, detect, is_plain, tells_nothing

BLOCK_BYTES = 1 << 16
PROBE_BYTES = 1 << 12
MIN_PROBES = 3
"""Text and binary data are told apart by probes; less than this many of a kind change nothing."""

MIN_MODEL_BYTES = 16  # below this the reference to the model costs more than it can save
MAX_ALIEN_FRACTION = 0.2  # control characters and broken UTF-8: binaries have more, texts less
INCOMPRESSIBLE_RATIO = 0.95
REDUNDANT_RATIO = 0.03
MIN_REDUNDANT_BYTES = 1 << 12  # LZMA's first bytes tell nothing about shorter blocks

_CONTROL = np.zeros(256, dtype=bool)
_CONTROL[[*range(0x00, 0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F]] = True
_CONTROL_BUT_SEPARATORS = _CONTROL.copy()
_CONTROL_BUT_SEPARATORS[list(SEPARATORS)] = False


@dataclass(frozen=True)
class Run:
    """Bytes start to stop (exclusive) of a group, which share one fate.

    found: the encoding that they seem to be text in; None where that is UTF-8, or they are none.
    """

    start: int
    stop: int
    for_model: bool
    found: Found | None = None


@dataclass(frozen=True)
class _Look:
    """What some bytes look like: text or not, and in which encoding other than UTF-8.

    phase: where its characters begin in the group, modulo its unit.
    """

    is_text: bool
    encoding: str | None = None
    phase: int = 0

    def found_at(self, start: int) -> Found | None:
        """Return the encoding as bytes from `start` on are in it."""
        if self.encoding is None:
            return None
        return Found(self.encoding, (self.phase - start) % ENCODINGS[self.encoding].unit)


_TEXT, _BINARY = _Look(True), _Look(False)


def plan_runs(data: bytes) -> list[Run]:
    """Return the runs of a group in order: neighbours differ in fate, and together are `data`."""
    fates: list[tuple[int, _Look]] = []  # where each begins
    for start, stop, look in _stretches(data):
        for block_start in range(start, stop, BLOCK_BYTES):
            block = data[block_start : min(block_start + BLOCK_BYTES, stop)]
            fate = look if look.is_text and suits_model(block, look.found_at(0)) else _BINARY
            if not fates or fates[-1][1] != fate:
                fates.append((block_start, fate))
    starts = [*(start for start, _ in fates), len(data)]
    return [
        Run(start, stop, fate.is_text, fate.found_at(start))
        for (start, fate), stop in zip(fates, starts[1:], strict=True)
    ]


def _stretches(data: bytes) -> Iterator[tuple[int, int, _Look]]:
    """Yield start, stop and look of stretches that are worth telling apart.

    A change counts where it lasts: a few binary lines in a text are cheaper with the text.
    """
    looks = _looks(data)
    start = 0
    for i in range(1, len(looks)):
        ahead = looks[i : i + MIN_PROBES]
        changes = looks[i - 1] != looks[i] and len(set(ahead)) == 1
        lasts = len(ahead) == MIN_PROBES and i * PROBE_BYTES - start >= MIN_PROBES * PROBE_BYTES
        if changes and lasts:
            stop = i * PROBE_BYTES
            yield start, stop, _look_of_all(data[start:stop], looks[start // PROBE_BYTES : i])
            start = stop
    if data:
        yield start, len(data), _look_of_all(data[start:], looks[start // PROBE_BYTES :])


def _look_of_all(data: bytes, looks: Sequence[_Look]) -> _Look:
    """Return the look of `data` whose probes have `looks`."""
    ((most, _),) = Counter(looks).most_common(1)
    if most.encoding is not None:
        return most
    return _TEXT if _is_text(data) else _BINARY


def _looks(data: bytes) -> list[_Look]:
    """Return what each probe of `data` looks like."""
    probes = [data[at : at + PROBE_BYTES] for at in range(0, len(data), PROBE_BYTES)]
    if is_plain(data):
        return [_TEXT if _is_text(probe) else _BINARY for probe in probes]
    looks: list[_Look | None] = [
        None if tells_nothing(probe) else _look(probe, number * PROBE_BYTES)
        for number, probe in enumerate(probes)
    ]
    return _joined(looks)


def _look(probe: bytes, start: int) -> _Look:
    found = detect(probe)
    if found is None:
        return _TEXT if _is_text(probe) else _BINARY
    unit = ENCODINGS[found.encoding].unit
    return _Look(True, found.encoding, (start + found.n_before) % unit)


def _joined(looks: Sequence[_Look | None]) -> list[_Look]:
    """Return `looks`, None being like the text before or after it, if that holds ASCII."""
    known = [look for look in looks if look is not None]
    joined: list[_Look] = []
    n_known = 0
    for look in looks:
        n_known += look is not None
        around = [*joined[-1:], *known[n_known : n_known + 1]]
        joined.append(look or next(filter(_holds_ascii, around), _TEXT))
    return joined


def _holds_ascii(look: _Look) -> bool:
    return look.is_text and (look.encoding is None or ENCODINGS[look.encoding].unit == 1)


def suits_model(block: bytes, found: Found | None = None) -> bool:
    """Return whether a language model is worth its time on `block`, text in what was found."""
    if len(block) < MIN_MODEL_BYTES or not (found or _is_text(block)):
        return False
    ratio = quick_ratio(block)
    if ratio < REDUNDANT_RATIO and len(block) >= MIN_REDUNDANT_BYTES:
        return False
    # Short text does not compress either, so incompressible means that only for a full sample.
    return ratio < INCOMPRESSIBLE_RATIO or len(block) < MIN_REDUNDANT_BYTES


def _is_text(data: bytes) -> bool:
    return alien_fraction(data) <= MAX_ALIEN_FRACTION


def alien_fraction(block: bytes) -> float:
    """Return which part of `block` is control characters or bytes that are not UTF-8.

    Where there are no zeros, as in all that is binary, texts may have separators and overstriking.
    """
    n_valid = len(block.decode("utf-8", "ignore").encode("utf-8"))
    controls = _CONTROL if b"\0" in block else _CONTROL_BUT_SEPARATORS
    n_control = int(controls[np.frombuffer(block, dtype=np.uint8)].sum())
    return (len(block) - n_valid + n_control) / max(len(block), 1)
