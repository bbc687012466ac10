"""The bytes of every token of a vocabulary, as two flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]

CONTROLS = frozenset(
    chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0xFEFF) if chr(code) not in "\t\n"
)
"""Characters that files and terminals do not keep, or obey: C0 and C1, and the byte order mark."""


class TokenTable:
    """The bytes that each token id stands for; special tokens have none.

    blob: uint8, the bytes of all tokens one after the other.
    offsets: int64, shape (n_tokens + 1,): token i is blob[offsets[i] : offsets[i + 1]].
    """

    def __init__(self, blob: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        """Take the arrays as they are, without a copy.

        Raises:
            ValueError: they are not a table: wrong types, or offsets that do not cover the
                blob in order.
        """
        if blob.dtype != np.uint8 or offsets.dtype != np.int64:
            raise ValueError(
                f"token table wants uint8 and int64, not {blob.dtype}, {offsets.dtype}"
            )
        lengths = np.diff(offsets)
        if offsets.size == 0 or offsets[0] != 0 or offsets[-1] != blob.size or (lengths < 0).any():
            raise ValueError("the token table's offsets do not cover its bytes in order")
        self.blob = blob
        self.offsets = offsets
        self.lengths: NDArray[np.int64] = lengths

    @classmethod
    def from_tokens(cls, tokens: Sequence[bytes]) -> TokenTable:
        """Build the table from the bytes of each token, by id."""
        offsets = np.zeros(len(tokens) + 1, dtype=np.int64)
        np.cumsum([len(token) for token in tokens], out=offsets[1:])
        return cls(np.frombuffer(b"".join(tokens), dtype=np.uint8), offsets)

    def followed_by_all_bytes(self) -> TokenTable:
        """This table, and behind it a token for each byte."""
        blob = np.concatenate([self.blob, np.arange(256, dtype=np.uint8)])
        n_bytes = self.blob.size
        ends = np.arange(n_bytes + 1, n_bytes + 257, dtype=np.int64)
        return TokenTable(blob, np.concatenate([self.offsets, ends]))

    def __len__(self) -> int:
        return self.lengths.size

    def __getitem__(self, token: int) -> bytes:
        return self.blob[self.offsets[token] : self.offsets[token + 1]].tobytes()

    @cached_property
    def is_plain(self) -> NDArray[np.bool_]:
        """Of each token whether it is text by itself: whole characters, and no controls."""
        return np.array([_is_plain(self[token]) for token in range(len(self))], dtype=np.bool_)

    def join(self, ids: Ids) -> bytes:
        """Return the bytes of all `ids` one after the other; 0 <= ids < len(self)."""
        lengths = self.lengths[ids]
        begin = np.cumsum(lengths) - lengths  # of each token in the result
        source: NDArray[np.int64] = np.repeat(self.offsets[ids] - begin, lengths)
        source += np.arange(source.size)
        return self.blob[source].tobytes()

    def single_bytes(self) -> NDArray[np.int32]:
        """Return the id of each byte's own token, shape (256,); -1 where there is none.

        Where there are several, it is the last: vocabularies with `<0x41>` beside `A` put
        the latter, which their models know better, behind.
        """
        ids = np.full(256, -1, dtype=np.int32)
        alone = np.flatnonzero(self.lengths == 1).astype(np.int32)
        ids[self.blob[self.offsets[alone]]] = alone
        return ids


def _is_plain(spelled: bytes) -> bool:
    try:
        text = spelled.decode()
    except UnicodeDecodeError:
        return False
    return bool(text) and CONTROLS.isdisjoint(text)
