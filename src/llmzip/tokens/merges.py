"""The tokens of short texts of ASCII, found from a table of merges: the library takes long to load.

What byte-level vocabularies with GPT-2's regular expression make of such a text is what the
library `tokenizers` makes of it, to the last id; for all else, and for long texts, it is asked.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.tokens.vocabulary import byte_alphabet

MOST_LETTERS = 64
"""Of a word: merging takes the square of its length."""

N_ASCII = 128
ARRAYS = {"letters": np.int32, "pairs": np.uint64, "ranks": np.int32, "merged": np.int32}
"""The arrays of `Merges`, by name, and their types."""

_NO_RANK = 1 << 31
_WORD = re.compile(
    r"'(?:[stmd]|re|ve|ll)| ?[A-Za-z]+| ?[0-9]+| ?[^\t-\r A-Za-z0-9]+"
    r"|[\t-\r ]+(?![^\t-\r ])|[\t-\r ]+"
)
"""GPT-2's regular expression, for ASCII: how a text is cut into words."""


@dataclass(frozen=True, eq=False)
class Merges:
    """Which tokens become one, in which order.

    letters: int32, shape (128,), the id of each character of ASCII; -1 for one that has none.
    pairs: uint64, ascending: the ids of two tokens that become one, the left times 2^32.
    ranks, merged: int32, of each pair its rank, the least of which comes first, and what it makes.
    """

    letters: NDArray[np.int32]
    pairs: NDArray[np.uint64]
    ranks: NDArray[np.int32]
    merged: NDArray[np.int32]

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Merges | None:
        """Those of a `tokenizer.json`, if it is one of which they say all about texts of ASCII."""
        vocab, alphabet = spec["model"].get("vocab"), byte_alphabet()
        if not _says_all(spec):
            return None
        letters = np.full(N_ASCII, -1, dtype=np.int32)
        for letter, byte in alphabet.items():
            if byte < N_ASCII:
                letters[byte] = vocab.get(letter, -1)
        return cls(letters, *_pairs(vocab, spec["model"]["merges"]))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Merges:
        """Those of which `arrays` were given. Raises: KeyError, ValueError for anything else."""
        merges = cls(*(arrays[name] for name in ARRAYS))
        n_pairs = len(merges.pairs)
        sizes = {"letters": N_ASCII, "pairs": n_pairs, "ranks": n_pairs, "merged": n_pairs}
        for name, dtype in ARRAYS.items():
            if arrays[name].dtype != dtype or arrays[name].shape != (sizes[name],):
                raise ValueError(f"no table of merges: {name}")
        return merges

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All there is, by the names in ARRAYS."""
        return {name: getattr(self, name) for name in ARRAYS}

    def tokens(self, text: str) -> list[int] | None:
        """The ids of a text; None where the library must be asked."""
        if not text.isascii():
            return None
        words = _WORD.findall(text)
        letters = {word: self.letters[list(word.encode())].tolist() for word in set(words)}
        if any(len(ids) > MOST_LETTERS or min(ids) < 0 for ids in letters.values()):
            return None
        known = {word: self._merged(ids) for word, ids in letters.items()}
        return [token for word in words for token in known[word]]

    def _merged(self, ids: list[int]) -> list[int]:
        """A word's letters, merged for as long as there are two that may be."""
        found = [self._find(*pair) for pair in pairwise(ids)]
        while found:
            rank, token = min(found)
            if rank == _NO_RANK:
                break
            at = found.index((rank, token))
            ids[at : at + 2] = [token]
            del found[at]
            if at:
                found[at - 1] = self._find(ids[at - 1], token)
            if at < len(found):
                found[at] = self._find(token, ids[at + 1])
        return ids

    def _find(self, left: int, right: int) -> tuple[int, int]:
        """The rank of a pair, and what it becomes."""
        pair, pairs = left << 32 | right, self.pairs.data
        at = bisect_left(pairs, pair)
        if at == len(pairs) or pairs[at] != pair:
            return _NO_RANK, 0
        return int(self.ranks[at]), int(self.merged[at])


def _says_all(spec: Mapping[str, Any]) -> bool:
    """Whether vocabulary and merges alone make tokens, of words as `_WORD` finds them."""
    model, cutter = spec["model"], spec.get("pre_tokenizer") or {}
    plain = model.get("type") == "BPE" and cutter.get("type") == "ByteLevel"
    special = all(added["special"] for added in spec.get("added_tokens") or [])
    odd = ("continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
    return (
        plain
        and special
        and cutter.get("use_regex", True) is True
        and not spec.get("normalizer")
        and not any(model.get(name) for name in odd)
    )


def _pairs(
    vocab: Mapping[str, int], merges: list[Any]
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32]]:
    """The pairs in order, their ranks, and what they make."""
    halves = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    ids = np.array([(vocab[a], vocab[b], vocab[a + b]) for a, b in halves], dtype=np.uint64)
    left, right, made = ids.reshape(-1, 3).T
    pairs = left << np.uint64(32) | right
    # of a pair that stands twice the library knows the last
    last = len(pairs) - 1 - np.unique(pairs[::-1], return_index=True)[1]
    return pairs[last], last.astype(np.int32), made[last].astype(np.int32)
