"""A small byte-level tokenizer written down, not trained: every machine makes the same."""

from __future__ import annotations

import json
from collections.abc import Sequence

WORDS = [
    *["the", "of", "and", "a", "to", "in", "is", "that", "it", "was", "for", "on", "with", "as"],
    *["he", "be", "at", "by", "i", "this", "had", "not", "are", "but", "from", "or", "have", "an"],
    *["they", "which", "one", "you", "were", "all", "her", "she", "there", "would", "their", "we"],
]
SCRIPTS = [
    *[*WORDS[:24], "there", "это", "было", "не", "что", "на", "как", "του", "και", "في", "من"],
    *["日本", "の", "中", "한국", "कि", "था", "है", "কি", "ไม", "これ"],
]
"""Words of many scripts, each with all of its beginnings."""
MISSING = frozenset(b"\x04\x06\x13\x14\x16\x1d\xc0\xc1\xf1\xf2") | frozenset(range(0xF5, 256))
"""The bytes for which SmolLM2's vocabulary has no token."""


def small_tokenizer_json(
    vocab_size: int = 300, missing: frozenset[int] = frozenset(), words: Sequence[str] = WORDS
) -> str:
    """Return a tokenizer.json: a special token, bytes, and beginnings of words.

    missing: bytes that get no token of their own.
    """
    letters = [_letter(byte) for byte in range(256) if byte not in missing]
    vocab = {token: i for i, token in enumerate(["<|end|>", *letters])}
    merges: list[list[str]] = []
    for word in words:
        piece = _letter(ord(" "))
        for letter in map(_letter, word.encode()):
            if len(vocab) < vocab_size and piece + letter not in vocab:
                vocab[piece + letter] = len(vocab)
                merges.append([piece, letter])
            piece += letter
    assert len(vocab) == vocab_size
    special = {"id": 0, "content": "<|end|>", "special": True, "single_word": False}
    special |= {"lstrip": False, "rstrip": False, "normalized": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": [special],
            "pre_tokenizer": byte_level | {"use_regex": True},
            "decoder": byte_level | {"use_regex": True},
            "model": {"type": "BPE", "vocab": vocab, "merges": merges},
        }
    )


def _letter(byte: int) -> str:
    """Return the character by which byte-level vocabularies write `byte`."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    if byte in printing:
        return chr(byte)
    return chr(256 + [b for b in range(256) if b not in printing].index(byte))
