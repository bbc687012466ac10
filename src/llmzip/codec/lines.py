"""Line ends: text whose lines end in CR LF is predicted as if they ended in LF.

Models have seen little CR LF, and each costs a token more. Line feeds without a carriage return
are exceptions, listed before the tokens: their number, then for each how many others lie between
it and the one before, all varints.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.container.limits import MAX_CHUNK_BYTES
from llmzip.container.wire import Body, corrupt, varint

MAX_BARE_SHARE = 1 / 16
"""Text with more line feeds without a carriage return is left as it is."""

_LF, _CR = 10, 13

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Unified:
    """Text with line feeds for line ends. is_bare: of each line feed, whether it was one."""

    text: bytes
    is_bare: Flags


def unify(data: bytes) -> Unified | None:
    """Return `data` without the carriage returns of its line ends; None where few have one."""
    octets = np.frombuffer(data, dtype=np.uint8)
    feeds = np.flatnonzero(octets == _LF)
    is_bare = (feeds == 0) | (octets[feeds - 1] != _CR)
    if not feeds.size or is_bare.mean() > MAX_BARE_SHARE:
        return None
    keep = np.ones(octets.size, dtype=bool)
    keep[feeds[~is_bare] - 1] = False
    return Unified(octets[keep].tobytes(), is_bare)


def restore(text: bytes, is_bare: Flags) -> bytes:
    """Return what `unify` was given. Raises CorruptError unless there is a flag a line feed."""
    *lines, rest = text.split(b"\n")
    if len(lines) != is_bare.size:
        raise corrupt(f"{len(lines)} line ends where {is_bare.size} are described")
    ends = (b"\n" if bare else b"\r\n" for bare in is_bare.tolist())
    return b"".join(part for pair in zip(lines, ends, strict=True) for part in pair) + rest


def pack_places(places: Sequence[int]) -> bytes:
    """Return the list of exceptions without their number, given which line feeds they are."""
    gaps = np.diff(np.array(places, dtype=np.int64), prepend=-1) - 1
    return b"".join(map(varint, gaps.tolist()))


def take_places(fields: Body, n_places: int) -> array[int]:
    """Take the rest of a list of exceptions that has so many. Raises CorruptError."""
    places = array("I")  # 4 bytes each, for a payload may list as many as it has bytes
    place = -1
    for _ in range(n_places):
        place += 1 + fields.varint()
        if place >= MAX_CHUNK_BYTES:
            raise corrupt("a line end is described that is not there")
        places.append(place)
    return places


def flags_of(text: bytes, places: Sequence[int]) -> Flags:
    """Return of each line feed of `text` whether it is among `places`. Raises CorruptError."""
    is_bare = np.zeros(text.count(b"\n"), dtype=bool)
    if places and places[-1] >= is_bare.size:
        raise corrupt("a line end is described that is not there")
    is_bare[np.array(places, dtype=np.int64)] = True
    return is_bare
