"""What a file claims is held against what was seen, or refused, before memory is taken for it."""

from __future__ import annotations

import io
import lzma
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import BinaryIO

import pytest
from container_samples import by_hand, read, stored, with_crc, write

from llmzip.container import (
    Chunk,
    Claims,
    End,
    GroupEntry,
    Index,
    Kind,
    Reader,
    Wave,
    bodies,
    read_index,
)
from llmzip.container.claims import (
    FREE_BYTES,
    FREE_BYTES_PER_BYTE,
    FREE_TOKENS,
    TOKENS_PER_PAYLOAD_BYTE,
    is_plausible,
)
from llmzip.container.entries import GroupIndex
from llmzip.container.limits import MAX_LZMA_RATIO, MIN_GROUP_BYTES
from llmzip.container.wire import frame, varint
from llmzip.errors import CorruptError, LimitError

GROUP = (bodies.TAG_GROUP, b"\0")
SUM = b"\1\2\3\4"
N_CLAIMED = 500_000


def head(kind: Kind, n_bytes: int, *sizes: int) -> bytes:
    return bytes([kind]) + b"".join(map(varint, (n_bytes, *sizes))) + SUM


def wave(*heads: bytes, payload: bytes = b"") -> tuple[tuple[int, bytes], bytes]:
    return (bodies.TAG_WAVE, varint(len(heads)) + b"".join(heads)), with_crc(payload)


def end_of_many_groups() -> bytes:
    """Return a member without a group whose end record lists half a million, two bytes each."""
    fields = [varint(9), varint(0), bytes(8), varint(0), varint(N_CLAIMED)]
    return by_hand((bodies.TAG_END, b"".join(fields) + b"\0" * (2 * N_CLAIMED)))


def with_trailer(member: bytes, offset: int) -> bytes:
    return member + (len(member) - offset).to_bytes(4, "little") + b"ML\x89"


