"""Where tokens stand in a text: their ends, their lines and columns, what is shown together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.explaining.explanation import Explanation


@dataclass(frozen=True)
class Dear:
    """A token that cost much. index: among the tokens. line, column: from 1, in characters."""

    index: int
    line: int
    column: int


class Lines:
    """The lines of a text; each ends with a line feed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        feeds = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
        self._starts: NDArray[np.int64] = np.append(0, feeds + 1).astype(np.int64)

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and the column of a byte, both from 1.

        Columns count characters; of one that is cut the bytes before `offset` count as one, and
        so does each byte that is no UTF-8.
        """
        line = int(np.searchsorted(self._starts, offset, side="right"))
        before = self._data[int(self._starts[line - 1]) : offset]
        return line, 1 + len(before.decode("utf-8", "replace"))


def dearest(explanation: Explanation, n: int = 10) -> list[Dear]:
    """Return the `n` tokens of most bits, the dearest first; of equal ones the earlier first."""
    bits = explanation.tokens.bits
    lines = Lines(explanation.data)
    order = np.argsort(-bits, kind="stable")[:n].tolist()
    return [Dear(i, *lines.place(int(explanation.tokens.offsets[i]))) for i in order]


def token_ends(explanation: Explanation) -> NDArray[np.int64]:
    """Return the byte after each token, shape (n,): where the next or something unscored begins."""
    offsets = explanation.tokens.offsets
    n_bytes = len(explanation.data)
    ends = np.append(offsets[1:], n_bytes)[: offsets.size].astype(np.int64)
    barriers = np.array([*(one.start for one in explanation.unscored), n_bytes], dtype=np.int64)
    return np.minimum(ends, barriers[np.searchsorted(barriers[:-1], offsets)])


def shown_starts(explanation: Explanation) -> NDArray[np.int64]:
    """Return the tokens that show something, shape (k,); what follows goes on with theirs.

    The first token always is one of them, so that each token belongs to one.
    """
    starts = [i for i, text in enumerate(explanation.spelt) if text or not i]
    return np.array(starts, dtype=np.int64)


def sums(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sums of stretches of `values` that begin at `starts`, which rise."""
    return np.add.reduceat(values, starts) if starts.size else np.zeros(0)
