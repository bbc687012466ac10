"""FORMAT.md, *Messages*: bare codes, for who has the profile and its model."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

from decoder.cutting import Cutter
from decoder.forward import Array
from decoder.lm import Learning, Window
from decoder.model import Model
from decoder.wire import RefusedError, require, xxh3

STORED = b"\xff"
MOST_TOKENS = 1000
WINDOW, CARRY = 2048, 1024


class MessageEnd(Exception):  # noqa: N818 - no error
    """The message's codeword has been reached."""


class Path:
    """The interval [low, low + width) / whole of what is decoded so far, and who has which code."""

    def __init__(self, code: bytes) -> None:
        self.code, self.tokens, self.taken = code, list[int](), set[bytes]()
        self.low, self.width, self.whole = 0, 255, 256

    def pick(self, _chunk: int, freq: Array) -> int:
        """The next token; ends where the message has taken the code."""
        if self.take() == self.code:
            raise MessageEnd
        require(len(self.tokens) < MOST_TOKENS, "no message")
        total = int(freq.sum())
        beyond = int.from_bytes(self.code) * self.whole - (self.low << 8 * len(self.code))
        target = beyond * total // (self.width << 8 * len(self.code))
        ends = freq.cumsum()
        token = int((ends <= target).sum())
        below, own = int(ends[token] - freq[token]), int(freq[token])
        self.low, self.width = self.low * total + self.width * below, self.width * own
        self.whole *= total
        self.tokens.append(token)
        return token

    def take(self) -> bytes:
        """The first codeword within the interval that no beginning has."""
        n = 0
        while True:
            first = -(-(self.low << 8 * n) // self.whole)
            while first * self.whole < self.low + self.width << 8 * n:
                code = first.to_bytes(n)
                if code not in self.taken:
                    self.taken.add(code)
                    return code
                first += 1
            n += 1


def decode_message(code: bytes, profile: str, model: Model) -> bytes:
    """The message of a code. Raises RefusedError."""
    told = json.loads(profile)
    dictionary, n_check = base64.b64decode(told["dictionary"]), int(told["check"])
    name = sha256(
        b"llmzip profile 1\0" + model.fingerprint + bytes([n_check]) + sha256(dictionary).digest()
    ).digest()[:4]
    require(name.hex() == told["id"], "a profile of another model, or changed")
    require(len(code) >= n_check, "cut off")
    body, check = code[: len(code) - n_check], code[len(code) - n_check :]
    text = body[1:] if body.startswith(STORED) else coded(body, dictionary, model)
    digest = xxh3(name + text)
    require(check == digest[len(digest) - n_check :], "damaged, or of another profile")
    return text


def coded(code: bytes, dictionary: bytes, model: Model) -> bytes:
    """The text of a codeword."""
    size = min(WINDOW, model.network.shape.n_positions)
    learning = Learning(model.network, Window(size, min(CARRY, size // 2), model.bos))
    if dictionary:
        learning.know(Cutter(model.tokens).cut(dictionary))
    path = Path(code)
    try:
        learning.wave([MOST_TOKENS + 1], path.pick)
    except MessageEnd:
        return model.tokens.spell(path.tokens)
    raise RefusedError("no message")
