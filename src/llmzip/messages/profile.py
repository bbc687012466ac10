"""What both sides of a message share: a small file in JSON, and four bytes that stand for it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from llmzip.container import ModelRef
from llmzip.container.limits import MAX_DICTIONARY_BYTES
from llmzip.errors import DictionaryError, FormatError

VERSION = 1
BEGINNING = b"Hi!\nOK.\n"
"""What messages are taken to follow where nobody says what they are like. Nothing would say to a
model that a document begins, which few messages look like: 5 % more (docs/FIGURES.md, *Messages*).
"""
MOST_CHECK_BYTES = 2
MOST_FILE_BYTES = 2 * MAX_DICTIONARY_BYTES


@dataclass(frozen=True)
class Profile:
    """A profile.

    model, source: where to look for the model; fingerprint (6 bytes) decides.
    dictionary: a text that every message is taken to follow; may be empty.
    n_check_bytes: at the end of each message, 0 to MOST_CHECK_BYTES.
    """

    model: str
    source: str
    fingerprint: bytes
    dictionary: bytes = b""
    n_check_bytes: int = 0

    @property
    def id(self) -> bytes:
        """Four bytes that two sides can compare; names do not count."""
        state = sha256(b"llmzip profile %d\0" % VERSION + self.fingerprint)
        state.update(bytes([self.n_check_bytes]))
        state.update(sha256(self.dictionary).digest())
        return state.digest()[:4]

    def to_json(self) -> str:
        """Return what a profile's file holds."""
        told = {
            "llmzip profile": VERSION,
            "id": self.id.hex(),
            "model": self.model,
            "source": self.source,
            "fingerprint": self.fingerprint.hex(),
            "check": self.n_check_bytes,
            "dictionary": base64.b64encode(self.dictionary).decode("ascii"),
        }
        return json.dumps(told, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Profile:
        """Read a profile's file. Raises DictionaryError if it is none, or was changed."""
        try:
            told = json.loads(text)
            if type(told) is not dict or type(told.get("llmzip profile")) is not int:
                raise TypeError("it does not say that it is one")
            if told["llmzip profile"] != VERSION:
                raise ValueError(f"version {told['llmzip profile']}, of another release")
            profile = _read(told)
            if told["id"] != profile.id.hex():
                raise ValueError("it has been changed")
            return profile
        except KeyError as exc:
            raise DictionaryError(f"this is no profile that can be used (without {exc})") from exc
        except (ValueError, TypeError, RecursionError, FormatError) as exc:
            raise DictionaryError(f"this is no profile that can be used ({exc})") from exc


def _read(told: dict[str, Any]) -> Profile:
    texts = [told[key] for key in ("model", "source", "fingerprint", "dictionary")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a field of another type")
    dictionary = base64.b64decode(told["dictionary"], validate=True)
    if len(dictionary) > MAX_DICTIONARY_BYTES:
        raise ValueError(f"a dictionary of {len(dictionary):,} bytes")
    fingerprint = bytes.fromhex(told["fingerprint"])
    n_check_bytes = told["check"]
    ModelRef(told["model"], told["source"], fingerprint)
    if not told["model"]:
        raise ValueError("a model without a name")
    if type(n_check_bytes) is not int or not 0 <= n_check_bytes <= MOST_CHECK_BYTES:
        raise ValueError("a check of another number of bytes")
    return Profile(
        model=told["model"],
        source=told["source"],
        fingerprint=fingerprint,
        dictionary=dictionary,
        n_check_bytes=n_check_bytes,
    )
