"""What is asked of copies, whoever finds them."""

from __future__ import annotations

from collections.abc import Sequence

from llmzip.layout.copies import CopyFinder, learn_reference
from llmzip.layout.earlier import Spool, WithReference
from llmzip.layout.planned import Repeat

GROUP_BYTES = 1 << 12


def found_in(
    text: bytes,
    reference: bytes = b"",
    *,
    group_bytes: int = GROUP_BYTES,
    independent: bool = False,
) -> list[list[Repeat]]:
    """Return the copies of each group of a text."""
    before = Spool()
    before.note(reference)
    earlier = WithReference(before, len(reference), Spool())
    learnt = learn_reference([reference] if reference else [])
    finder = CopyFinder(earlier, learnt, independent=independent)
    groups = [text[at : at + group_bytes] for at in range(0, len(text), group_bytes)]
    return [finder.feed(group) for group in groups]


def check_copies(
    copies: Sequence[Sequence[Repeat]],
    text: bytes,
    reference: bytes = b"",
    group_bytes: int = GROUP_BYTES,
    *,
    independent: bool = False,
) -> int:
    """Assert that copies are in order, true, and of what was not copied; return their bytes."""
    whole = reference + text
    is_own = bytearray(b"\1" * len(whole))  # not copied from before the group
    n_copied = 0
    for number, in_group in enumerate(copies):
        group = len(reference) + number * group_bytes
        n_group = min(group_bytes, len(whole) - group)
        last = 0
        for copy in in_group:
            start, stop = group + copy.start, group + copy.stop
            source = start - copy.distance
            assert last <= copy.start < copy.stop <= n_group
            assert 0 <= source < start
            for at in range(start, stop, copy.distance):
                piece = whole[at : min(at + copy.distance, stop)]
                assert piece == whole[source : source + len(piece)]
            assert all(is_own[source : min(start, source + stop - start)])
            if independent:
                assert source >= group or source + stop - start <= len(reference)
            if source < group:
                is_own[start:stop] = bytes(stop - start)
            n_copied += stop - start
            last = copy.stop
    return n_copied
