"""Cuts a group's bytes into runs: for the language model, or for the classical codec at once.

Running the model is slow, so data that it cannot help with is told apart first, cheaply, by
blocks: what is hardly text, what does not compress at all, and what LZMA shrinks to almost
nothing. A wrong guess costs time or a few per cent, never correctness, for the encoder
compares the sizes of every run it did give to the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from llmzip.codec.classical import quick_ratio

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


@dataclass(frozen=True)
class Run:
    """Bytes start to stop (exclusive) of a group, which share one fate."""

    start: int
    stop: int
    for_model: bool


def plan_runs(data: bytes) -> list[Run]:
    """Return the runs of a group in order: neighbours differ in fate, and together are `data`."""
    runs: list[Run] = []
    for start, stop, is_text in _stretches(data):
        for block_start in range(start, stop, BLOCK_BYTES):
            block_stop = min(block_start + BLOCK_BYTES, stop)
            for_model = is_text and suits_model(data[block_start:block_stop])
            alike = bool(runs) and runs[-1].for_model == for_model
            run_start = runs.pop().start if alike else block_start
            runs.append(Run(run_start, block_stop, for_model))
    return runs


def _stretches(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield start, stop and whether it is text of stretches that are worth telling apart.

    A change counts where it lasts: a few binary lines in a text are cheaper with the text.
    """
    starts = range(0, len(data), PROBE_BYTES)
    probes = [alien_fraction(data[s : s + PROBE_BYTES]) <= MAX_ALIEN_FRACTION for s in starts]
    start = 0
    for i in range(1, len(probes)):
        ahead = probes[i : i + MIN_PROBES]
        changes = probes[i - 1] != probes[i] and len(set(ahead)) == 1
        lasts = len(ahead) == MIN_PROBES and i * PROBE_BYTES - start >= MIN_PROBES * PROBE_BYTES
        if changes and lasts:
            stop = i * PROBE_BYTES
            yield start, stop, _is_text(data[start:stop])
            start = stop
    if data:
        yield start, len(data), _is_text(data[start:])


def _is_text(data: bytes) -> bool:
    return alien_fraction(data) <= MAX_ALIEN_FRACTION


def suits_model(block: bytes) -> bool:
    """Return whether a language model is worth its time on `block`."""
    if len(block) < MIN_MODEL_BYTES or not _is_text(block):
        return False
    ratio = quick_ratio(block)
    if ratio < REDUNDANT_RATIO and len(block) >= MIN_REDUNDANT_BYTES:
        return False
    # Short text does not compress either, so incompressible means that only for a full sample.
    return ratio < INCOMPRESSIBLE_RATIO or len(block) < MIN_REDUNDANT_BYTES


def alien_fraction(block: bytes) -> float:
    """Return which part of `block` is control characters or bytes that are not UTF-8."""
    n_valid = len(block.decode("utf-8", "ignore").encode("utf-8"))
    n_control = int(_CONTROL[np.frombuffer(block, dtype=np.uint8)].sum())
    return (len(block) - n_valid + n_control) / max(len(block), 1)
