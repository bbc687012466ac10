"""Shortlists: tokens of a large vocabulary that do for text in one kind of script.

What a list has follows from the token table alone: from the characters that each token spells, by
the ranges below (docs/FORMAT.md, *Shortlists*). Within a list tokens have numbers of their own, 0,
1 and so on, in the order of their ids. All single bytes are in every list, so it spells anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llmzip.tokens.table import Ids, TokenTable
from llmzip.tokens.tokenizer import ByteTokenizer

NUMBERS = range(1, 8)
"""The lists: Latin; Cyrillic, Greek, Arabic and so on; CJK; all other scripts; each of these three
beside Latin."""

SHORT_CHARS = 3
"""Tokens of so many characters, Latin letters among them, are in the lists of other scripts."""

_SIGNS, _LATIN, _BROKEN = 1, 2, 32
_SCRIPTS = {2: 4, 3: 8, 4: 16}
_STARTS = {
    0x0: _SIGNS, 0x41: _LATIN, 0x5B: _SIGNS, 0x61: _LATIN, 0x7B: _SIGNS, 0xC0: _LATIN,
    0x250: _SIGNS, 0x370: _SCRIPTS[2], 0x780: _SCRIPTS[4], 0x10A0: _SCRIPTS[2],
    0x1100: _SCRIPTS[3], 0x1200: _SCRIPTS[4], 0x1D00: _SIGNS, 0x1E00: _LATIN,
    0x1F00: _SCRIPTS[2], 0x2000: _SIGNS, 0x2C00: _SCRIPTS[2], 0x2D30: _SCRIPTS[4],
    0x2DE0: _SCRIPTS[2], 0x2E00: _SIGNS, 0x2E80: _SCRIPTS[3], 0xA000: _SCRIPTS[4],
    0xA640: _SCRIPTS[2], 0xA6A0: _SCRIPTS[4], 0xA720: _SIGNS, 0xA800: _SCRIPTS[4],
    0xA960: _SCRIPTS[3], 0xA980: _SCRIPTS[4], 0xAC00: _SCRIPTS[3], 0xD800: _SCRIPTS[4],
    0xF900: _SCRIPTS[3], 0xFB00: _SIGNS, 0xFB13: _SCRIPTS[2], 0xFE00: _SIGNS,
    0xFE10: _SCRIPTS[3], 0xFE70: _SCRIPTS[2], 0xFEFF: _SIGNS, 0xFF00: _SCRIPTS[3],
    0xFFF0: _SIGNS, 0x10000: _SCRIPTS[4], 0x1D400: _SIGNS, 0x1D800: _SCRIPTS[4],
    0x1F000: _SIGNS, 0x20000: _SCRIPTS[3], 0x40000: _SCRIPTS[4],
}  # fmt: skip
"""Where ranges of characters begin, each going on to the next."""

_N_CHARS = 0x110000
_SHORTEST = np.array([0, 0x80, 0x800, 0x10000])
"""The first character that takes one byte more than there are continuation bytes."""
_N_MORE = np.repeat(np.array([0, 4, 1, 2, 3, 4]), [0x80, 0x40, 0x20, 0x10, 8, 8])
"""How many continuation bytes a first byte wants; 4 where it is none."""


class ListedTokenizer:
    """A tokenizer whose ids are those of a list; otherwise as the one that it was made of.

    ids: int32, ascending: which tokens the list has.
    """

    def __init__(self, tokenizer: ByteTokenizer, ids: Ids) -> None:
        self._tokenizer = tokenizer
        self.ids = ids
        self._place = np.full(int(max(len(tokenizer.table), ids[-1] + 1)), -1, dtype=np.int32)
        self._place[ids] = np.arange(len(ids), dtype=np.int32)
        self._spelled: dict[int, Ids] = {}

    def encode(self, data: bytes) -> Ids:
        """Return the ids of `data`."""
        return self.respelled(self._tokenizer.encode(data))

    def decode(self, ids: Ids) -> bytes:
        """Return the bytes of `ids`, of which none is beyond the list. Raises CorruptError."""
        return self._tokenizer.decode(self.ids[ids])

    def lengths(self, ids: Ids) -> NDArray[np.int64]:
        """Return how many bytes each of `ids` spells, as `ByteTokenizer.lengths`."""
        return self._tokenizer.lengths(self.ids[ids])

    @cached_property
    def is_text(self) -> NDArray[np.bool_]:
        """Of each id whether it may stand in a chunk."""
        whole = self._tokenizer.is_text
        return np.append(whole, np.zeros(self._place.size - whole.size, dtype=np.bool_))[self.ids]

    def split(self, ids: Ids, n_tokens: int) -> list[Ids]:
        """Cut `ids` into pieces, as `ByteTokenizer.split`."""
        return [self._place[part] for part in self._tokenizer.split(self.ids[ids], n_tokens)]

    def outside(self, ids: Ids) -> Ids:
        """Return which of `ids`, those of the whole vocabulary, the list does not have."""
        return ids[self._place[ids] < 0]

    def respelled(self, ids: Ids) -> Ids:
        """Return ids of the whole vocabulary as ids of the list that spell the same."""
        places = self._place[ids]
        strange = np.flatnonzero(places < 0)
        if not strange.size:
            return places
        parts, done = [], 0
        for at in strange.tolist():
            parts += [places[done:at], self._spelling(int(ids[at]))]
            done = at + 1
        return np.concatenate([*parts, places[done:]])

    def _spelling(self, token: int) -> Ids:
        """Return what spells a token that the list does not have: the longest pieces that it has.

        A character is written byte by byte if the list does not have it.
        """
        if token not in self._spelled:
            spelled, found, at = self._tokenizer.table[token], list[int](), 0
            while at < len(spelled):
                stop = next(
                    (n for n in range(len(spelled), at + 1, -1) if spelled[at:n] in self._of_bytes),
                    at + 1,
                )
                own = self._of_bytes.get(spelled[at:stop])
                byte = self._tokenizer.encode_bytes(spelled[at:stop])
                found += self._place[byte].tolist() if own is None else [own]
                at = stop
            self._spelled[token] = np.array(found, dtype=np.int32)
        return self._spelled[token]

    @cached_property
    def _of_bytes(self) -> dict[bytes, int]:
        table = self._tokenizer.table
        texts = (table[token] for token in self.ids.tolist() if token < len(table))
        return {text: place for place, text in enumerate(texts) if text}


def shortlists(tokenizer: ByteTokenizer, also: Sequence[int] = ()) -> dict[int, ListedTokenizer]:
    """Return the tokenizer of each list, by its number.

    also: ids that every list has beside single bytes and what escapes others.
    """
    kinds, n_chars = _kinds(tokenizer.table)
    always = tokenizer.is_text & (tokenizer.table.lengths <= 1)
    is_short = n_chars <= SHORT_CHARS
    found = {}
    for number in NUMBERS:
        script = _SCRIPTS.get(number, 0) or _LATIN | _SCRIPTS.get(number - 3, 0)
        own = _within(kinds, _SIGNS | script)
        short = is_short & _within(kinds, _SIGNS | _LATIN | script)
        has = np.append(always | own | short, np.zeros(max([0, *also]) + 1, dtype=np.bool_))
        has[[*also]] = True
        found[number] = ListedTokenizer(tokenizer, np.flatnonzero(has).astype(np.int32))
    return found


def _within(kinds: NDArray[np.uint8], allowed: int) -> NDArray[np.bool_]:
    """Whether tokens spell something, and nothing but characters of the allowed kinds."""
    found: NDArray[np.bool_] = (kinds > 0) & (kinds & ~np.uint8(allowed) == 0)
    return found


def _kinds(table: TokenTable) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return of each token the kinds of its characters, ored, and how many there are.

    _BROKEN: some of its bytes are no whole character of UTF-8. 0: it spells nothing.
    """
    spelling = np.flatnonzero(table.lengths)
    begins = (table.blob & 0xC0) != 0x80  # a character, or what is taken for one
    begins[table.offsets[spelling]] = True
    at = np.flatnonzero(begins)
    own = _kinds_at(table.blob, at)
    first = np.searchsorted(at, table.offsets[spelling])
    kinds, n_chars = np.zeros(len(table), np.uint8), np.zeros(len(table), np.int64)
    if spelling.size:
        kinds[spelling] = np.bitwise_or.reduceat(own, first)
        n_chars[spelling] = np.diff(np.append(first, at.size))
    return kinds, n_chars


def _kinds_at(blob: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the kinds of the characters that begin at these places, each going on to the next."""
    n_more = np.diff(np.append(at, blob.size)) - 1
    lead = blob[at]
    wanted = _N_MORE[lead]
    char = lead.astype(np.int32)
    wide = np.flatnonzero(wanted > 0)
    own, own_at, own_wanted = char[wide], at[wide], wanted[wide]
    own &= 0x3F >> own_wanted
    padded = np.append(blob, np.zeros(3, np.uint8)).astype(np.int32)
    for i in range(1, 4):
        own = np.where(i <= own_wanted, own << 6 | padded[own_at + i] & 0x3F, own)
    whole = n_more == wanted
    surrogate = (own >= 0xD800) & (own <= 0xDFFF)
    whole[wide] &= (
        (own_wanted < 4) & (own >= _SHORTEST[own_wanted % 4]) & (own < _N_CHARS) & ~surrogate
    )
    char[wide] = np.where(whole[wide], own, 0)
    lengths = np.diff([*_STARTS, _N_CHARS])
    kinds = np.repeat(np.array(list(_STARTS.values()), dtype=np.uint8), lengths)
    return np.where(whole, kinds[char], np.uint8(_BROKEN))
