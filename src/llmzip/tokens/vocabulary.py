"""Reads a `tokenizer.json`: the bytes of each token, and a form of it fit for lossless use.

Two families are understood: byte-level vocabularies (GPT-2's way: 256 characters that
stand for the bytes) and those in sentencepiece's manner (a mark for the space, tokens
such as `<0x0A>` for bytes).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llmzip.errors import ModelUnsupportedError

Spec = dict[str, Any]
"""The contents of a `tokenizer.json`."""

MOST_IDS = 1 << 20

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE_MARK = "\u2581"


def token_bytes(spec: Spec) -> list[bytes]:
    """Return the bytes of each token, by id; b"" for special tokens and for unused ids.

    Raises:
        ModelUnsupportedError: the tokenizer is of neither family, or has too many tokens.
    """
    vocab = _vocab(spec)
    spell = _speller(spec)
    tokens = {id_: spell(piece) for piece, id_ in vocab.items()}
    for added in spec.get("added_tokens") or []:
        tokens[added["id"]] = b"" if added["special"] else added["content"].encode()
    unknown = spec["model"].get("unk_token")
    if unknown in vocab:
        tokens[vocab[unknown]] = b""
    if spec["model"].get("unk_id") is not None:
        tokens[spec["model"]["unk_id"]] = b""
    largest = max(tokens)
    if largest >= MOST_IDS:  # one id is enough to ask for a table of any size
        raise ModelUnsupportedError(
            f"the tokenizer's ids go up to {largest}, but no more than {MOST_IDS:,} are supported"
        )
    return [tokens.get(id_, b"") for id_ in range(largest + 1)]


def lossless_json(spec: Spec) -> str:
    """Return the `tokenizer.json` less everything that adds to text, or changes or drops it.

    What remains of the normaliser is the writing of spaces as marks and of bytes as
    characters; no space is put in front; added tokens swallow no white space beside them.
    """
    spec = dict(spec, truncation=None, padding=None, post_processor=None)
    spec["model"] = dict(spec["model"], dropout=None)
    spec["normalizer"] = _kept_normalizer(spec.get("normalizer"))
    spec["pre_tokenizer"] = _without_prefix(spec.get("pre_tokenizer"))
    spec["added_tokens"] = [
        dict(added, lstrip=False, rstrip=False) for added in spec.get("added_tokens") or []
    ]
    return json.dumps(spec)


def _vocab(spec: Spec) -> dict[str, int]:
    model = spec["model"]
    kind = model.get("type", "BPE")
    if kind == "Unigram":
        return {piece: id_ for id_, (piece, _) in enumerate(model["vocab"])}
    affixes = model.get("end_of_word_suffix"), model.get("continuing_subword_prefix")
    if kind != "BPE" or any(affixes):
        raise ModelUnsupportedError(
            f"the tokenizer ({kind}) does not keep all text; choose a model with a byte-level one"
        )
    return dict(model["vocab"])


def _parts(component: Spec | None) -> Iterator[Spec]:
    """Yield the elementary parts of a normaliser, pre-tokeniser or decoder, in order."""
    if not component:
        return
    for name in ("normalizers", "pretokenizers", "decoders"):
        for part in component.get(name, []):
            yield from _parts(part)
    if component["type"] != "Sequence":
        yield component


def _all_parts(spec: Spec) -> Iterator[Spec]:
    for name in ("normalizer", "pre_tokenizer", "decoder"):
        yield from _parts(spec.get(name))


def byte_alphabet() -> dict[str, int]:
    """Return which byte each character of a byte-level vocabulary stands for."""
    # Bytes that print in Latin-1 stand for themselves; the others are written, in order,
    # with the characters from 256 on.
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    alphabet = {chr(byte): byte for byte in printing}
    return alphabet | {chr(256 + i): byte for i, byte in enumerate(others)}


_IN_LATIN_1 = str.maketrans(
    {chr(byte): "\uffff" for byte in range(256)}  # what is no letter of the alphabet has no byte
    | {letter: chr(byte) for letter, byte in byte_alphabet().items()}
)


def _spell_byte_level(piece: str) -> bytes:
    try:
        return piece.translate(_IN_LATIN_1).encode("latin-1")
    except UnicodeEncodeError:
        return b""  # not written in the alphabet: no text makes it


def _spell_marked(piece: str, byte_fallback: bool) -> bytes:
    byte = _BYTE_TOKEN.fullmatch(piece) if byte_fallback else None
    return bytes.fromhex(byte[1]) if byte else piece.replace(_SPACE_MARK, " ").encode()


def _speller(spec: Spec) -> Callable[[str], bytes]:
    """Return the function that spells a token of the vocabulary in bytes."""
    parts = list(_all_parts(spec))
    if any(part["type"] == "ByteLevel" for part in parts):
        return _spell_byte_level
    if any(_writes_space_mark(part) for part in parts):
        fallback = any(part["type"] == "ByteFallback" for part in parts)
        fallback = fallback or bool(spec["model"].get("byte_fallback"))
        return partial(_spell_marked, byte_fallback=fallback)
    raise ModelUnsupportedError(
        "the tokenizer is neither byte-level nor like sentencepiece's;"
        " choose a model with a byte-level one"
    )


def _writes_space_mark(part: Spec) -> bool:
    kind: str = part["type"]
    return kind == "Metaspace" or (kind == "Replace" and part["content"] == _SPACE_MARK)


def _kept_normalizer(normalizer: Spec | None) -> Spec | None:
    kept = [
        part
        for part in _parts(normalizer)
        if part["type"] == "ByteLevel" or _writes_space_mark(part)
    ]
    return {"type": "Sequence", "normalizers": kept} if kept else None


def _without_prefix(pre_tokenizer: Spec | None) -> Spec | None:
    kept = []
    for part in _parts(pre_tokenizer):
        kept.append(dict(part))
        if part["type"] == "ByteLevel":
            kept[-1]["add_prefix_space"] = False
        if part["type"] == "Metaspace":
            kept[-1].pop("add_prefix_space", None)  # an old name of the same
            kept[-1]["prepend_scheme"] = "never"
    return {"type": "Sequence", "pretokenizers": kept} if kept else None