def peak_of(work: Callable[[], object]) -> int:
    """Return how many bytes `work` holds at most, beside what was there."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("look", [Reader, read_index])
def test_an_index_of_groups_that_are_not_there_takes_no_memory(
    look: Callable[[BinaryIO], Iterable[object]],
) -> None:
    file = with_trailer(end_of_many_groups(), 9)

    def refused() -> None:
        with pytest.raises(CorruptError, match="lists 500000 groups, and there are 0 at most"):
            list(look(io.BytesIO(file)))

    assert peak_of(refused) < 4 * len(file)


def test_no_group_is_smaller_than_the_limit_says() -> None:
    tiny = [[[stored(b"x")]]]
    assert len(write(tiny * 9)) - len(write(tiny * 8)) >= MIN_GROUP_BYTES
    empty = Chunk(Kind.MIXED, 1, 0, SUM, b"")
    assert len(with_crc(b"")) + sum(map(len, _frames(empty))) == MIN_GROUP_BYTES


def _frames(chunk: Chunk) -> tuple[bytes, bytes]:
    return frame(*GROUP), frame(bodies.TAG_WAVE, bodies.pack_wave([chunk]))


def test_groups_are_equal_however_they_are_held() -> None:
    entries = tuple(GroupEntry(9 + 1000 * i, 1 + i * i) for i in range(300))
    index = GroupIndex(entries)
    assert index == entries
    assert tuple(index) == entries
    assert (index[0], index[-1], index[7:9]) == (entries[0], entries[-1], entries[7:9])
    assert End(1, bytes(8), index) == End(1, bytes(8), entries)
    assert hash(index) == hash(entries)
    assert index != entries[1:]
    with pytest.raises(IndexError):
        index[300]


def test_what_is_known_of_many_groups_takes_few_bytes() -> None:
    file = write([[[stored(b"x")]]] * 5_000)
    (index,) = read_index(io.BytesIO(file))
    assert isinstance(index, Index)
    assert len(index.groups) == 5_000
    assert isinstance(index.groups, GroupIndex)
    assert len(index.groups.packed) == 10_000
    end = read(file)[-1]
    assert isinstance(end, End)
    assert end.groups == index.groups


@pytest.mark.parametrize("change", [-1, 1, 5])
def test_an_index_that_is_wrong_in_one_group_is_refused(change: int) -> None:
    good = write([[[stored(bytes(100))]]] * 20)
    end = read(good)[-1]
    assert isinstance(end, End)
    groups = list(end.groups)
    groups[10] = replace(groups[10], n_bytes=groups[10].n_bytes + change)
    start = len(good) - 7 - int.from_bytes(good[-7:-3], "little")
    record = frame(bodies.TAG_END, bodies.pack_end(replace(end, groups=groups), start))
    bad = good[:start] + record + len(record).to_bytes(4, "little") + b"ML\x89"
    with pytest.raises(CorruptError, match="contradicts"):
        read(bad)


@pytest.mark.parametrize(
    ("lc", "lp", "pb"), [(3, 0, 2), (3, 0, 0), (0, 0, 0), (0, 4, 4), (4, 0, 0)]
)
def test_no_lzma_stream_stands_for_more_than_the_limit(lc: int, lp: int, pb: int) -> None:
    """Zeros are what LZMA shrinks most: a repeat of 273 bytes, again and again."""
    settings = {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 24, "nice_len": 273}
    data = bytes(1 << 24)
    payload = lzma.compress(
        data, lzma.FORMAT_RAW, filters=[{**settings, "lc": lc, "lp": lp, "pb": pb}]
    )
    assert 6_000 < len(data) / len(payload) < MAX_LZMA_RATIO
    assert Chunk.lzma(data, payload).n_bytes == len(data)


def test_the_limit_of_lzma_follows_from_its_cheapest_bits() -> None:
    probability = 1024
    while probability + (2048 - probability >> 5) != probability:
        probability += 2048 - probability >> 5
    assert probability == 2017
    bits = -14 * math.log2(2017 / 2048)
    assert 7_089 < 273 * 8 / bits < 7_090 < MAX_LZMA_RATIO


@pytest.mark.parametrize(("n_bytes", "n_payload"), [(1, 0), (8_193, 1), (1 << 24, 2_047)])
def test_lzma_that_claims_more_is_refused_at_its_head(n_bytes: int, n_payload: int) -> None:
    file = by_hand(GROUP, *wave(head(Kind.LZMA, n_bytes, n_payload), payload=bytes(n_payload)))
    with pytest.raises(CorruptError, match=f"lzma: a payload of {n_payload} bytes"):
        read(file)


def lm_chunk(n_tokens: int, n_payload: int) -> Chunk:
    return Chunk(Kind.LM, 4 * n_tokens, n_tokens, SUM, bytes(n_payload))


@pytest.mark.parametrize("n_payload", [0, 1, 7])
def test_a_chunk_is_plausible_up_to_its_bound(n_payload: int) -> None:
    most = FREE_TOKENS + TOKENS_PER_PAYLOAD_BYTE * n_payload
    assert is_plausible(lm_chunk(most, n_payload))
    assert not is_plausible(lm_chunk(most + 1, n_payload))
    Claims().admit(Wave((lm_chunk(most, n_payload),)), 100)
    beyond = Wave((lm_chunk(most + 1, n_payload),))
    with pytest.raises(LimitError, match=f"{most + 1:,} tokens in {n_payload} bytes.*--max-output"):
        Claims().admit(beyond, 100)
    Claims(max_output=1 << 20).admit(beyond, 100)


def test_an_output_is_limited_to_what_is_allowed() -> None:
    claims = Claims(max_output=2_000)
    claims.admit(Wave((Chunk.stored(bytes(2_000)),)), 2_100)
    with pytest.raises(LimitError, match="2,001 bytes or more, and --max-output allows 2,000"):
        claims.admit(Wave((Chunk.stored(b"x"),)), 2_200)


def test_without_a_limit_a_file_may_be_what_no_text_exceeds() -> None:
    full = Wave(tuple(Chunk(Kind.MIXED, 1 << 24, 0, SUM, b"") for _ in range(4)))
    claims = Claims()
    for _ in range(FREE_BYTES // full.n_bytes):
        claims.admit(full, 0)
    enough = full.n_bytes // FREE_BYTES_PER_BYTE + 1
    claims.admit(full, enough)
    with pytest.raises(LimitError, match=r"which no text does.*--max-output SIZE"):
        claims.admit(full, enough)


TERABYTE = 1 << 40


def many_waves(n_waves: int) -> bytes:
    """Return a whole member of waves of 64 MiB, each in 64 bytes."""
    waves = [part for _ in range(n_waves) for part in wave(*[head(Kind.MIXED, 1 << 24, 0)] * 4)]
    member = by_hand(GROUP, *waves)
    n_bytes = n_waves << 26
    end = End(n_bytes, bytes(8), (GroupEntry(9, n_bytes),))
    whole = member + frame(bodies.TAG_END, bodies.pack_end(end, len(member)))
    return with_trailer(whole, len(member))


def many_tokens() -> bytes:
    """Return a wave of four million tokens in no bytes."""
    model = (bodies.TAG_MODEL, b"\x01" + bytes(6))
    return by_hand(model, GROUP, *wave(*[head(Kind.LM, 1 << 20, 1 << 16, 0)] * 64), form=0x20)


HUGE_CLAIMS = {
    "a chunk": ("CorruptError", by_hand(GROUP, *wave(head(Kind.MIXED, TERABYTE, 0)))),
    "a stored chunk": ("CorruptError", by_hand(GROUP, *wave(head(Kind.STORED, TERABYTE)))),
    "a wave": ("CorruptError", by_hand(GROUP, *wave(*[head(Kind.MIXED, 1 << 24, 0)] * 60))),
    "waves": ("LimitError", many_waves(17)),
    "tokens": ("LimitError", many_tokens()),
    "the end": (
        "CorruptError",
        by_hand((bodies.TAG_END, varint(9) + varint(TERABYTE) + bytes(10))),
    ),
    "groups": (
        "CorruptError",
        by_hand((bodies.TAG_END, varint(9) + varint(0) + bytes(9) + varint(TERABYTE))),
    ),
    "a frame": ("CorruptError", by_hand() + bytes([bodies.TAG_WAVE]) + varint(TERABYTE)),
}

REFUSE = """
import io, resource, sys
import llmzip, llmzip.codec
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = io.BytesIO(sys.stdin.buffer.read())
decompressor = llmzip.Decompressor()
try:
    if len(sys.argv) == 1:
        decompressor.decoded_size(data)
    decompressor.decompress(data, io.BytesIO())
except llmzip.LlmzipError as exc:
    print(type(exc).__name__)
assert "torch" not in sys.modules
assert "transformers" not in sys.modules
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10
"""


@pytest.mark.parametrize(("error", "file"), HUGE_CLAIMS.values(), ids=HUGE_CLAIMS.keys())
def test_a_kilobyte_that_claims_very_much_is_refused_at_once(error: str, file: bytes) -> None:
    """Without a model, without torch, and in 16 MiB beyond what the interpreter takes."""
    assert len(file) < 1_300
    arguments = ["as a stream"] if error == "LimitError" and file[3] == 0x20 else []
    result = subprocess.run(
        [sys.executable, "-c", REFUSE, *arguments], input=file, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout.decode().strip() == error
