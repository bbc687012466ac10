"""Any group of a file that can seek, decoded without those before it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO

from llmzip.codec.lockstep import Lockstep
from llmzip.codec.model import OpenedModel, OpenToDecode, unseen
from llmzip.codec.schedule import Schedule
from llmzip.container import Index, Wave, read_group, read_index


class GroupAccess:
    """The groups of all members of `source`, by their place in the decoded text.

    n_bytes: the size of the decoded text. n_decoded: how many groups were begun to be decoded.
    Raises FormatError; each chunk is verified, the checksums of whole members are not.
    """

    def __init__(
        self, source: BinaryIO, open_model: OpenToDecode, n_lanes: int | None = None
    ) -> None:
        self._source = source
        self._open_model = open_model
        self._n_lanes = n_lanes
        self._groups: list[tuple[Index, int]] = []
        self._starts: list[int] = []
        self.n_bytes = 0
        self.n_decoded = 0
        for index in read_index(source):
            for number, group in enumerate(index.groups):
                self._groups.append((index, number))
                self._starts.append(self.n_bytes)
                self.n_bytes += group.n_bytes

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def start(self, number: int) -> int:
        """Return where group `number` begins in the decoded text."""
        return self._starts[number]

    def group_at(self, offset: int) -> int:
        """Return the number of the group that holds byte `offset` of the decoded text."""
        return bisect_right(self._starts, offset) - 1

    def pieces(self, number: int) -> Iterator[bytes]:
        """Yield what group `number` decodes to. Raises as decode_stream does."""
        index, place = self._groups[number]
        self.n_decoded += 1
        model: list[OpenedModel] = []

        def opened() -> OpenedModel:
            if not model:
                model.append(self._open_model(index.model, index.options))
            return model[0]

        records = read_group(self._source, index, place)
        if index.options.adaptive:
            yield from Lockstep(records, opened, unseen)
            return
        waves = (record for record in records if isinstance(record, Wave))
        chunks = (chunk for wave in waves for chunk in wave.chunks)
        yield from Schedule(chunks, opened, self._n_lanes, unseen)
