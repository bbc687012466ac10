from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_copies import GROUP_BYTES, check_copies, found_in

from llmzip.layout.copies import LEAST_FAR_BYTES
from llmzip.layout.planned import Repeat

PIECES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3000), st.integers(1, 3000)), max_size=12
)


def noise(n_bytes: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n_bytes)


def lines(n_lines: int, seed: int = 0) -> list[bytes]:
    rng = random.Random(seed)
    return [
        b"%d %s\n" % (rng.randrange(10**6), rng.randbytes(30).hex().encode())
        for _ in range(n_lines)
    ]


@settings(max_examples=40, deadline=None)
@given(PIECES, st.sampled_from([700, GROUP_BYTES]), st.booleans(), st.booleans())
def test_copies_are_true_ordered_and_of_own_bytes(
    pieces: list[tuple[int, int, int]], group_bytes: int, independent: bool, has_reference: bool
) -> None:
    sources = [noise(6000, seed) for seed in range(3)]
    sources += [b"ab" * 3000, bytes(6000), b"".join(lines(80))]
    text = b"".join(sources[which][at : at + n] for which, at, n in pieces)
    reference = sources[1] if has_reference else b""

    copies = found_in(text, reference, group_bytes=group_bytes, independent=independent)

    check_copies(copies, text, reference, group_bytes, independent=independent)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 20_000), st.integers(GROUP_BYTES, 20_000), st.integers(200, 9000), st.integers()
)
def test_planted_repeats_are_found(n_before: int, n_between: int, n_bytes: int, seed: int) -> None:
    repeated = noise(n_bytes, seed)
    text = noise(n_before, -1) + repeated + noise(n_between, -2) + repeated + noise(50, -3)

    copies = found_in(text)

    n_groups = (n_before + n_between + 2 * n_bytes) // GROUP_BYTES
    n_groups -= (n_before + n_between + n_bytes) // GROUP_BYTES
    n_edges = LEAST_FAR_BYTES + 600  # what is short in its group, or has no anchor there
    assert check_copies(copies, text) >= n_bytes - (n_groups + 1) * n_edges


def test_a_repeat_of_a_few_hundred_bytes_far_away_is_found_to_the_byte() -> None:
    repeated = noise(300, 1)
    text = noise(3000) + repeated + noise(3000, 2) + repeated + noise(800, 3)

    assert found_in(text)[1:] == [[Repeat(6300 - GROUP_BYTES, 6600 - GROUP_BYTES, 3300)]]


def test_a_copy_goes_on_behind_the_edge_of_a_group() -> None:
    repeated = noise(3 * GROUP_BYTES)

    copies = found_in(repeated + repeated + b"end")

    for in_group, after in pairwise(copies[3:6]):
        assert in_group == after == [Repeat(0, GROUP_BYTES, len(repeated))]


@pytest.mark.parametrize("unit", [b"\0", b"y\n", b"yes\n", b"One sentence, again and again.\n"])
def test_a_text_that_repeats_itself_is_one_copy_a_group(unit: bytes) -> None:
    group_bytes = 4 * GROUP_BYTES
    text = unit * (4 * group_bytes // len(unit))

    copies = found_in(text, group_bytes=group_bytes)

    assert check_copies(copies, text, group_bytes=group_bytes) > len(text) - 4 * 200
    assert max(map(len, copies)) <= 2


def test_all_versions_copy_from_where_lines_stood_first() -> None:
    first = lines(120)
    versions = [first]
    for seed in range(1, 5):
        version = list(versions[-1])
        version[random.Random(seed).randrange(len(version))] = b"changed in version %d\n" % seed
        versions.append(version)
    text = b"".join(line for version in versions for line in version)

    n_copied = check_copies(found_in(text), text)

    n_first = sum(map(len, first))
    assert n_copied > len(text) - n_first - 1500


def test_independent_groups_copy_nothing_from_each_other() -> None:
    half = noise(10_000)

    copies = found_in(half * 6, group_bytes=20_000, independent=True)

    assert copies == [[Repeat(10_000, 20_000, 10_000)]] * 3


@pytest.mark.parametrize("independent", [False, True])
def test_what_a_reference_holds_is_copied_from_it(independent: bool) -> None:
    old = noise(5 * GROUP_BYTES)
    new = old[:9000] + b"something new" + old[9100:]

    copies = found_in(new, old, independent=independent)

    assert check_copies(copies, new, old, independent=independent) >= len(new) - 200


def test_lines_that_are_alike_are_copied_from_where_they_were() -> None:
    old = [
        b"hour %d\n" % n if n % 50 == 0 else b"service: all is well, as it was.\n"
        for n in range(900)
    ]
    new = list(old)
    new[310] = b"service: something was not well.\n"

    copies = found_in(b"".join(new), b"".join(old), group_bytes=1 << 16)

    assert check_copies(copies, b"".join(new), b"".join(old), 1 << 16) > sum(map(len, new)) - 100
    assert len(copies[0]) == 2


def test_what_comes_back_changed_is_not_copied() -> None:
    from llmzip.layout.copies import CopyFinder

    class Forgetful:
        def note(self, data: bytes) -> None: ...

        def read(self, start: int, stop: int) -> bytes:
            return b""

    finder = CopyFinder(Forgetful())
    n_view = 1 << 23
    groups = [noise(1 << 20, 1), *(noise(1 << 20, 9 + n) for n in range(n_view >> 20))]
    for group in groups:
        finder.feed(group)

    assert finder.feed(groups[0]) == []
    assert finder.feed(groups[-1]) != []


def test_short_texts_have_no_copies() -> None:
    for n_bytes in (0, 1, 63, 64, 65, LEAST_FAR_BYTES):
        assert found_in(b"x" * n_bytes) in ([], [[]])
