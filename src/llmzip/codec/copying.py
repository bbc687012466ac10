"""Who finds the copies of a text's groups, as its level says."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from llmzip.codec.groups import FindCopies, no_copies
from llmzip.codec.levels import Copies, Level
from llmzip.layout.earlier import Earlier, Reread, Spool, Unkept, WithReference
from llmzip.layout.planned import Repeat
from llmzip.layout.repeats import LEAST_NEAR_BYTES, has_repeat

if TYPE_CHECKING:
    from llmzip.layout.copies import CopyFinder
    from llmzip.reference import Learnt

_LOOKED_AT_BYTES = 1 << 16
"""A text alone that is no longer is looked at whether it can hold a copy, before kernels are loaded
to find it."""


class _Finding:
    """Finds them. The kernels are loaded at the first group that may have any."""

    def __init__(self, earlier: Earlier, reference: Learnt | None, *, independent: bool) -> None:
        self._earlier = earlier
        self._reference = reference
        self._independent = independent
        self._finder: CopyFinder | None = None
        self._first: bytes | None = None  # a group without copies, which the finder has not seen

    def feed(self, group: bytes) -> Sequence[Repeat]:
        """Return the copies of the next group."""
        if self._finder is None:
            if self._first is None and self._is_without(group):
                self._first = group
                return ()
            self._finder = self._new_finder()
            if self._first is not None:
                self._finder.feed(self._first)
        return self._finder.feed(group)

    def _is_without(self, group: bytes) -> bool:
        """Whether a first group surely has no copies."""
        if self._reference is not None or len(group) > _LOOKED_AT_BYTES:
            return False
        return not has_repeat(group, LEAST_NEAR_BYTES)

    def _new_finder(self) -> CopyFinder:
        from llmzip.layout.copies import CopyFinder

        anchors = None if self._reference is None else self._reference.anchors
        return CopyFinder(self._earlier, anchors, independent=self._independent)


def finding_copies(
    level: Level, reference: Learnt | None = None, source: BinaryIO | None = None
) -> FindCopies:
    """Return what finds the copies of a text as `level` says; from a reference always.

    source: what all of the text is read from, from where it stands now; None if that is unknown.
    """
    if reference is None and level.copies is Copies.NONE:
        return no_copies
    independent = level.copies is not Copies.ACROSS
    text: Earlier = Unkept() if independent else _read_again(source)
    if reference is not None:
        text = WithReference(reference.text, reference.record.n_bytes, text)
    return _Finding(text, reference, independent=independent).feed


def _read_again(source: BinaryIO | None) -> Earlier:
    return Reread(source) if source is not None and _is_reread(source) else Spool()


def _is_reread(source: BinaryIO) -> bool:
    """Return whether a stream can be read again at no cost: a file, or bytes in memory."""
    if isinstance(source, io.BytesIO):
        return True
    is_buffered = isinstance(source, io.BufferedReader | io.BufferedRandom)
    raw: object = source.raw if is_buffered else source  # type: ignore[attr-defined]
    return isinstance(raw, io.FileIO) and raw.seekable()
