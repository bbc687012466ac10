"""Codes as text: every armor brings any bytes back, forgives whitespace, and says what is wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmzip.errors import CorruptError, UsageError
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
        # basE91 has no standard; this is what the package base91 1.0.1 writes, after its author's C
        ("base91", b"test\n", "fPNKgHA"),
        ("base91", b"Hello, world!", '>OwJh>}A"=r@@Y?F'),
        ("base91", bytes(range(20)), ":C#(:C?hVB$MSiVEwndBAMZRB"),
    ],
)
def test_examples_of_the_standards(name: str, code: bytes, text: str) -> None:
    assert armored(code, name) == text


@pytest.mark.parametrize("name", ["base45", "qr"])
def test_line_ends_within_base45_are_forgiven_and_spaces_at_its_end(name: str) -> None:
    code = bytes(range(200))
    text = ARMORS[name].encode(code)
    assert " " in text
    broken = "\r\n".join(text[at : at + 20] for at in range(0, len(text), 20))
    assert disarmed(f"\t{broken}  \n", name) == code


def test_no_code_in_base45_ends_with_a_space() -> None:
    last = [
        ARMORS["base45"].encode(number.to_bytes(n))[-1] for n in (1, 2) for number in range(256**n)
    ]
    assert " " not in last


@every_armor
@given(text=st.text(st.characters(codec="ascii"), max_size=20))
def test_what_is_read_is_how_it_is_written(name: str, text: str) -> None:
    try:
        code = disarmed(text, name)
    except CorruptError:
        return
    written, read = (one.replace("!!!!!", "z") for one in (ARMORS[name].encode(code), text))
    same = {"+": "-", "/": "_"} if name == "base64url" else {}
    read = "".join(same.get(char, char) for char in read if not char.isspace() or char == " ")
    if " " not in written:
        read = read.replace(" ", "")
    assert written == (read.rstrip("=") if name == "base64url" else read.rstrip())


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
        ("base64url", "ab_", "from character 3 on"),  # bits that no byte has
        ("base91", "fPNKd*", "from character"),
        ("ascii85", "~~~", "'~', character 1"),
        ("ascii85", "9jqo^ 9jzo^", "'9jzo^', from character 6"),
        ("ascii85", "9jqo^!", "'!', from character 6"),
        ("ascii85", "9jqo^uuuuu", "'uuuuu', from character 6"),
        ("ascii85", "!uu", "'!uu', from character 1"),
        ("qr", "x", "character 1"),
    ],
)
def test_what_is_wrong_is_said(name: str, text: str, words: str) -> None:
    with pytest.raises(CorruptError, match=re.escape(words)) as error:
        disarmed(text, name)
    assert "\n" not in str(error.value)


def test_a_qr_code_is_drawn() -> None:
    pytest.importorskip("segno")
    rows = armored(b"a code", "qr").splitlines()
    assert len(rows) > 10
    assert len({len(row) for row in rows}) == 1
    with pytest.raises(UsageError, match="too long for a QR code"):
        armored(b"\xff" * 3_000, "qr")
