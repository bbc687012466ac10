"""Profiles: what both sides share, as a file, and the four bytes that stand for it."""

from __future__ import annotations

import base64
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
        {"llmzip profile": 1.0},
        {"llmzip profile": True},
        {"llmzip profile": "1"},
        {"model": "a" * 256},
        {"source": None},
        {"source": "hub:\ud800"},
        {"check": -1},
        {"check": "1"},
        {"dictionary": ["YQ=="]},
        {"dictionary": base64.b64encode(bytes((1 << 24) + 1)).decode()},
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


def test_what_it_says_beside_is_passed_over() -> None:
    """What decides anything comes with another version."""
    told = json.loads(PROFILE.to_json()) | {"comment": "the team's"}
    assert Profile.from_json(json.dumps(told)) == PROFILE


def test_every_piece_of_it_is_needed() -> None:
    told = json.loads(PROFILE.to_json())
    for key in told:
        with pytest.raises(DictionaryError, match="no profile"):
            Profile.from_json(json.dumps({name: told[name] for name in told if name != key}))


NO_PROFILES = ["", "[]", "{}", "1", "null", '{"llmzip profile": 1}', "[" * 100_000, b"\xff"]


@pytest.mark.parametrize("text", [*NO_PROFILES, '{"llmzip profile": ' + "9" * 5_000 + "}"])
def test_what_is_no_profile_is_refused(text: str | bytes) -> None:
    with pytest.raises(DictionaryError):
        Profile.from_json(text)
