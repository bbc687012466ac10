"""Any group of a file that can seek, decoded without those before it."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import BinaryIO

from llmzip.codec.lockstep import Lockstep
from llmzip.codec.model import OpenedModel, OpenToDecode, unseen
from llmzip.codec.schedule import Schedule
from llmzip.container import Claims, Group, Index, Wave, check_output, read_group, read_index

InTurn = Callable[[Iterator[bytes]], Iterator[bytes]]
"""Lets pieces be decoded one by one, each while nobody else uses the model."""


class GroupAccess:
    """The groups of all members of `source`, by their place in the decoded text.

    n_bytes: the size of the decoded text. n_decoded: how many groups were begun to be decoded.
    max_output, memlimit: as for decode_stream.

    Raises FormatError, LimitError; each chunk is verified, the checksums of whole members are not.
    """

    def __init__(
        self,
        source: BinaryIO,
        open_model: OpenToDecode,
        in_turn: InTurn = iter,
        n_lanes: int | None = None,
        *,
        max_output: int | None = None,
        memlimit: int | None = None,
    ) -> None:
        self._source = source
        self._open_model = open_model
        self._in_turn = in_turn
        self._n_lanes = n_lanes
        self._max_output, self._memlimit = max_output, memlimit
        self._groups: list[tuple[Index, int]] = []
        self._starts: list[int] = []
        self.n_bytes = 0
        self.n_decoded = 0
        for index in read_index(source):
            for number, group in enumerate(index.groups):
                self._groups.append((index, number))
                self._starts.append(self.n_bytes)
                self.n_bytes += group.n_bytes
        self._n_file_bytes = source.seek(0, io.SEEK_END)
        check_output(self.n_bytes, self._n_file_bytes, max_output)

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
        self.n_decoded += 1
        return self._in_turn(self._decoded(*self._groups[number]))

    def _decoded(self, index: Index, number: int) -> Iterator[bytes]:
        model: list[OpenedModel] = []

        def opened() -> OpenedModel:
            if not model:
                model.append(self._open_model(index.model, index.options))
            return model[0]

        records = self._admitted(read_group(self._source, index, number))
        if index.options.adaptive:
            yield from Lockstep(records, opened, unseen, self._memlimit)
            return
        waves = (record for record in records if isinstance(record, Wave))
        chunks = (chunk for wave in waves for chunk in wave.chunks)
        yield from Schedule(chunks, opened, self._n_lanes, unseen, self._memlimit)

    def _admitted(self, records: Iterator[Group | Wave]) -> Iterator[Group | Wave]:
        claims = Claims(self._max_output)
        for record in records:
            if isinstance(record, Wave):
                claims.admit(record, self._n_file_bytes)
            yield record
