"""What encodings make of text is pinned; and whatever bytes are, they come back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_texts import CODECS, TEXTS, written
from llmzip.container import Kind
from llmzip.encodings import ENCODINGS
from llmzip.encodings.multibyte import MultiByte
from llmzip.errors import UnsupportedError

SEVERAL = [one for one in ENCODINGS.values() if isinstance(one, MultiByte)]
SINGLE = ["WINDOWS-1252", "WINDOWS-1251", "KOI8-R"]
names = st.sampled_from(sorted(ENCODINGS))
odd_text = st.text(
    st.sampled_from("a\n\r\0é€жЖ、のア雾霧강\ufeff\U0001f600\U0010ffff"), max_size=20
)


def back(name: str, data: bytes) -> bytes:
    spans = ENCODINGS[name].spans(data)
    return b"".join(ENCODINGS[name].encode(s) if isinstance(s, str) else s for s in spans)


def test_every_encoding_has_a_kind() -> None:
    of_kinds = {kind.encoding for kind in Kind if kind.encoding is not None}
    assert of_kinds == set(ENCODINGS) == set(TEXTS)
    assert all(Kind.of_encoding(name).encoding == name for name in ENCODINGS)


@pytest.mark.parametrize("name", sorted(ENCODINGS))
def test_text_is_written_as_everybody_writes_it(name: str) -> None:
    assert ENCODINGS[name].encode(TEXTS[name]) == written(name)
    spans = ENCODINGS[name].spans(written(name))
    assert [span for span in spans if span] == [TEXTS[name]]


@given(names, st.binary(max_size=60) | odd_text.map(lambda text: text.encode("utf-16-le")))
def test_any_bytes_come_back(name: str, data: bytes) -> None:
    assert back(name, data) == data


@given(names, odd_text, st.binary(max_size=3), odd_text)
def test_broken_sequences_in_a_text_come_back(
    name: str, before: str, broken: bytes, after: str
) -> None:
    parts = [text.encode(CODECS[name], "ignore") for text in (before, after)]
    assert back(name, broken.join(parts)) == broken.join(parts)


@pytest.mark.parametrize("name", SINGLE)
def test_single_bytes_are_all_characters_and_agree_with_python(name: str) -> None:
    all_bytes = bytes(range(256))
    (text,) = ENCODINGS[name].spans(all_bytes)
    assert isinstance(text, str)
    defined = all_bytes.decode(CODECS[name], "replace")
    assert all(a in (b, chr(i)) for i, (a, b) in enumerate(zip(text, defined, strict=True)))
    assert ENCODINGS[name].encode(text) == all_bytes


@pytest.mark.parametrize("encoding", SEVERAL, ids=lambda one: one.name)
def test_pythons_tables_are_those_that_files_mean(encoding: MultiByte) -> None:
    assert encoding.is_known


def test_another_table_is_refused_in_a_line() -> None:
    other = replace(SEVERAL[0], digest="0" * 64)
    with pytest.raises(UnsupportedError, match=r"^the table of SHIFT-JIS .* another release"):
        other.encode("a")


def test_characters_beyond_the_tables_are_counted_in_gb18030_and_lacking_elsewhere() -> None:
    for m in (0, 9, 10, 1259, 1260, 12599, 12600, 0x98FFF, 0xFFFFF):
        counted = [0x90 + m // 12600, 0x30 + m // 1260 % 10, 0x81 + m // 10 % 126, 0x30 + m % 10]
        assert ENCODINGS["GB18030"].encode(chr(0x10000 + m)) == bytes(counted)
        for other in SEVERAL:
            if other.name != "GB18030":
                with pytest.raises(UnicodeEncodeError):
                    other.encode(chr(0x10000 + m))


def test_characters_that_are_written_in_an_unusual_way_are_no_text() -> None:
    both = [b"\x81\xe0", b"\x87\x90"]
    assert [one.decode("cp932") for one in both] == ["\u2252"] * 2
    (unusual,) = (one for one in both if one != "\u2252".encode("cp932"))
    spans = ENCODINGS["SHIFT-JIS"].spans(b"a\n" + unusual + b"b")
    assert list(spans) == ["a\n", unusual, "b"]


@pytest.mark.parametrize("name", ["UTF-16LE", "WINDOWS-1252", "KOI8-R", "EUC-JP", "BIG5"])
def test_characters_that_an_encoding_lacks_are_an_error(name: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        ENCODINGS[name].encode("\ud800" if name == "UTF-16LE" else "a\U0001f600")


@pytest.mark.parametrize("encoding", SEVERAL, ids=lambda encoding: encoding.name)
def test_a_long_line_is_text_around_what_is_none(encoding: MultiByte) -> None:
    """However its characters lie in what is read at once."""
    text = TEXTS[encoding.name].replace("\n", "") * 40
    for shift in range(4):
        one = encoding.encode("a" * shift + text)
        spans = list(encoding.spans(one + b"\x81 " + one))  # a space ends no character
        assert [span for span in spans if isinstance(span, bytes)] == [b"\x81"]
        texts = "".join(span for span in spans if isinstance(span, str))
        assert texts == f"{'a' * shift}{text} {'a' * shift}{text}"
