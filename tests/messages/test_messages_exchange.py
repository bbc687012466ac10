"""Messages by real models: any bytes, in any company, on every way, to the golden codes."""

from __future__ import annotations

import json

import pytest
from golden_messages import CASES, GOLDEN, codes
from golden_models import golden_model
from hypothesis import given, settings
from hypothesis import strategies as st
from message_models import DICTIONARY, exchange, profile_of, texts_of

from decoder.forward import Network, Shape
from decoder.message import decode_message
from decoder.model import Model
from decoder.tokens import Tokens
from decoder.wire import RefusedError
from llmzip.errors import CorruptError
from llmzip.exact.cpu.ways import Way
from ways import every_way

PINNED: dict[str, list[str]] = json.loads(GOLDEN.read_text(encoding="ascii"))


@pytest.mark.parametrize("case", CASES)
def test_golden_codes(case: str) -> None:
    assert codes(case) == PINNED[case]
    name, known, n_check = CASES[case]
    made = exchange(name, has_dictionary=known, n_check_bytes=n_check)
    assert made.decoded([bytes.fromhex(code) for code in PINNED[case]]) == texts_of(name)


@every_way
def test_golden_codes_on_every_way(way: Way) -> None:
    case = "llama-wide, dictionary"
    assert codes(case, way) == PINNED[case]


@settings(max_examples=25)
@given(st.one_of(st.binary(max_size=50), st.text(max_size=50).map(str.encode)))
def test_any_bytes_come_back_and_take_a_byte_more_at_most(text: bytes) -> None:
    made = exchange("llama")
    (code,) = made.encoded([text])
    assert len(code) <= len(text) + 1
    assert made.decoded([code]) == [text]


@settings(max_examples=25)
@given(st.binary(max_size=5))
def test_any_code_is_refused_or_means_one_message(code: bytes) -> None:
    made = exchange("gpt2")
    (text,) = made.decoded([code])
    if isinstance(text, CorruptError):
        return
    (again,) = made.encoded([text])  # another code, where the text has other tokens than these
    assert made.decoded([again]) == [text]


@pytest.mark.parametrize("known", [False, True])
def test_company_changes_no_byte(known: bool) -> None:
    made = exchange("llama", has_dictionary=known)
    texts = texts_of("llama")
    alone = [made.encoded([text])[0] for text in texts]
    assert made.encoded(texts) == alone
    assert [made.decoded([code])[0] for code in alone] == made.decoded(alone) == texts


def test_a_dictionary_helps() -> None:
    text = DICTIONARY[:60]
    plain, with_it = (exchange("gpt2", has_dictionary=known) for known in (False, True))
    assert len(with_it.encoded([text])[0]) < len(plain.encoded([text])[0]) // 3


def test_a_check_tells_damage_and_other_profiles() -> None:
    made = exchange("gpt2", has_dictionary=True, n_check_bytes=2)
    other = exchange("gpt2", n_check_bytes=2)
    codes_of = made.encoded(texts_of("gpt2"))
    for code in codes_of:
        bent = bytes([*code[:-3], code[-3] ^ 1, *code[-2:]]) if len(code) > 2 else code[:1]
        for answer in (*made.decoded([bent]), *other.decoded([code])):
            assert isinstance(answer, CorruptError)
            assert "profile" in str(answer) or "cut off" in str(answer)
    good, bad = codes_of[2], codes_of[3][:-1]  # one that is wrong leaves the others alone
    assert made.decoded([good, bad, good])[::2] == made.decoded([good, good])


def test_a_long_message_is_stored() -> None:
    made = exchange("gpt2")
    text = b"the cat " * 3_000
    assert made.encoded([text]) == [b"\xff" + text]


class GoldenDocumentModel(Model):
    """A golden model as the documents' decoder opens one."""

    def __init__(self, name: str) -> None:
        model = golden_model(name)
        self.tokens, self.bos = Tokens(model.tokenizer_json), 0
        shape, tensors = Shape(**vars(model.model.shape)), dict(model.model.named_tensors())
        self.network, self.fingerprint = Network(shape, tensors), model.ref.fingerprint


@pytest.mark.parametrize("case", ["gpt2", "llama, dictionary, check"])
def test_the_document_decodes_them(case: str) -> None:
    name, known, n_check = CASES[case]
    profile = profile_of(golden_model(name), has_dictionary=known, n_check_bytes=n_check)
    model = GoldenDocumentModel(name)
    for code, text in zip(PINNED[case], texts_of(name), strict=True):
        assert decode_message(bytes.fromhex(code), profile.to_json(), model) == text


@settings(max_examples=15)
@given(st.binary(max_size=4))
def test_the_document_makes_the_same_of_any_code(code: bytes) -> None:
    profile = profile_of(golden_model("gpt2"), has_dictionary=False)
    (text,) = exchange("gpt2").decoded([code])
    try:
        told = decode_message(code, profile.to_json(), GoldenDocumentModel("gpt2"))
    except RefusedError:
        assert isinstance(text, CorruptError)
        return
    assert text == told
