"""States for context mixing: made anew for long texts, kept and cleaned for short ones.

Most of a state is three tables of 10 MB together. A short text touches a few rows of them, so
making them anew for each of many small chunks would take a thousand times longer than the chunks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from llmzip.mixing import kernel
from llmzip.mixing.kernel import State

MIN_TABLE_BITS, MAX_TABLE_BITS = 16, 26
"""The table of histories has 64 bytes for each byte of the text, 64 MiB at most."""

SHORT_BYTES = 1 << 12
"""Longer texts take far longer to code than a state takes to make."""

_kept = threading.local()


@contextmanager
def fresh_state(text: NDArray[np.uint8]) -> Iterator[State]:
    """Yield a state that has seen nothing, to code `text` with: once, and in this thread.

    When the context ends, `text` must hold all that was coded.
    """
    if len(text) > SHORT_BYTES:
        yield kernel.new_state(_table_bits(len(text)))
        return
    blank: State | None = _kept.__dict__.pop("blank", None)  # gone, unless it comes back clean
    if blank is None:
        blank = kernel.new_state(MIN_TABLE_BITS)
    yield _beginning(blank, _table_bits(len(text)))
    kernel.forget(blank, text)
    _kept.blank = blank


def _beginning(blank: State, table_bits: int) -> State:
    """Return a state with the large tables of `blank`, and all else its own."""
    shared = {"squash", "stretch", "after", "last", "heads", "refined"}
    own = {name: table.copy() for name, table in blank._asdict().items() if name not in shared}
    own["histories"] = np.zeros(1 << table_bits, dtype=np.uint8)
    return blank._replace(**own)


def _table_bits(n_bytes: int) -> int:
    return min(max((64 * n_bytes - 1).bit_length(), MIN_TABLE_BITS), MAX_TABLE_BITS)
