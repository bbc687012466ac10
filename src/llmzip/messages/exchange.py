"""Messages to codes and back with an open model: what is coded, what is stored, what checks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from llmzip.errors import CorruptError
from llmzip.messages.coding import (
    MOST_TOKENS,
    STORED,
    codeword_of,
    is_codeword_of_nothing,
    tokens_of,
)
from llmzip.messages.profile import Profile

if TYPE_CHECKING:
    from llmzip.predict import OpenedPredictor
    from llmzip.predict.protocol import Intervals
    from llmzip.tokens import ByteTokenizer


class Exchange:
    """Encodes and decodes. open_model: called when a model is needed for the first time."""

    def __init__(self, profile: Profile, open_model: Callable[[], OpenedPredictor]) -> None:
        self._profile, self._open = profile, open_model

    def encoded(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return the codes of messages, which are coded side by side."""
        return [
            _shortest(text, intervals) + self._check(text)
            for text, intervals in zip(texts, self.intervals(texts), strict=True)
        ]

    def decoded(self, codes: Sequence[bytes]) -> list[bytes | CorruptError]:
        """Return the messages of codes, decoded side by side, or what is wrong with each."""
        n_check = self._profile.n_check_bytes
        bodies = [code[: max(0, len(code) - n_check)] for code in codes]
        coded = [body for body in bodies if not _needs_no_model(body)]
        spelled = iter(self._spelled(coded))
        texts = [body[1:] if _needs_no_model(body) else next(spelled) for body in bodies]
        return [self._checked(code, text) for code, text in zip(codes, texts, strict=True)]

    def intervals(self, texts: Sequence[bytes]) -> list[Intervals | None]:
        """Return the intervals of each message's tokens; None: of an empty one, or a long one."""
        found: list[Intervals | None] = [None] * len(texts)
        if not any(texts):
            return found
        opened = self._open()
        most = MOST_TOKENS * int(opened.tokenizer.table.lengths.max())
        tokens = [opened.tokenizer.encode(text if len(text) <= most else b"") for text in texts]
        wanted = [i for i, ids in enumerate(tokens) if 0 < len(ids) <= MOST_TOKENS]
        waves = [(opened.predictor.group(), [tokens[i]]) for i in wanted]
        if waves:
            made = waves[0][0].encode(waves, lambda _: None)
            for i, (intervals,) in zip(wanted, made, strict=True):
                found[i] = intervals
        return found

    def _spelled(self, codewords: Sequence[bytes]) -> list[bytes | None]:
        """Return what codewords decode to, each in a lane and a group of its own; None: nothing."""
        if not codewords:
            return []
        opened = self._open()
        groups = [opened.predictor.group() for _ in codewords]
        lanes = groups[0].shared_lanes(len(codewords), MOST_TOKENS)
        for lane, group in enumerate(groups):
            lanes.begin(group, [lane], [MOST_TOKENS])
            lanes.open(lane)
        tokens = tokens_of(codewords, lanes)
        return [None if ids is None else _spelling(opened.tokenizer, ids) for ids in tokens]

    def _checked(self, code: bytes, text: bytes | None) -> bytes | CorruptError:
        """Return a code's message, if it can be that."""
        profile = self._profile
        if len(code) < profile.n_check_bytes:
            what = "the message is cut off: it is shorter than its check"
        elif text is None or not code.endswith(self._check(text)):
            what = "the message is damaged, or of another profile"
        else:
            return text
        return CorruptError(f"{what} (this one is {profile.id.hex()})")

    def _check(self, text: bytes) -> bytes:
        """Return the bytes that tell a damaged message, or one of another profile."""
        digest = xxhash.xxh3_64_digest(self._profile.id + text)
        return digest[len(digest) - self._profile.n_check_bytes :]


def _needs_no_model(body: bytes) -> bool:
    """Say whether what follows a first byte, if there is one, is the message itself."""
    return body.startswith(STORED) or is_codeword_of_nothing(body)


def _spelling(tokenizer: ByteTokenizer, ids: list[int]) -> bytes | None:
    """Return the bytes of tokens; None for those that no encoder writes: special ones, and such."""
    try:
        return tokenizer.decode(np.array(ids, dtype=np.int32))
    except CorruptError:
        return None


def _shortest(text: bytes, intervals: Intervals | None) -> bytes:
    """Return a message's codeword, or its own bytes after STORED where that is no longer."""
    stored = STORED + text
    if text and intervals is None:
        return stored
    coded = codeword_of(intervals)
    return coded if len(coded) < len(stored) else stored
