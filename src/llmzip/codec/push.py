"""Both directions for callers that hand over bytes as they have them, instead of a stream."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

from llmzip.codec.assembly import Assembly
from llmzip.codec.encode import GroupEncoder
from llmzip.codec.extent import goes_on, may_go_on
from llmzip.codec.groups import FindCopies, no_copies
from llmzip.codec.levels import Level
from llmzip.codec.lockstep import Lockstep
from llmzip.codec.model import OpenedModel, OpenToDecode, OpenToEncode, unseen
from llmzip.codec.reference import opened_reference
from llmzip.codec.schedule import Schedule
from llmzip.codec.stats import Stats
from llmzip.container import (
    Claims,
    End,
    FileChecksum,
    Group,
    Header,
    ModelRef,
    Options,
    Record,
    Reference,
    Wave,
    Writer,
)
from llmzip.container.feed import MemberFeed
from llmzip.layout.history import History


class PushEncoder:
    """Compresses what it is given into one member on `sink`, a group at a time.

    The bytes are those of encode_stream, however the input is dealt out.
    level_to_write: called when there is something to write.
    """

    def __init__(
        self,
        sink: BinaryIO,
        open_model: OpenToEncode,
        level_to_write: Callable[[], Level],
        find_copies: FindCopies = no_copies,
        reference: Reference | None = None,
    ) -> None:
        """The other arguments are those of encode_stream."""
        self._find_copies = find_copies
        self._reference = reference
        self._sink = sink
        self._open_model = open_model
        self._level_to_write = level_to_write
        self._level: Level | None = None
        self._encoder: GroupEncoder | None = None
        self._held = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """Take `data`; compress the groups that are full. Raises as encode_stream does."""
        group_bytes = self._begun()[0].group_bytes
        view = memoryview(data)
        while view:
            taken = view[: group_bytes - len(self._held) % group_bytes]
            self._held += taken
            view = view[len(taken) :]
            if len(self._held) % group_bytes == 0:
                self._flush_before(group_bytes)
                if not may_go_on(self._held, group_bytes):
                    self._flush()

    def finish(self) -> Stats:
        """Compress what is left and end the member."""
        self._flush_before(self._begun()[0].group_bytes)
        self._flush()
        return self._begun()[1].finish()

    def _begun(self) -> tuple[Level, GroupEncoder]:
        if self._level is None or self._encoder is None:
            self._level = self._level_to_write()
            writer = Writer(self._sink, self._level.options)
            if self._reference is not None:
                writer.reference(self._reference)
            self._encoder = GroupEncoder(
                writer, self._open_model, self._level, find_copies=self._find_copies
            )
        return self._level, self._encoder

    def _flush_before(self, group_bytes: int) -> None:
        """Compress what is held but for the last group, if that does not go on with it."""
        n_last = len(self._held) % group_bytes or group_bytes
        last = self._held[-n_last:]
        if len(self._held) > n_last and not goes_on(self._held[:-n_last], last):
            del self._held[-n_last:]
            self._flush()
            self._held += last

    def _flush(self) -> None:
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self._begun()[1].encode(io.BytesIO(data))


class PushDecoder:
    """Decompresses one member that is handed over piece by piece.

    ended: whether all of it has been decoded and verified.
    """

    def __init__(
        self,
        open_model: OpenToDecode,
        n_lanes: int | None = None,
        max_output: int | None = None,
        memlimit: int | None = None,
        reference: BinaryIO | None = None,
    ) -> None:
        """The arguments are those of decode_stream."""
        self.ended = False
        self._claims = Claims(max_output)
        self._memlimit = memlimit
        self._n_fed = 0
        self._open_model = open_model
        self._n_lanes = n_lanes
        self._feed = MemberFeed()
        self._checksum = FileChecksum()
        self._options = Options()
        self._ref: ModelRef | None = None
        self._model: OpenedModel | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._reference = reference
        self._history = History()
        self._assembly = Assembly(self._history, memlimit)
        self._lockstep = Lockstep((), self._opened, unseen, memlimit)

    @property
    def unused(self) -> bytes:
        """What came after the member."""
        return self._feed.unused

    def feed(self, data: bytes | memoryview) -> None:
        """Take `data`."""
        self._n_fed += len(data)
        self._feed.feed(data)

    def next_piece(self) -> bytes | None:
        """Return the next bytes of the text if what has come holds them, else None.

        Raises as decode_stream does.
        """
        while True:
            piece = next(self._pieces, None)
            if piece is not None:
                text = self._assembly.put(piece)
                if not text:
                    continue
                self._checksum.update(text)
                return text
            record = self._feed.next_record()
            if record is None:
                return None
            if isinstance(record, Wave):
                self._claims.admit(record, self._n_fed)
            if isinstance(record, End):
                self._assembly.finish()
                self._history.close()
                record.verify(self._checksum)
                self.ended = True
            if isinstance(record, Group | Wave):
                self._assembly.note(record)
            self._pieces = self._decode(record)

    def _decode(self, record: Record) -> Iterator[bytes]:
        match record:
            case Header():
                self._options = record.options
            case Reference():
                self._history.reference = opened_reference(record, self._reference)
            case ModelRef():
                self._ref = record
            case Group() | Wave() if self._options.adaptive:
                yield from self._lockstep.pieces(record)
            case Wave():
                yield from Schedule(
                    record.chunks, self._opened, self._n_lanes, unseen, self._memlimit
                )

    def _opened(self) -> OpenedModel:
        if self._model is None:
            self._model = self._open_model(self._ref, self._options)
        return self._model
