"""Damage is refused by the reader itself, before any model could be asked for."""

from __future__ import annotations

import io
import struct

import pytest
from container_samples import (
    TIED,
    Groups,
    groups,
    lm,
    lzma,
    mixed,
    options,
    read,
    stored,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from llmzip.container import Options, Reader, inspect, read_group, read_index
from llmzip.errors import CorruptError, FormatError, NotLlmzError, TruncatedError

SAMPLES = {
    "empty": write([]),
    "lone lm": write([[[lm(b"a hundred bytes of text, say", b"\x93\x1c\x07\x44\xf0")]]]),
    "lone stored": write([[[stored(b"kept as it is")]]]),
    "lone lzma": write([[[lzma(b"aaaaaaaaaa" * 30, b"\x01\x02\x03")]]]),
    "lone mixed": write([[[mixed(b"aaaaaaaaaa" * 30, b"\x01\x02\x03")]]]),
    "lone with options and a long model": write([[[lm(b"text")]]], Options(4096, 1024, 512), TIED),
    "lone that goes on": bytes.fromhex("894c4d91 9e9c0100 02 aa439ee3 339f 790a"),
    "compact lm": write([[[lm(b"the first chunk"), lm(b"the second", b""), lm(b"the third")]]]),
    "compact mixed": write(
        [[[stored(b"as it is"), lm(b"text"), lzma(b"aaaaaaaaaa")]]], Options(4096, 1024, 512), TIED
    ),
    "sequence": write(
        [[[stored(b"first"), lm(b"second")], [lm(b"third")]], [[lzma(b"fourth")]]],
        Options(300),
        TIED,
    ),
    "two members": write([[[lm(b"one")]]]) + write([[[lm(b"two")], [stored(b"three")]]]),
    "two compact members": write([[[lm(b"one"), lm(b"two")]]]) + write([[[lm(b"3"), lm(b"4")]]]),
}

every_sample = pytest.mark.parametrize("file", SAMPLES.values(), ids=SAMPLES.keys())


@every_sample
def test_every_value_of_every_byte_but_the_right_one_is_refused(file: bytes) -> None:
    for at in range(len(file)):
        damaged = bytearray(file)
        for value in range(256):
            if value != file[at]:
                damaged[at] = value
                with pytest.raises(FormatError):
                    read(bytes(damaged))


@every_sample
def test_every_cut_is_refused(file: bytes) -> None:
    ends_of_members = {0, *cuts_between_members(file), len(file)}
    for n_bytes in range(len(file)):
        if n_bytes not in ends_of_members:
            with pytest.raises(TruncatedError):
                read(file[:n_bytes])


def cuts_between_members(file: bytes) -> list[int]:
    return [index.start for index in read_index(io.BytesIO(file))]


@every_sample
def test_whatever_follows_is_refused(file: bytes) -> None:
    for garbage in (b"\0", b"\n", bytes(512), b"\x1f\x8b\x08\x00", b"\x89LL\x10"):
        with pytest.raises(CorruptError, match=f"other data follows .* byte {len(file)}"):
            read(file + garbage)


@every_sample
def test_a_byte_lost_or_doubled_is_refused(file: bytes) -> None:
    for at in range(len(file)):
        for wrong in (file[:at] + file[at + 1 :], file[: at + 1] + file[at:]):
            with pytest.raises(FormatError):
                read(wrong)


@pytest.mark.parametrize(
    "data", [b"plain text", b"\x1f\x8b\x08\x00", b"\xfd7zXZ\x00", b"\x89PNG", b"\0" * 99, b"L"]
)
def test_other_files_are_told_so(data: bytes) -> None:
    with pytest.raises(NotLlmzError, match=r"not a \.llmz file"):
        read(data)


def test_empty_input_is_no_file() -> None:
    with pytest.raises(TruncatedError, match="the input is empty"):
        read(b"")
    with pytest.raises(TruncatedError, match="the input is empty"):
        read_index(io.BytesIO(b""))


@pytest.mark.parametrize("name", ["lone lm", "compact lm"])
def test_a_damaged_length_is_noticed_before_a_chunk_is_given_out(name: str) -> None:
    file = bytearray(SAMPLES[name])
    n_payload_at = 4 + 2 if name == "lone lm" else 4 + 1 + 2  # signature and form, count, sizes
    file[n_payload_at] -= 1
    with pytest.raises(CorruptError):
        next(iter(Reader(io.BytesIO(file))))


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_noise_gives_a_clean_error(noise: bytes) -> None:
    for start in (b"", *(b"\x89LM" + bytes([form]) for form in range(0x10, 0x20))):
        with pytest.raises(FormatError):
            read(start + noise)


@given(groups, options, st.data())
def test_scrambled_files_give_a_clean_error(
    given_groups: Groups, opts: Options, data: st.DataObject
) -> None:
    file = bytearray(write(given_groups, opts))
    start = data.draw(st.integers(0, len(file) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=2))  # CRC-16 is certain of these
    right = bytes(file[start : start + len(noise)])
    file[start : start + len(noise)] = noise
    if noise[: len(right)] != right or len(noise) > len(right):
        for reading in (read, lambda f: list(inspect(io.BytesIO(f)))):
            with pytest.raises(FormatError):
                reading(bytes(file))


@every_sample
def test_an_index_is_never_wrong(file: bytes) -> None:
    """Whatever byte is damaged: read_index and read_group raise or give what was there."""
    right = read_index(io.BytesIO(file))
    for at in range(len(file)):
        damaged = io.BytesIO(file[:at] + bytes([file[at] ^ 0x5A]) + file[at + 1 :])
        try:
            indices = read_index(damaged)
            assert indices == right
            for index in indices:
                for number in range(len(index.groups)):
                    found = list(read_group(damaged, index, number))
                    assert found == list(read_group(io.BytesIO(file), index, number))
        except FormatError:
            continue


def test_a_trailer_that_points_nowhere_falls_back_to_the_whole_file() -> None:
    file = bytearray(SAMPLES["sequence"])
    file[-7:-3] = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(CorruptError, match="trailer"):
        read_index(io.BytesIO(bytes(file)))
