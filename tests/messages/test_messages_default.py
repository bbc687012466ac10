"""Messages by the default model, as people send them without a profile."""

from __future__ import annotations

import pytest
from golden_default import TEXTS, pinned

import llmzip


@pytest.fixture(scope="module")
def profile(prepared_default_model: str) -> llmzip.Profile:
    return llmzip.make_profile(prepared_default_model)


def test_golden_messages(profile: llmzip.Profile) -> None:
    """Of a new default model there are none yet: tests/messages/golden_default.py --write."""
    codes = {
        text: bytes.fromhex(code) for text, code in pinned()[profile.id.hex()]["codes"].items()
    }
    assert profile.dictionary == b"Hi!\nOK.\n"
    with llmzip.MessageCodec(profile) as codec:
        assert dict(zip(TEXTS, codec.encode_many(TEXTS), strict=True)) == codes
        assert [text.decode() for text in codec.decode_many(codes.values())] == list(TEXTS)


def test_what_stands_before_pays(profile: llmzip.Profile) -> None:
    """Beside messages that are seen as beginnings of documents."""
    bare = llmzip.make_profile(profile.model, dictionary=b"")
    with llmzip.MessageCodec(profile) as codec, llmzip.MessageCodec(bare) as other:
        n_bits, n_bits_bare = (sum(map(one.bits, TEXTS)) for one in (codec, other))
    assert n_bits < 0.97 * n_bits_bare
