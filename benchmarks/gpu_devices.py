"""What a CUDA device could do at most: from a table of known ones, else from its properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MACS_PER_CLOCK = {
    (7, 5): 1024,
    (8, 0): 2048,
    (8, 6): 1024,
    (8, 7): 1024,
    (8, 9): 1024,
    (9, 0): 4096,
    (10, 0): 8192,
    (12, 0): 1024,
}
"""Dense int8 multiply-adds of a multiprocessor in a clock, by compute capability."""


@dataclass(frozen=True)
class DeviceLimits:
    """A device's ceilings: int8 multiply-adds and bytes of its memory, a second.

    source: where they are from.
    """

    name: str
    int8_macs_per_s: float
    bytes_per_s: float
    source: str


@dataclass(frozen=True)
class _Known:
    """A device by words of its name. tops: int8 operations a second, dense, in 10^12."""

    words: tuple[str, ...]
    tops: float
    gigabytes_per_s: float


KNOWN = (
    _Known(("H100", "PCIe"), 1513, 2000),
    _Known(("H100", "NVL"), 1671, 3900),
    _Known(("H100",), 1979, 3350),
    _Known(("H200",), 1979, 4800),
    _Known(("B200",), 4500, 8000),
    _Known(("A100", "80GB", "PCIe"), 624, 1935),
    _Known(("A100", "80GB"), 624, 2039),
    _Known(("A100",), 624, 1555),
    _Known(("A10G",), 140, 600),
    _Known(("A10",), 250, 600),
    _Known(("L40S",), 733, 864),
    _Known(("L4",), 242, 300),
    _Known(("T4",), 130, 320),
    _Known(("RTX 3090",), 284, 936),
    _Known(("RTX 4090",), 661, 1008),
    _Known(("RTX 5090",), 838, 1792),
)
"""By their makers' data sheets; the first whose words all stand in the name is taken."""


def limits_of(properties: Any) -> DeviceLimits | None:
    """Return the ceilings of the device that torch describes so; None where nothing says them."""
    name = str(properties.name)
    parts = name.replace("-", " ").split()
    for known in KNOWN:
        if all(_holds(parts, word) for word in known.words):
            return DeviceLimits(
                name, known.tops * 1e12 / 2, known.gigabytes_per_s * 1e9, "data sheet"
            )
    return _computed(name, properties)


def _holds(parts: list[str], word: str) -> bool:
    """Whether the words of `word` stand in `parts`, one after the other."""
    wanted = word.split()
    return any(parts[at : at + len(wanted)] == wanted for at in range(len(parts)))


def _computed(name: str, properties: Any) -> DeviceLimits | None:
    """From clocks (kHz), multiprocessors and the width of the memory's bus (bits)."""
    per_clock = MACS_PER_CLOCK.get((properties.major, properties.minor))
    clock = getattr(properties, "clock_rate", 0)
    memory_clock = getattr(properties, "memory_clock_rate", 0)
    width = getattr(properties, "memory_bus_width", 0)
    if not (per_clock and clock and memory_clock and width):
        return None
    macs = properties.multi_processor_count * clock * 1e3 * per_clock
    return DeviceLimits(name, macs, 2 * memory_clock * 1e3 * width / 8, "the device's properties")
