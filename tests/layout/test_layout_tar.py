"""Where archives are found in some bytes, and where they are not."""

from __future__ import annotations

import pytest

from llmzip.layout.tar import find_archives
from tar_samples import FORMATS, archive, headers_of, member

TEXTS = [(member(f"{n}.txt", mtime=n), b"some text\n" * (70 * n)) for n in range(4)]


def spans(data: bytes) -> list[tuple[int, int, int]]:
    return [(one.start, len(one.members), one.end) for one in find_archives(data)]


@pytest.mark.parametrize("form", FORMATS)
def test_an_archive_is_found_wherever_it_begins(form: str) -> None:
    data = archive(TEXTS, form)
    n_framed = len(data.rstrip(b"\0")) + 511 & ~511
    assert spans(data) == [(0, 4, n_framed)]
    assert spans(b"odd" + data + b"then" + data) == [
        (3, 4, 3 + n_framed),
        (7 + len(data), 4, 7 + len(data) + n_framed),
    ]


def test_what_goes_on_beyond_the_end_is_framed_as_far_as_it_goes() -> None:
    data = archive(TEXTS)
    (whole,) = find_archives(data)
    last = whole.members[-1]
    assert spans(data[: last.content + 100]) == [(0, 4, last.content + 100)]
    assert spans(data[: last.stop + 1]) == [(0, 3, last.start)]  # its zeros are not all there
    assert spans(data[: last.content - 1]) == [(0, 3, last.start)]


def test_what_is_damaged_is_left_out() -> None:
    data = bytearray(archive(TEXTS))
    (whole,) = find_archives(bytes(data))
    second = whole.members[1]
    data[second.start + 5] ^= 1  # its checksum is wrong
    assert [(start, n) for start, n, _ in spans(bytes(data))] == [
        (0, 1),
        (whole.members[2].start, 2),
    ]
    data[second.start + 5] ^= 1
    data[second.end - 1] = 7  # no padding any more
    assert [(start, n) for start, n, _ in spans(bytes(data))] == [
        (0, 1),
        (whole.members[2].start, 2),
    ]


def test_headers_without_contents_follow_each_other() -> None:
    assert len(find_archives(headers_of("ustar"))) >= 1
    assert find_archives(b"") == []
    assert find_archives(b"about ustar " * 100) == []


def test_headers_that_are_taken_are_left_alone() -> None:
    data = archive(TEXTS)
    (whole,) = find_archives(data)
    second, third = whole.members[1], whole.members[2]
    found = find_archives(data, [(second.start - 10, third.start + 100)])
    assert [(one.start, len(one.members)) for one in found] == [(0, 1), (third.start, 2)]
