"""The groups of a member, as its end record lists them: a few bytes each, however many there are.

A file may have as many groups as fit into an index of 64 MiB, and each of them may be tiny. So
they are kept as they are written, and made into values only for who asks.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

from llmzip.container.records import GroupEntry
from llmzip.container.wire import Body, Fields, varint


class GroupIndex(Sequence[GroupEntry]):
    """Groups in order, each at a greater offset than the one before; equal to any such sequence.

    packed: what an end record holds of them: for each the offset, less that of the group before,
        and its decoded size, as varints.
    """

    def __init__(self, groups: Iterable[GroupEntry] = ()) -> None:
        self.packed = bytearray()
        self._n = 0
        self._last_offset = 0
        for group in groups:
            self.append(group.offset, group.n_bytes)

    @classmethod
    def take(cls, fields: Fields, n_groups: int) -> GroupIndex:
        """Take `n_groups` groups as they are packed. Raises as the fields do."""
        found = cls()
        offset = 0
        for _ in range(n_groups):
            offset += fields.varint()
            found.append(offset, fields.varint())
        return found

    def append(self, offset: int, n_bytes: int) -> None:
        """Add a group. Raises ValueError if it starts before the last one."""
        self.packed += varint(offset - self._last_offset) + varint(n_bytes)
        self._last_offset = offset
        self._n += 1
        self.__dict__.pop("_offsets_and_sizes", None)

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[GroupEntry]:
        fields, offset = Body(bytes(self.packed), 0), 0
        for _ in range(self._n):
            offset += fields.varint()
            yield GroupEntry(offset, fields.varint())

    @overload
    def __getitem__(self, number: int) -> GroupEntry: ...

    @overload
    def __getitem__(self, number: slice) -> tuple[GroupEntry, ...]: ...

    def __getitem__(self, number: int | slice) -> GroupEntry | tuple[GroupEntry, ...]:
        if isinstance(number, slice):
            return tuple(self[i] for i in range(*number.indices(self._n)))
        place = range(self._n)[number]
        offsets, sizes = self._offsets_and_sizes
        return GroupEntry(offsets[place], sizes[place])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, GroupIndex):
            return self.packed == other.packed
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"GroupIndex({list(self)!r})"

    @cached_property
    def _offsets_and_sizes(self) -> tuple[array[int], array[int]]:
        """Both as numbers, 16 bytes a group, for who picks some of them."""
        offsets, sizes = array("Q"), array("Q")
        for group in self:
            offsets.append(group.offset)
            sizes.append(group.n_bytes)
        return offsets, sizes
