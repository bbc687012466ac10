"""Texts that a tokenizer makes the same tokens of again, token by token.

Not every sequence of tokens is one that a tokenizer makes: "th" and "e" spell what is one token.
What `CanonicalText` has taken is always the beginning of what the tokenizer makes of some text, and
where it `is_complete` all that it makes of its own. Whoever has the text alone can follow.
"""

from __future__ import annotations

from llmzip.tokens.tokenizer import ByteTokenizer

_PROBE = b"a"
"""What a text may go on with: line ends are cut one way before a letter, and another at the end."""


class CanonicalText:
    """A text that grows by tokens, and knows which of them it may grow by.

    What lies before the last word that begins with a space, right after something else, is made
    into the same tokens whatever comes after it: only the rest, the tail, is looked at again.
    """

    def __init__(self, tokenizer: ByteTokenizer) -> None:
        self._tokenizer = tokenizer
        self._tail: list[int] = []
        self._spelled = b""  # what the tail spells

    @property
    def is_complete(self) -> bool:
        """Whether the text as it stands is made into the tokens that it grew by."""
        return self._encode(self._spelled) == self._tail

    def may_grow_by(self, token: int) -> bool:
        """Return whether a text, this with `token` or that with a probe, has all of its tokens.

        That is: whether its tokens begin with those so far and `token`.
        """
        ids = [*self._tail, token]
        spelled = self._spelled + self._tokenizer.table[token]
        if self._encode(spelled) == ids:
            return True
        return self._encode(spelled + _PROBE)[: len(ids)] == ids

    def append(self, token: int) -> None:
        """Grow by `token`, by which it may."""
        spelled = self._tokenizer.table[token]
        if self._begins_word(spelled):
            self._tail, self._spelled = [], b""
        self._tail.append(token)
        self._spelled += spelled

    def _encode(self, data: bytes) -> list[int]:
        ids: list[int] = self._tokenizer.encode(data).tolist()
        return ids

    def _begins_word(self, spelled: bytes) -> bool:
        """Return whether tokenizers cut before `spelled`: " word", after what is no space."""
        is_word = spelled[:1] == b" " and spelled[1:2].isalpha()
        return is_word and 0x21 <= (self._spelled or b" ")[-1] < 0x7F
