"""The tokenizer of a GGUF of Gemma, which has a vocabulary and no merges, as a `tokenizer.json`.

Of all tokens that two neighbours would make together, sentencepiece makes the one that comes first
in the vocabulary, again and again until there is none. The library `tokenizers` wants to be told
which two make it: here any two tokens of text. A token for a byte or for control is never made,
whatever a text reads like.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from llmzip.errors import ModelUnsupportedError
from llmzip.models.gguf_claims import GgufHeader

MOST_CHARS = 256
"""Of a token that is merged: each of its cuts is looked at."""
MOST_MERGES = 1 << 21
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
"""Kinds of tokens, as a GGUF numbers them; one for a byte is of another."""
_MARK = "\u2581"
"""What stands for a space."""


def is_known(header: GgufHeader) -> bool:
    """Whether a GGUF has a tokenizer of this kind; what Gemma's architecture has is not always."""
    is_sentencepiece = header.values.get("tokenizer.ggml.model") == "llama"
    has_merges = "tokenizer.ggml.merges" in header.arrays
    return header.architecture in ("gemma2", "gemma3") and is_sentencepiece and not has_merges


def read_tokenizer(path: Path) -> str:
    """Return the tokenizer of a GGUF that has been checked.

    Raises: as `tokenizer_json`; KeyError where it has none of this kind.
    """
    import gguf

    fields = gguf.GGUFReader(str(path)).fields  # as transformers calls it, see `parsed_once`
    names = ("tokens", "token_type", "unknown_token_id")
    tokens, kinds, unknown = (fields[f"tokenizer.ggml.{name}"] for name in names)
    return tokenizer_json(
        [bytes(tokens.parts[at]).decode() for at in tokens.data],
        [int(kinds.parts[at][0]) for at in kinds.data],
        int(unknown.parts[unknown.data[0]][0]),
        str(path),
    )


def tokenizer_json(tokens: list[str], kinds: list[int], unknown: int, where: str = "it") -> str:
    """Return the tokenizer of these tokens, by id, and of what kind each is.

    Runs of spaces, which are written as spaces among the tokens, are merged like words.
    where: they are, for a message.

    Raises: IndexError, ValueError if they do not fit together; ModelUnsupportedError where there
        is more to merge than a vocabulary has.
    """
    spelled = [_MARK * len(token) if set(token) == {" "} else token for token in tokens]
    vocab = {token: id_ for id_, token in enumerate(spelled)}
    if len(vocab) != len(kinds):
        raise ValueError("tokens that are there twice, or kinds of another number of tokens")
    merged = [
        token
        for token, kind in zip(spelled, kinds, strict=True)
        if kind == _NORMAL or (kind == _USER_DEFINED and set(token) == {_MARK})
    ]
    spec = {
        "version": "1.0",
        "added_tokens": list(_added(spelled, kinds)),
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": _MARK},
        "decoder": _DECODER,
        "model": {
            "type": "BPE",
            "unk_token": spelled[unknown],
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocab,
            "merges": _merges(merged, where),
        },
    }
    return json.dumps(spec, ensure_ascii=False)


_DECODER = {
    "type": "Sequence",
    "decoders": [
        {"type": "Replace", "pattern": {"String": _MARK}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ],
}


def _added(tokens: list[str], kinds: list[int]) -> Iterator[dict[str, Any]]:
    """Yield tokens of control, and those that are found in a text before anything is merged."""
    how = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    for id_, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
        is_found = kind == _USER_DEFINED and set(token) != {_MARK}
        if is_found or kind == _CONTROL:
            yield {"id": id_, "content": token, "special": kind == _CONTROL, **how}


def _merges(merged: list[str], where: str) -> list[tuple[str, str]]:
    """Return the cuts of all tokens, or refuse tokens beyond belief."""
    longest = max(map(len, merged), default=0)
    if longest > MOST_CHARS:
        raise _beyond_belief(where, f"a token of more characters ({longest:,})", MOST_CHARS)
    found = list(islice(_cuts(merged), MOST_MERGES + 1))
    if len(found) > MOST_MERGES:
        raise _beyond_belief(where, "tokens to be merged in more ways", MOST_MERGES)
    return found


def _beyond_belief(where: str, what: str, most: int) -> ModelUnsupportedError:
    return ModelUnsupportedError(
        f"{where} has {what} than the {most:,} that are believed: "
        "give the folder of the model that it was made from"
    )


def _cuts(merged: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the cuts of token after token, those with the longest beginning first."""
    known = set(merged)
    for token in merged:
        for at in range(len(token) - 1, 0, -1):
            left, right = token[:at], token[at:]
            if left in known and right in known:
                yield left, right
