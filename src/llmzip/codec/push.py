"""Both directions for callers that hand over bytes as they have them, instead of a stream."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from llmzip.codec.encode import GroupEncoder
from llmzip.codec.levels import Level
from llmzip.codec.lockstep import Lockstep
from llmzip.codec.model import OpenedModel, OpenToDecode, OpenToEncode, unseen
from llmzip.codec.schedule import Schedule
from llmzip.codec.stats import Stats
from llmzip.container import (
    End,
    FileChecksum,
    Group,
    Header,
    ModelRef,
    Options,
    Record,
    Wave,
)
from llmzip.container.feed import MemberFeed


class PushEncoder:
    """Compresses what it is given into one member on `sink`, a group at a time.

    The bytes are those of encode_stream, however the input is dealt out.
    """

    def __init__(self, sink: BinaryIO, open_model: OpenToEncode, level: Level) -> None:
        self._encoder = GroupEncoder(sink, open_model, level)
        self._group_bytes = level.group_bytes
        self._held = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """Take `data`; compress the groups that are full. Raises as encode_stream does."""
        view = memoryview(data)
        while view:
            taken = view[: self._group_bytes - len(self._held)]
            self._held += taken
            view = view[len(taken) :]
            if len(self._held) == self._group_bytes:
                self._flush()

    def finish(self) -> Stats:
        """Compress what is left and end the member."""
        self._flush()
        return self._encoder.finish()

    def _flush(self) -> None:
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self._encoder.encode(io.BytesIO(data))


class PushDecoder:
    """Decompresses one member that is handed over piece by piece.

    ended: whether all of it has been decoded and verified.
    """

    def __init__(self, open_model: OpenToDecode, n_lanes: int | None = None) -> None:
        self.ended = False
        self._open_model = open_model
        self._n_lanes = n_lanes
        self._feed = MemberFeed()
        self._checksum = FileChecksum()
        self._options = Options()
        self._ref: ModelRef | None = None
        self._model: OpenedModel | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._lockstep = Lockstep((), self._opened, unseen)

    @property
    def unused(self) -> bytes:
        """What came after the member."""
        return self._feed.unused

    def feed(self, data: bytes | memoryview) -> None:
        """Take `data`."""
        self._feed.feed(data)

    def next_piece(self) -> bytes | None:
        """Return the next bytes of the text if what has come holds them, else None.

        Raises as decode_stream does.
        """
        while True:
            piece = next(self._pieces, None)
            if piece is not None:
                self._checksum.update(piece)
                return piece
            record = self._feed.next_record()
            if record is None:
                return None
            if isinstance(record, End):
                record.verify(self._checksum)
                self.ended = True
            self._pieces = self._decode(record)

    def _decode(self, record: Record) -> Iterator[bytes]:
        match record:
            case Header():
                self._options = record.options
            case ModelRef():
                self._ref = record
            case Group() | Wave() if self._options.adaptive:
                yield from self._lockstep.decode(record)
            case Wave():
                yield from Schedule(record.chunks, self._opened, self._n_lanes, unseen)

    def _opened(self) -> OpenedModel:
        if self._model is None:
            self._model = self._open_model(self._ref, self._options)
        return self._model
