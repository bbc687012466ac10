"""The documents' decoder and ours: one reading of every layout, refusals included."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from layout_samples import Sample, sample

from decoder import RefusedError
from decoder.layout import Weaver, layout_of
from llmzip.errors import CorruptError
from llmzip.layout.history import History
from llmzip.layout.program import pack_layout, unpack_layout
from llmzip.layout.text import Text
from llmzip.layout.varints import pack_varints, unpack_varints
from llmzip.layout.weave import weave


def by_document(program: bytes, one: Sample) -> bytes | None:
    """What the document makes of it; None if it refuses that."""
    text = bytearray(one.before)
    try:
        Weaver(layout_of(program), one.content, len(one.text), text).weave()
    except RefusedError:
        return None
    return bytes(text[len(one.before) :])


def by_us(program: bytes, one: Sample) -> bytes | None:
    history = History()
    history.append(one.before)
    try:
        layout = unpack_layout(program)
        text = weave(layout, Text(one.content), len(one.text), len(one.before), history)
    except CorruptError:
        return None
    return bytes(text.data)


def test_any_layout_comes_to_what_the_document_says() -> None:
    for seed in range(150):
        one = sample(seed)
        assert by_document(pack_layout(one.layout), one) == one.text


def bent(program: bytes, chance: Random) -> bytes:
    """Return another program, or what is none."""
    numbers = unpack_varints(program).tolist()
    at = chance.randrange(len(numbers))
    match chance.randrange(5):
        case 0:
            numbers[at] = max(0, numbers[at] + chance.choice([-2, -1, 1, 2, 512]))
        case 1:
            other = chance.randrange(len(numbers))
            numbers[at], numbers[other] = numbers[other], numbers[at]
        case 2:
            del numbers[at]
        case 3:
            numbers.insert(at, chance.randrange(9))
        case _:
            octets = bytearray(program)
            octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
            return bytes(octets)
    return pack_varints(numbers)


def test_of_any_program_there_is_one_reading() -> None:
    n_taken = 0
    for seed in range(1000):
        one, chance = sample(seed % 100), Random(seed)
        program = pack_layout(one.layout)
        for _ in range(chance.randrange(1, 3)):
            with suppress(CorruptError):  # what is bent already may be no numbers any more
                program = bent(program, chance)
        found = by_us(program, one)
        assert found == by_document(program, one), seed
        n_taken += found is not None
    assert 20 < n_taken < 900
