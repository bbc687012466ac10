"""What a model is trained on and judged by: texts as token ids, their last tenths held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.encodings.detect import detect, is_nearly_utf_8
from llmzip.tokens import ByteTokenizer

HELD_OUT_SHARE = 10
"""Of every text, the last of so many parts is never trained on."""

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """A text: the part that is trained on, and the part that only judges."""

    name: str
    trained: bytes
    held_out: bytes


def text_of(data: bytes) -> bytes | None:
    """Return a file's text as models see it: UTF-8, lines that end in LF. None if it is no text.

    Stray bytes that are no UTF-8 stay as they are, as when it is compressed.
    """
    found = detect(data)
    if found is not None:
        try:
            text = data[found.n_before :].decode(found.encoding)
        except (UnicodeDecodeError, LookupError):
            return None
        data = text.encode()
    elif b"\0" in data or not is_nearly_utf_8(data):
        return None
    return data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")


def split(name: str, text: bytes) -> Sample:
    """Hold out the last tenth of a text, from the beginning of a line on where there is one near.

    Of a text with fewer than HELD_OUT_SHARE bytes nothing is.
    """
    at = len(text) - len(text) // HELD_OUT_SHARE
    line = text.find(b"\n", at, at + len(text) // (2 * HELD_OUT_SHARE)) + 1
    at = line or at
    while at < len(text) and text[at] & 0xC0 == 0x80:  # within a character of UTF-8
        at += 1
    return Sample(name, text[:at], text[at:])


@dataclass(frozen=True)
class Windows:
    """Token ids in rows of one length, each beginning as a model's windows do.

    ids: (rows, length), the first column the token that stands before a text.
    n_bytes: of the tokens in all other columns together.
    """

    ids: Ids
    n_bytes: int


class Material:
    """Texts as the tokens of a model.

    n_window: tokens in a window, the one that stands before a text included.
    """

    def __init__(
        self, samples: Sequence[Sample], tokenizer: ByteTokenizer, bos_id: int, n_window: int
    ) -> None:
        self._tokenizer, self._bos_id, self._n_window = tokenizer, bos_id, n_window
        self._trained = self._joined([sample.trained for sample in samples])
        self._held_out = self._joined([sample.held_out for sample in samples])

    def batches(self, n_rows: int, generator: np.random.Generator) -> Iterator[Ids]:
        """Yield windows (n_rows, n_window) without end: all there are, in another order each time.

        Where windows begin is drawn anew for each round, so that none comes twice as it was.
        """
        while True:
            rows = self._rows(self._trained, int(generator.integers(self._n_window - 1)))
            while len(rows) < n_rows:  # a text that is smaller than a batch
                rows = np.concatenate([rows, rows])
            order = generator.permutation(len(rows))
            for first in range(0, len(rows) - n_rows + 1, n_rows):
                yield rows[order[first : first + n_rows]]

    def judged(self, most_rows: int) -> Windows:
        """Return held-out windows, spread evenly if there are more than `most_rows`."""
        rows = self._rows(self._held_out, 0)
        chosen = np.unique(np.linspace(0, len(rows) - 1, min(most_rows, len(rows))).astype(int))
        rows = rows[chosen]
        within = rows[:, 1:].reshape(-1)
        return Windows(rows, int(self._tokenizer.lengths(within.astype(np.int32)).sum()))

    def _joined(self, texts: Sequence[bytes]) -> Ids:
        """Return the tokens of texts, one after another."""
        parts = [self._tokenizer.encode(text) for text in texts if text]
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)

    def _rows(self, tokens: Ids, phase: int) -> Ids:
        """Cut tokens into windows, from `phase` on around the end to the beginning."""
        n_within = self._n_window - 1
        turned = np.roll(tokens, -phase)
        n_rows = max(len(turned) // n_within, 1)
        rows = np.resize(turned, (n_rows, n_within))
        return np.concatenate([np.full((n_rows, 1), self._bos_id, np.int64), rows], axis=1)
