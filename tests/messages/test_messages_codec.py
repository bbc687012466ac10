"""`MessageCodec` as programs use it: what it takes, what it refuses, threads, what is wrong."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import llmzip
from llmzip import MessageCodec

TEXTS = [b"", b"the Work", b"\0", b"\xff", "Grüße".encode(), b"You may reproduce copies\r\n", b"a"]


@pytest.fixture(scope="module")
def codec(tiny_gpt2_folder: Path) -> Iterator[MessageCodec]:
    with MessageCodec(llmzip.make_profile(str(tiny_gpt2_folder), n_check_bytes=2)) as made:
        yield made


def test_many_are_as_each_alone(codec: MessageCodec) -> None:
    many = TEXTS * 6  # more than are coded side by side
    codes = list(codec.encode_many(many))
    assert codes == [codec.encode(text) for text in TEXTS] * 6
    assert list(codec.decode_many(codes)) == many


def test_whatever_holds_bytes_or_text(codec: MessageCodec) -> None:
    code = codec.encode("Grüße")
    assert codec.encode(bytearray("Grüße".encode())) == codec.encode(
        memoryview(b"Gr\xc3\xbc\xc3\x9fe")
    )
    assert codec.decode(memoryview(code)) == codec.decode(bytearray(code)) == "Grüße".encode()
    assert codec.decode(codec.encode("\udcff\ud800")) == "\udcff\ud800".encode(
        errors="surrogatepass"
    )


@pytest.mark.parametrize("wrong", [5, None, ["a"], 1.5])
def test_nothing_else(codec: MessageCodec, wrong: Any) -> None:
    for call in (codec.encode, codec.decode, codec.bits):
        with pytest.raises(TypeError, match="bytes-like"):
            call(wrong)
    with pytest.raises(TypeError):
        codec.decode("a code is no text")  # type: ignore[arg-type]


def test_threads_may_share_it(codec: MessageCodec) -> None:
    def there_and_back(text: bytes) -> bytes:
        return codec.decode(codec.encode(text))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(there_and_back, TEXTS * 4)) == TEXTS * 4


def test_of_many_those_before_a_wrong_one_are_had(codec: MessageCodec) -> None:
    codes = list(codec.encode_many(TEXTS))
    answers = codec.decode_many([*codes[:3], codes[3][:-1], *codes[4:]])
    assert [next(answers) for _ in range(3)] == TEXTS[:3]
    with pytest.raises(llmzip.CorruptError, match=codec.profile.id.hex()) as error:
        next(answers)
    assert error.value.__notes__ == ["message 3, the first being 0"]


def test_surprise(codec: MessageCodec) -> None:
    assert codec.bits(b"") == 0.0
    text = b"You may reproduce and distribute copies of the Work"
    assert -8 < 8 * (len(codec.encode(text)) - 2) - codec.bits(text) < 16
    with pytest.raises(llmzip.UsageError, match="1,000 tokens"):
        codec.bits(b"the cat " * 10_000)


def test_a_long_message_is_stored_at_once(codec: MessageCodec) -> None:
    for text in (b"a" * 300_000, bytes(300_000), "ä".encode() * 100_000):
        code = codec.encode(text)
        assert len(code) == len(text) + 3
        assert codec.decode(code) == text


def test_it_can_be_pickled_and_closed(codec: MessageCodec) -> None:
    code = codec.encode(b"the Work")
    with pickle.loads(pickle.dumps(codec)) as other:
        assert other.decode(code) == b"the Work"
    codec.close()
    assert codec.decode(code) == b"the Work"


def test_what_a_profile_cannot_be() -> None:
    with pytest.raises(llmzip.UsageError, match="0 to 2"):
        llmzip.make_profile(n_check_bytes=3)
    with pytest.raises(llmzip.UsageError, match="dictionary"):
        llmzip.make_profile(dictionary=bytes((1 << 24) + 1))
