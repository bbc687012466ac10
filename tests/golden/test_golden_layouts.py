"""Golden files of layouts: read by every reader, written as ever, and the bad ones refused."""

from __future__ import annotations

import io

import pytest
from golden_layouts import CASES, FILES, Case, pinned

from decoder import RefusedError, decode
from llmzip.codec import decode_stream
from llmzip.codec.access import GroupAccess
from llmzip.codec.model import OpenedModel
from llmzip.codec.push import PushDecoder
from llmzip.container import ModelRef, Options
from llmzip.errors import FormatError, PatchError

GOOD = [name for name, case in CASES.items() if case.text is not None]
BAD = [name for name, case in CASES.items() if case.text is None]


def no_model(ref: ModelRef | None, options: Options) -> OpenedModel:
    raise AssertionError("no model is needed")


def reference_of(case: Case) -> io.BytesIO | None:
    return None if case.reference is None else io.BytesIO(case.reference)


def streamed(name: str) -> bytes:
    sink = io.BytesIO()
    source = io.BytesIO(pinned(name))
    decode_stream(source, sink, no_model, reference=reference_of(CASES[name]))
    return sink.getvalue()


def pushed(name: str) -> bytes:
    """The text of a file that comes byte by byte."""
    text, left = b"", pinned(name)
    while left:
        decoder = PushDecoder(no_model, reference=reference_of(CASES[name]))
        for at in range(len(left)):
            decoder.feed(left[at : at + 1])
            while (piece := decoder.next_piece()) is not None:
                text += piece
            if decoder.ended:
                break
        assert decoder.ended
        left = left[at + 1 :]
    return text


def picked(name: str) -> bytes:
    """The text, group by group from the last on."""
    source = io.BytesIO(pinned(name))
    access = GroupAccess(source, no_model, reference=reference_of(CASES[name]))
    groups = [b"".join(access.pieces(number)) for number in reversed(range(access.n_groups))]
    return b"".join(reversed(groups))


@pytest.mark.parametrize("name", GOOD)
def test_every_reader_gives_the_text(name: str) -> None:
    case = CASES[name]
    assert streamed(name) == case.text
    assert pushed(name) == case.text
    assert picked(name) == case.text
    assert decode(pinned(name), reference=case.reference or b"") == case.text


@pytest.mark.parametrize("name", BAD)
def test_every_reader_refuses_the_others(name: str) -> None:
    case = CASES[name]
    for reader in (streamed, pushed, picked):
        with pytest.raises((FormatError, PatchError), match=case.says):
            reader(name)
    with pytest.raises(RefusedError):
        decode(pinned(name), reference=case.reference or b"")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.portable])
def test_each_is_made_as_it_is_kept(name: str) -> None:
    assert CASES[name].file == pinned(name)


def test_every_case_has_its_file_and_no_more() -> None:
    assert {path.stem for path in FILES.glob("*.hex")} == set(CASES)
