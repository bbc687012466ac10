"""FORMAT.md, *Cutting a dictionary*: a text to tokens, so that it comes back whatever it is.

The library `tokenizers` defines what a tokenizer.json makes of text: the one thing that is not
written out here, and that only files with a dictionary need.
"""

from __future__ import annotations

import json
import re

from decoder.tokens import Spec, Tokens, marks_spaces, parts
from decoder.wire import RefusedError

NOT_UTF8 = "\udc80-\udcff"
"""What a byte that is no part of UTF-8 becomes in a text."""


def to_bytes(text: str) -> bytes:
    """The bytes of a text."""
    return text.encode("utf-8", "surrogateescape")


def lossless(spec: Spec) -> Spec:
    """The tokenizer.json without what adds to text, changes it or drops of it."""
    normal = [
        p for p in parts(spec.get("normalizer")) if p["type"] == "ByteLevel" or marks_spaces(p)
    ]
    before = [dict(part) for part in parts(spec.get("pre_tokenizer"))]
    for part in before:
        if part["type"] == "ByteLevel":
            part["add_prefix_space"] = False
        if part["type"] == "Metaspace":
            part.pop("add_prefix_space", None)
            part["prepend_scheme"] = "never"
    added = spec.get("added_tokens") or []
    return spec | {
        "truncation": None,
        "padding": None,
        "post_processor": None,
        "model": spec["model"] | {"dropout": None},
        "normalizer": {"type": "Sequence", "normalizers": normal} if normal else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": before} if before else None,
        "added_tokens": [one | {"lstrip": False, "rstrip": False} for one in added],
    }


class Cutter:
    """Cuts text as a tokenizer does, and what would not come back byte by byte.

    Before the end, a byte b without a token is the number V + b, V being the ids there are.
    """

    def __init__(self, tokens: Tokens) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise RefusedError("to cut a dictionary, the package tokenizers is needed") from None
        self.tokens = tokens
        self.tokenizer = Tokenizer.from_str(json.dumps(lossless(tokens.spec)))
        self.tokenizer.encode_special_tokens = True
        self.spelled = tokens.table + [bytes([byte]) for byte in range(256)]

    def cut(self, data: bytes) -> list[int]:
        """The tokens of `data`."""
        tokens, ids = self.tokens, list[int]()
        for one in self.text_ids(data.decode("utf-8", "surrogateescape"), NOT_UTF8):
            byte = one - len(tokens.table)
            ids += [one] if byte < 0 else tokens.escape_of(byte)
        return ids

    def text_ids(self, text: str, raw: str) -> list[int]:
        """Those of a text; characters of the class `raw` are written byte by byte."""
        pieces = re.split(f"([{raw}]+)", text)  # at odd places those of the class
        ids = [
            one
            for i, piece in enumerate(pieces)
            for one in (self.byte_ids(piece) if i % 2 else self.own_ids(piece))
        ]
        if self.spell(ids) == to_bytes(text):
            return ids
        chars = sorted(set(re.sub(f"[{raw}]+", "", text)))
        hard = "".join(c for c in chars if self.spell(self.own_ids(c)) != to_bytes(c))
        if hard:
            return self.text_ids(text, raw + re.escape(hard))
        if len(pieces) == 1:
            pieces = [text[: len(text) // 2], text[len(text) // 2 :]]
        return [one for piece in pieces if piece for one in self.text_ids(piece, raw)]

    def own_ids(self, piece: str) -> list[int]:
        """What the tokenizer makes of a piece."""
        ids: list[int] = self.tokenizer.encode(piece, add_special_tokens=False).ids
        return ids

    def byte_ids(self, piece: str) -> list[int]:
        """Byte by byte."""
        alone, n_ids = self.tokens.alone, len(self.tokens.table)
        return [alone.get(byte, n_ids + byte) for byte in to_bytes(piece)]

    def spell(self, ids: list[int]) -> bytes:
        """What they stand for; ids that stand for no bytes are passed over."""
        return b"".join(self.spelled[one] for one in ids)
