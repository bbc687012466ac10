"""Headers of tars as columns: any blocks come back; usual ones are small; no columns do harm."""

from __future__ import annotations

import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decoder import RefusedError
from decoder.tarheaders import TarHeaders
from llmzip.codec.layouts import pack_program
from llmzip.codec.tar_chunks import headers_chunk
from llmzip.codec.tar_chunks import headers_of as blocks_of
from llmzip.container import Chunk, Kind
from llmzip.errors import CorruptError
from llmzip.layout.tar import find_archives
from llmzip.layout.tar_header import BLOCK_BYTES, checksum
from llmzip.layout.tar_headers import pack_headers
from llmzip.layout.tar_reading import unpack_headers
from tar_samples import FORMATS, archive, headers_of, made_by_tar, member


def comes_back(blocks: bytes) -> bytes:
    """Return the columns of blocks that both decoders bring back."""
    packed = pack_headers(blocks)
    assert unpack_headers(packed, len(blocks)) == blocks
    assert TarHeaders(packed, len(blocks)).decode() == blocks
    return packed


@pytest.mark.parametrize("form", FORMATS)
def test_headers_of_every_sort_come_back(form: str) -> None:
    blocks = headers_of(form)
    assert len(comes_back(blocks)) < len(blocks) / 12


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_headers_by_tar_come_back(form: str, tmp_path: Path) -> None:
    long = "a" * (120 if form in ("gnu", "oldgnu", "posix") else 20)
    for name in ("one", "two", long):
        (tmp_path / name).write_bytes(b"text " * len(name))
    (tmp_path / "link").symlink_to("one")
    data = made_by_tar(tmp_path, form)
    if data is None:
        pytest.skip("no tar here that writes this format")
    comes_back(data[: len(data) // 512 * 512])  # contents included, as if they were headers
    found = [one.headers(data) for one in find_archives(data)]
    assert bool(found) is (form != "v7")  # which has no magic
    comes_back(b"".join(found))


def one_field_changed(blocks: bytes, seed: int) -> bytes:
    """Return blocks with a few bytes changed, and all checksums but a few made right."""
    r = random.Random(seed)
    found = bytearray(blocks)
    for _ in range(r.randint(1, 8)):
        found[r.randrange(len(found))] = r.choice([0, 32, 48, 55, 56, 128, 255, 10])
    for at in range(0, len(found), BLOCK_BYTES):
        if r.random() < 0.9:
            found[at + 148 : at + 156] = checksum(bytes(found[at : at + BLOCK_BYTES]))
    return bytes(found)


@settings(max_examples=60, deadline=None)
@given(form=st.sampled_from(sorted(FORMATS)), seed=st.integers(0, 1 << 32))
def test_odd_headers_come_back(form: str, seed: int) -> None:
    comes_back(one_field_changed(headers_of(form), seed))


@settings(max_examples=20)
@given(st.binary(max_size=600))
def test_blocks_that_are_no_headers_come_back(data: bytes) -> None:
    comes_back(data.ljust(-(-len(data) // BLOCK_BYTES) * BLOCK_BYTES, b"\0"))


def test_a_usual_header_takes_a_few_bytes() -> None:
    sizes = random.Random(7)
    headers = b"".join(
        member(f"text{n:02}.txt", sizes.randint(200, 700), mtime=1_700_000_000 + n).tobuf(
            tarfile.USTAR_FORMAT
        )
        for n in range(60)
    )
    chunk = headers_chunk(headers)
    assert chunk.kind is Kind.TAR_HEADERS
    assert len(chunk.payload) < 150
    assert blocks_of(chunk) == headers


def test_the_example_in_the_document() -> None:
    blocks = b"".join(member(name).tobuf(tarfile.USTAR_FORMAT) for name in ("a1", "a2"))
    assert comes_back(blocks) == bytes.fromhex("88 80 80 40 02 03 01 00 61 31 0a")


def same_of_both(packed: bytes, n_bytes: int) -> None:
    """Assert that both decoders give the same, or refuse."""
    try:
        expected = unpack_headers(packed, n_bytes)
    except CorruptError:
        with pytest.raises(RefusedError):
            TarHeaders(packed, n_bytes).decode()
    else:
        assert TarHeaders(packed, n_bytes).decode() == expected


@settings(max_examples=150, deadline=None)
@given(form=st.sampled_from(sorted(FORMATS)), seed=st.integers(0, 1 << 32))
@example("pax", 0)
def test_columns_that_no_encoder_makes(form: str, seed: int) -> None:
    r = random.Random(seed)
    blocks = headers_of(form)
    packed = bytearray(pack_headers(blocks))
    for _ in range(r.randint(1, 3)):
        at = r.randrange(len(packed))
        packed[at] = r.choice([0, 1, 2, 3, 10, 254, 255, packed[at] ^ 1, r.randrange(256)])
    same_of_both(bytes(packed), len(blocks) - r.choice([0, 0, 512]))


@settings(max_examples=60)
@given(st.binary(max_size=40), st.integers(1, 5))
def test_any_columns(packed: bytes, n_blocks: int) -> None:
    same_of_both(packed, n_blocks * BLOCK_BYTES)


def test_short_payloads_stand_for_no_more_than_they_may() -> None:
    with pytest.raises(ValueError, match="payload"):
        Chunk.tar_headers(bytes(1 << 20), pack_program(pack_headers(bytes(512))))
    same = member("same").tobuf(tarfile.USTAR_FORMAT) * 4000
    assert headers_chunk(same).n_bytes == len(same)  # in whichever way


def test_headers_that_are_found_are_those_of_the_archive() -> None:
    texts = [(member(f"{n}.txt", mtime=n), b"text" * n) for n in range(5)]
    data = archive(texts)
    (found,) = find_archives(data)
    assert [data[one.content : one.stop] for one in found.members] == [text for _, text in texts]
    comes_back(found.headers(data))
