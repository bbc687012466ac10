"""Small models that messages are exchanged by: those of the golden files."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / "golden")]

from golden_models import GoldenModel, golden_model
from golden_texts import load_text

from llmzip.messages.exchange import Exchange
from llmzip.messages.options import MESSAGE_OPTIONS
from llmzip.messages.profile import Profile

DICTIONARY = b"the cat sat on a mat. the dog sat on a log, and the cat ate a fig.\n" * 3
TEXTS = (
    b"",
    b"a",
    b"the cat ate the dog.",
    b"the dog sat on a mat, and the cat sat on a log.\n",
    "Grüße von über all".encode(),
    bytes(range(40)),
    b"\xff\xfe",
)


def texts_of(name: str) -> list[bytes]:
    """Return messages, some of them such as the model by that name writes itself."""
    own = load_text(name)
    return [*TEXTS, own[:30], own[:200]]


def profile_of(
    model: GoldenModel, *, has_dictionary: bool = False, n_check_bytes: int = 0
) -> Profile:
    """Return a profile of a model."""
    dictionary = DICTIONARY if has_dictionary else b""
    ref = model.ref
    return Profile(ref.name, ref.source, ref.fingerprint, dictionary, n_check_bytes)


@cache
def exchange(
    name: str,
    *,
    has_dictionary: bool = False,
    n_check_bytes: int = 0,
    way: str | None = None,
) -> Exchange:
    """Return what encodes and decodes by the golden model of that name."""
    model = golden_model(name)
    profile = profile_of(model, has_dictionary=has_dictionary, n_check_bytes=n_check_bytes)
    opened = model.opened(MESSAGE_OPTIONS, way, profile.dictionary or None)
    return Exchange(profile, lambda: opened)
