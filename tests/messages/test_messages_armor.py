"""Codes as text: every armor brings any bytes back, forgives whitespace, and says what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmzip.errors import CorruptError
from llmzip.messages.armor import ARMORS, armored, disarmed

every_armor = pytest.mark.parametrize("name", ARMORS)


@every_armor
@given(code=st.binary(max_size=60))
def test_any_bytes_come_back(name: str, code: bytes) -> None:
    text = ARMORS[name].encode(code)
    assert disarmed(text, name) == code
    assert disarmed(f"\r\n{text}\n", name) == code


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("base45", b"AB", "BB8"),  # RFC 9285, section 4.3
        ("base45", b"Hello!!", "%69 VD92EX0"),
        ("base45", b"base-45", "UJCLQE7W581"),
        ("base64url", b"\xfb\xff", "-_8"),
        ("ascii85", b"Man ", "9jqo^"),
        ("base91", b"test\n", "fPNKd*A"[:7]),
    ],
)
def test_examples_of_the_standards(name: str, code: bytes, text: str) -> None:
    if name == "base91":  # which has none: at least its length is what it should be
        assert len(armored(code, name)) == len(text)
        return
    assert armored(code, name) == text


@pytest.mark.parametrize("name", ["base64url", "base91", "ascii85"])
def test_spaces_and_line_ends_within_are_forgiven(name: str) -> None:
    code = bytes(range(200))
    text = armored(code, name)
    broken = "\n".join(text[at : at + 20] for at in range(0, len(text), 20))
    assert disarmed(f"  {broken} ", name) == code


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("base64url", "abc!", "'!', character 4"),
        ("base64url", "abcde", "missing"),
        ("base45", "ab", "'a', character 1"),
        ("base45", ":::", "from character 1"),
        ("base45", "BB8A", "from character 4"),
        ("base91", "a'b", "character 2"),
        ("ascii85", "~~~", "ascii85"),
        ("qr", "x", "character 1"),
    ],
)
def test_what_is_wrong_is_said(name: str, text: str, words: str) -> None:
    with pytest.raises(CorruptError, match=words) as error:
        disarmed(text, name)
    assert "\n" not in str(error.value)


def test_a_qr_code_is_drawn() -> None:
    pytest.importorskip("segno")
    rows = armored(b"a code", "qr").splitlines()
    assert len(rows) > 10
    assert len({len(row) for row in rows}) == 1
