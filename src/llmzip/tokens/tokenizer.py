"""A tokeniser that carries any bytes, made from any supported `tokenizer.json`."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import CorruptError
from llmzip.tokens.escape import Escapes
from llmzip.tokens.parts import TokenizerParts, damaged
from llmzip.tokens.table import Ids

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MOST_SHORT = 1 << 14
"""Letters that are made into tokens before the library is loaded."""
_MANY_CHARS = 1 << 16
"""Of so many and more the library is asked in pieces of about that size, for which it uses all
processors, and in the way that lets other threads go on."""
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BETWEEN_WORDS = re.compile("(?<=[A-Za-z]) (?=[A-Za-z])")
_MOST_LETTERS = 1 << 10
"""So far a cut between words is looked for."""

# What decoding with `surrogateescape` makes of bytes that are not UTF-8.
_NOT_UTF8 = "\udc80-\udcff"


class ByteTokenizer:
    """Bytes to token ids and back, lossless by construction.

    Ids are turned back into bytes by a table alone (`table`). Whatever the tokeniser makes of
    a stretch of text is put through the table and compared; where it differs, just the
    characters at fault are written byte by byte, as bytes that are not UTF-8 always are.
    """

    def __init__(self, tokenizer_json: str) -> None:
        """Read the contents of a `tokenizer.json`.

        Raises:
            ModelUnsupportedError: the tokenizer cannot carry all bytes.
            ModelDamagedError: it is not a readable `tokenizer.json`.
        """
        self._take(TokenizerParts.read(tokenizer_json))

    @classmethod
    def of(cls, parts: TokenizerParts) -> ByteTokenizer:
        """Make one of what has been read before.

        Raises ModelUnsupportedError: the tokenizer cannot carry all bytes.
        """
        tokenizer = cls.__new__(cls)
        tokenizer._take(parts)
        return tokenizer

    def _take(self, parts: TokenizerParts) -> None:
        self._parts = parts
        self.table = parts.table
        self._escapes = Escapes(self.table)
        # Missing bytes, under their virtual ids, come behind the vocabulary.
        self._virtual_table = self.table.followed_by_all_bytes()
        self._survives: dict[str, bool] = {}  # whether a character alone comes back
        self._n_short = 0  # letters of texts that have been made into tokens without the library

    @property
    def vocab_size(self) -> int:
        """Token ids are 0 to vocab_size - 1."""
        return len(self.table)

    @cached_property
    def is_text(self) -> NDArray[np.bool_]:
        """Of each id whether `encode` may give it: those that stand for bytes, and the escape."""
        allowed = self.table.lengths > 0
        if self._escapes.escape_id >= 0:
            allowed[self._escapes.escape_id] = True
        return allowed

    def fingerprint_bytes(self) -> bytes:
        """Return all that decoding depends on, for hashing: the token table and the escape."""
        escape = np.array([len(self.table), self._escapes.escape_id], dtype="<i8")
        offsets = self.table.offsets.astype("<i8")
        return escape.tobytes() + offsets.tobytes() + self.table.blob.tobytes()

    def encode(self, data: bytes) -> Ids:
        """Return the token ids of `data`, int32, shape (n_tokens,).

        Text that reads like a special token is text. The ids depend on nothing but `data`,
        the `tokenizer.json` and the way that the tokenizers library applies it.
        """
        text = data.decode("utf-8", "surrogateescape")
        return self._escapes.expand(self._encode(text, _NOT_UTF8))

    def encode_bytes(self, data: bytes) -> Ids:
        """Return the token ids of `data`, each of its bytes by itself."""
        return self._escapes.expand(self._escapes.byte_ids[list(data)])

    def decode(self, ids: Ids) -> bytes:
        """Return the bytes of `ids`, shape (n_tokens,).

        Raises:
            CorruptError: `ids` hold one that stands for no bytes, or a broken escape.
        """
        if ids.size and not (ids.min() >= 0 and ids.max() < self.vocab_size):
            raise CorruptError("a token lies outside the vocabulary; the file is damaged")
        whole = self._escapes.contract(ids)
        if not self._virtual_table.lengths[whole].all():
            raise CorruptError("a special token stands in the text; the file is damaged")
        return self._virtual_table.join(whole)

    def lengths(self, ids: Ids) -> NDArray[np.int64]:
        """Return how many bytes each of `ids` spells, int64, shape (n_tokens,).

        ids: as `encode` gives them, no escape cut. The last token of one spells its byte.
        """
        return self._escapes.lengths(ids, self.table.lengths[ids])

    def split(self, ids: Ids, n_tokens: int) -> list[Ids]:
        """Cut `ids` into pieces of about equal size, each of 1 to `n_tokens` tokens.

        No cut falls inside an escape, so each piece can be decoded by itself.

        Raises:
            ValueError: there is something to cut, and `n_tokens` does not hold a single escape.
        """
        if 0 < ids.size <= n_tokens:
            return [ids]
        longest_escape = self._escapes.n_ids
        if n_tokens < longest_escape:
            raise ValueError(f"a piece must hold {longest_escape} tokens, not {n_tokens}")
        pieces = self._split_evenly(ids, n_tokens)
        if any(piece.size > n_tokens for piece in pieces):
            # A cut has moved back into the piece before; by less than an escape.
            pieces = self._split_evenly(ids, n_tokens - longest_escape + 1)
        return pieces

    def _split_evenly(self, ids: Ids, n_tokens: int) -> list[Ids]:
        """Cut into pieces of up to `n_tokens`; then move each cut to before an escape it is in."""
        if not ids.size:
            return []
        n_pieces = -(-ids.size // n_tokens)
        positions = np.arange(ids.size + 1)
        inside = np.append(self._escapes.inside(ids), False)
        cut_before = np.maximum.accumulate(np.where(inside, 0, positions))
        cuts = np.unique(cut_before[ids.size * np.arange(n_pieces + 1) // n_pieces])
        return np.split(ids, cuts[1:-1])

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer  # only the encoder needs it

        try:
            tokenizer = Tokenizer.from_str(self._parts.lossless())
        except Exception as exc:  # the library raises nothing more particular
            raise damaged(exc) from exc
        tokenizer.encode_special_tokens = True
        return tokenizer

    def _encode(self, text: str, raw: str) -> Ids:
        """Encode `text`, the characters of the regular expression's class `raw` byte by byte.

        Gives virtual ids for missing bytes.
        """
        pieces = re.split(f"([{raw}]+)", text)  # those at odd places are raw
        found: list[int] = []
        for i, piece in enumerate(pieces):
            found += self._byte_ids(piece) if i % 2 else self._text_ids(piece)
        ids = np.array(found, dtype=np.int32)
        if self._virtual_table.join(ids) == _to_bytes(text):
            return ids
        if hard := self._hard_chars(text, raw):
            return self._encode(text, raw + re.escape(hard))
        # Characters that are at fault only together: close in on them.
        if len(pieces) == 1:
            pieces = [text[: len(text) // 2], text[len(text) // 2 :]]
        return np.concatenate([self._encode(piece, raw) for piece in pieces if piece])

    def _byte_ids(self, piece: str) -> list[int]:
        ids: list[int] = self._escapes.byte_ids[list(_to_bytes(piece))].tolist()
        return ids

    def _text_ids(self, piece: str) -> list[int]:
        if (found := self._short_ids(piece)) is not None:
            return found
        if len(piece) < _MANY_CHARS:
            ids: list[int] = self._tokenizer.encode(piece, add_special_tokens=False).ids
            return ids
        parts = cut_between_words(piece, _MANY_CHARS) if self._ends_words else [piece]
        encoded = self._tokenizer.encode_batch_fast(parts, add_special_tokens=False)
        return [token for part in encoded for token in part.ids]

    @cached_property
    def _ends_words(self) -> bool:
        """Whether each token of a text ends with a word that a single space and another follow.

        So it is if pieces are made as GPT-2 makes them and no token has a space behind a letter.
        """
        blob, starts = self.table.blob, self.table.offsets[:-1]
        is_letter = np.isin(blob, np.frombuffer(_LETTERS, dtype=np.uint8))
        is_inside = np.ones(blob.size, dtype=np.bool_)
        is_inside[starts[starts < blob.size]] = False
        spanning = is_letter[:-1] & (blob[1:] == ord(" ")) & is_inside[1:]
        return self._parts.merges is not None and not spanning.any()

    def _short_ids(self, piece: str) -> list[int] | None:
        """What the library says of `piece`, where that is found sooner than the library is loaded.

        That takes as long as tens of thousands of letters do without it.
        """
        merges = self._parts.merges
        if merges is None or self._n_short + len(piece) > MOST_SHORT or "_tokenizer" in vars(self):
            return None
        self._n_short += len(piece)
        return merges.tokens(piece)

    def _hard_chars(self, text: str, raw: str) -> str:
        """Return the characters, beside those of `raw`, that do not survive by themselves."""
        chars = sorted(set(re.sub(f"[{raw}]+", "", text)))
        for char in chars:
            if char not in self._survives:
                ids = np.array(self._text_ids(char), dtype=np.int32)
                self._survives[char] = self._virtual_table.join(ids) == char.encode()
        return "".join(char for char in chars if not self._survives[char])


def cut_between_words(text: str, size: int) -> list[str]:
    """Cut a text into parts of about `size` characters, each cut before a space between words.

    Words are of ASCII letters, and the space stands alone.
    """
    cuts = [0]
    for at in range(size, len(text), size):
        found = _BETWEEN_WORDS.search(text, at, at + _MOST_LETTERS)
        if found is not None and found.start() > cuts[-1]:
            cuts.append(found.start())
    return [text[begin:end] for begin, end in pairwise([*cuts, len(text)])]


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
