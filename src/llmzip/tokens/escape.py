"""How bytes that have no token of their own are written with those that there are.

Some vocabularies lack tokens for a few bytes: SmolLM2's has none for 0x04, 0xFF and
19 others. Such a byte becomes an *escape*: a special token, which text never makes,
then its rank among the missing bytes in digits; the digits are the tokens of the
bytes that do have one, in the order of those bytes. Within this room, between
tokenising and writing out, a missing byte b stands as the virtual id vocab_size + b.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import CorruptError, ModelUnsupportedError
from llmzip.tokens.table import Ids, TokenTable


class Escapes:
    """Writes virtual ids as escapes and reads them back.

    byte_ids: int32, shape (256,): the token of each byte, or its virtual id.
    n_ids: length of an escape, in tokens; 1 if the vocabulary needs none.
    """

    def __init__(self, table: TokenTable) -> None:
        """Find out which bytes `table` lacks.

        Raises:
            ModelUnsupportedError: it lacks some, and has no special token or too few tokens
                of single bytes to write them with.
        """
        singles = table.single_bytes()
        self._first_virtual = len(table)
        self._missing = np.flatnonzero(singles < 0)
        self.byte_ids: NDArray[np.int32] = np.where(
            singles < 0, self._first_virtual + np.arange(256, dtype=np.int32), singles
        ).astype(np.int32)
        self._digit_ids = singles[singles >= 0]
        self._n_digits = _n_digits(self._missing.size, self._digit_ids.size)
        self.n_ids = 1 + self._n_digits
        self.escape_id = _escape_id(table) if self._missing.size else -1
        self._digit_of = np.full(len(table), -1, dtype=np.int64)
        self._digit_of[self._digit_ids] = np.arange(self._digit_ids.size)

    def expand(self, ids: Ids) -> Ids:
        """Replace each virtual id by its escape."""
        virtual = ids >= self._first_virtual
        if not virtual.any():
            return ids
        out = np.repeat(ids, np.where(virtual, self.n_ids, 1))
        begin = np.flatnonzero(virtual) + self._n_digits * np.arange(np.count_nonzero(virtual))
        rank = np.searchsorted(self._missing, ids[virtual] - self._first_virtual)
        out[begin] = self.escape_id
        for i in range(self._n_digits, 0, -1):
            rank, digit = np.divmod(rank, self._digit_ids.size)
            out[begin + i] = self._digit_ids[digit]
        return out

    def contract(self, ids: Ids) -> Ids:
        """Replace each escape by its virtual id; 0 <= ids < vocab_size.

        Raises:
            CorruptError: an escape is cut off, or not one that `expand` makes.
        """
        begin = self.begins(ids)
        if not begin.size:
            return ids
        if begin[-1] + self._n_digits >= ids.size:
            raise CorruptError("an escaped byte is cut off; the file is damaged")
        digits = self._digit_of[ids[begin[:, None] + 1 + np.arange(self._n_digits)]]
        rank = digits @ self._digit_ids.size ** np.arange(self._n_digits - 1, -1, -1)
        if (digits < 0).any() or (rank >= self._missing.size).any():
            raise CorruptError("an escaped byte is malformed; the file is damaged")
        out = ids.copy()
        out[begin] = self._first_virtual + self._missing[rank]
        return out[~self.inside(ids)]

    def lengths(self, ids: Ids, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many bytes tokens spell, whose `own` are that many, whole escapes given.

        The last token of an escape spells its byte, the others none.
        """
        lengths = np.where(self.inside(ids), 0, own)
        lengths[self.begins(ids) + self._n_digits] = 1
        return lengths

    def begins(self, ids: Ids) -> NDArray[np.int64]:
        """Return the positions at which escapes begin."""
        if self.escape_id < 0:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(ids == self.escape_id)

    def inside(self, ids: Ids) -> NDArray[np.bool_]:
        """Return which ids are digits of an escape, whole escapes given; same shape."""
        mask = np.zeros(ids.shape, dtype=np.bool_)
        mask[(self.begins(ids)[:, None] + 1 + np.arange(self._n_digits)).ravel()] = True
        return mask


def _n_digits(n_missing: int, base: int) -> int:
    """Return how many digits number the missing bytes."""
    if n_missing and base < 2:
        raise ModelUnsupportedError(
            "the tokenizer has tokens for hardly any single byte, so it cannot carry all bytes;"
            " choose a model with a byte-level tokenizer"
        )
    n = 0
    while n_missing and base**n < n_missing:
        n += 1
    return n


def _escape_id(table: TokenTable) -> int:
    """Return the last special token: the first ones are those that begin and end documents."""
    special = np.flatnonzero(table.lengths == 0)
    if not special.size:
        raise ModelUnsupportedError(
            "the tokenizer lacks tokens for some bytes and has no special token to escape them"
            " with; choose a model with a byte-level tokenizer"
        )
    return int(special[-1])
