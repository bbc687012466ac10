"""FORMAT.md, *Token stream*: what the ids of a tokenizer.json stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from decoder.wire import require

Spec = dict[str, Any]

PRINTING = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
OTHERS = [byte for byte in range(256) if byte not in PRINTING]
ALPHABET = {chr(byte): byte for byte in PRINTING} | {
    chr(256 + i): byte for i, byte in enumerate(OTHERS)
}


def parts(component: Spec | None) -> Iterator[Spec]:
    """The elementary parts of a normalizer, a pre-tokenizer or a decoder."""
    for name in ("normalizers", "pretokenizers", "decoders"):
        for part in (component or {}).get(name, []):
            yield from parts(part)
    if component and component["type"] != "Sequence":
        yield component


def marks_spaces(part: Spec) -> bool:
    """Whether this part writes spaces as U+2581."""
    kind: str = part["type"]
    return kind == "Metaspace" or (kind == "Replace" and part["content"] == "\u2581")


class Tokens:
    """The token table of a tokenizer, and its escapes."""

    def __init__(self, tokenizer_json: str) -> None:
        self.spec: Spec = json.loads(tokenizer_json)
        self.table = self.read_table()
        alone = {token[0]: i for i, token in enumerate(self.table) if len(token) == 1}
        self.missing = [byte for byte in range(256) if byte not in alone]
        self.digits = [alone[byte] for byte in sorted(alone)]
        self.alone = alone
        self.escape, self.n_digits = -1, 0
        if self.missing:
            self.escape = max(i for i, token in enumerate(self.table) if not token)
            while len(self.digits) ** self.n_digits < len(self.missing):
                self.n_digits += 1

    def read_table(self) -> list[bytes]:
        """The bytes of each id."""
        model = self.spec["model"]
        vocab = model["vocab"]
        if isinstance(vocab, list):  # of a Unigram model: pieces with their scores
            vocab = {piece: i for i, (piece, _) in enumerate(vocab)}
        found = {i: self.spelled(piece) for piece, i in vocab.items()}
        for added in self.spec.get("added_tokens") or []:
            found[added["id"]] = b"" if added["special"] else added["content"].encode()
        for unknown in (vocab.get(model.get("unk_token")), model.get("unk_id")):
            if unknown is not None:
                found[unknown] = b""
        return [found.get(i, b"") for i in range(max(found) + 1)]

    def spelled(self, piece: str) -> bytes:
        """The bytes of a token of the vocabulary."""
        if any(part["type"] == "ByteLevel" for part in self.parts()):
            known = all(char in ALPHABET for char in piece)
            return bytes(ALPHABET[char] for char in piece) if known else b""
        byte = re.fullmatch("<0x([0-9A-F]{2})>", piece)
        has_bytes = any(part["type"] == "ByteFallback" for part in self.parts())
        if byte and (has_bytes or self.spec["model"].get("byte_fallback")):
            return bytes.fromhex(byte[1])
        return piece.replace("\u2581", " ").encode()

    def parts(self) -> list[Spec]:
        """All parts that say what text becomes before and after the model."""
        names = ("normalizer", "pre_tokenizer", "decoder")
        return [part for name in names for part in parts(self.spec.get(name))]

    def fingerprint_bytes(self) -> bytes:
        """What EXACT.md has of it in the fingerprint."""
        begins = np.cumsum([0, *map(len, self.table)])
        numbers = np.array([len(self.table), self.escape, *begins], dtype="<i8")
        return numbers.tobytes() + b"".join(self.table)

    def spell(self, ids: Sequence[int]) -> bytes:
        """The bytes of a chunk's tokens."""
        text, rest = bytearray(), iter(ids)
        for token in rest:
            if token == self.escape:
                text.append(self.escaped([next(rest, -1) for _ in range(self.n_digits)]))
            else:
                spelled = self.table[token] if token < len(self.table) else b""
                require(spelled != b"", "a token that stands for no bytes")
                text += spelled
        return bytes(text)

    def escaped(self, ids: list[int]) -> int:
        """The byte that these tokens behind an escape mean."""
        number = 0
        for token in ids:
            require(token in self.digits, "an escape cut off, or with what is no digit")
            number = number * len(self.digits) + self.digits.index(token)
        require(number < len(self.missing), "an escape of no byte")
        return self.missing[number]

    def escape_of(self, byte: int) -> list[int]:
        """The tokens that a missing byte is written with."""
        number, ids = self.missing.index(byte), list[int]()
        for _ in range(self.n_digits):
            number, digit = divmod(number, len(self.digits))
            ids.insert(0, self.digits[digit])
        return [self.escape, *ids]
