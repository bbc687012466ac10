"""Profiles: what both sides share, as a file, and the four bytes that stand for it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from llmzip.errors import DictionaryError
from llmzip.messages.profile import Profile

PROFILE = Profile("gpt2", "hub:x/y", b"\1\2\3\4\5\6", b"a text\n", 1)


def test_it_comes_back_from_its_file() -> None:
    assert Profile.from_json(PROFILE.to_json()) == PROFILE


def test_its_id_is_that_of_what_decides() -> None:
    assert replace(PROFILE, model="other", source="local").id == PROFILE.id
    others = [
        replace(PROFILE, fingerprint=b"\1\2\3\4\5\7"),
        replace(PROFILE, dictionary=b"a text"),
        replace(PROFILE, n_check_bytes=2),
    ]
    assert len({PROFILE.id, *(other.id for other in others)}) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"llmzip profile": 2},
        {"check": 1.0},
        {"check": 3},
        {"check": True},
        {"model": "a\nb"},
        {"model": None},
        {"fingerprint": "01"},
        {"fingerprint": "zz"},
        {"dictionary": "?"},
        {"dictionary": "YQ=="},
        {"id": "00000000"},
    ],
)
def test_a_changed_one_is_refused(change: dict[str, Any]) -> None:
    text = json.dumps(json.loads(PROFILE.to_json()) | change)
    with pytest.raises(DictionaryError, match="no profile") as error:
        Profile.from_json(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "1", "[" * 100_000, b"\xff"])
def test_what_is_no_profile_is_refused(text: str | bytes) -> None:
    with pytest.raises(DictionaryError):
        Profile.from_json(text)
