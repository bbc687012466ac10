"""Decodes chunks of one model side by side, token by token, each in a lane of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.model import RunningModel
from llmzip.codec.spelling import Spelling, take_spelling
from llmzip.coder import RangeDecoder
from llmzip.container import Chunk
from llmzip.container.limits import MAX_BYTES_PER_TOKEN, PAYLOAD_SLACK_BYTES
from llmzip.container.wire import corrupt
from llmzip.errors import CorruptError
from llmzip.predict.protocol import LaneDecoder


@dataclass
class Slot:
    """A chunk and what has become of it."""

    chunk: Chunk
    data: bytes | None = None  # what it decodes to, once that is known and verified
    n_tokens_done: int = 0

    def coded(self) -> bytes:
        """Return the part of the payload that the range coder made. Raises CorruptError."""
        _, coded = self._split()
        if len(coded) > MAX_BYTES_PER_TOKEN * self.chunk.n_tokens + PAYLOAD_SLACK_BYTES:
            raise corrupt(f"{len(coded)} coded bytes are too many for {self.chunk.n_tokens} tokens")
        return coded

    def spelled(self, text: bytes) -> bytes:
        """Return what tokens that spell `text` stand for in this chunk. Raises CorruptError."""
        spelling, _ = self._split()
        return spelling.bytes_of(text)

    def _split(self) -> tuple[Spelling, bytes]:
        return take_spelling(self.chunk.kind, self.chunk.n_bytes, self.chunk.payload)

    @property
    def n_bytes_done(self) -> int:
        """About how many of its bytes are decoded."""
        if self.data is not None:
            return self.chunk.n_bytes
        return self.chunk.n_bytes * self.n_tokens_done // max(self.chunk.n_tokens, 1)


class Lanes:
    """Up to `n_lanes` chunks of one model that are being decoded together."""

    def __init__(
        self, model: RunningModel, n_lanes: int, predictor: LaneDecoder | None = None
    ) -> None:
        """`predictor`: of the model, if not one whose lanes share nothing."""
        self.n_lanes = n_lanes
        self._tokenizer = model.tokenizer
        self._is_text = model.tokenizer.is_text
        self._predictor = predictor or model.predictor.lanes(n_lanes)
        self._coder = RangeDecoder(n_lanes)
        self._slots: list[Slot | None] = [None] * n_lanes
        self._active: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._ids: NDArray[np.int32] = np.zeros((n_lanes, 0), dtype=np.int32)
        self._n_done = np.zeros(n_lanes, dtype=np.int64)
        self._n_tokens = np.zeros(n_lanes, dtype=np.int64)

    @property
    def n_active(self) -> int:
        """How many chunks are being decoded."""
        return self._active.size

    @property
    def n_free(self) -> int:
        """How many more could be."""
        return self.n_lanes - self._active.size

    def open(self, slot: Slot) -> int:
        """Begin with the chunk of `slot` in a free lane; return its number. Raises CorruptError."""
        lane = self._slots.index(None)
        n_tokens = slot.chunk.n_tokens
        self._coder.open(lane, slot.coded())
        self._predictor.open(lane)
        missing = n_tokens - self._ids.shape[1]
        if missing > 0:
            self._ids = np.pad(self._ids, ((0, 0), (0, missing)))
        self._slots[lane] = slot
        self._n_done[lane], self._n_tokens[lane] = 0, n_tokens
        self._active = np.sort(np.append(self._active, lane))
        return lane

    def step(self) -> None:
        """Decode a token or more in active lanes; verify and free those that are complete.

        Raises CorruptError where a chunk is not what its checksum says.
        """
        lanes = self._predictor.due(self._active)
        while lanes.size:
            self._decode_token(lanes)
            lanes = self._predictor.ahead(lanes)

    def _decode_token(self, lanes: NDArray[np.int64]) -> None:
        """Decode a token in each of `lanes`."""
        totals = self._predictor.totals(lanes)
        targets = self._coder.targets(lanes, totals)
        ids, low, freq = self._predictor.find(lanes, targets)
        if not self._is_text.take(ids, mode="clip").all():  # past the vocabulary: told at the end
            raise CorruptError("a special token stands in the text; the file is damaged")
        self._coder.consume(lanes, low, freq, totals)
        self._ids[lanes, self._n_done[lanes]] = ids
        self._n_done[lanes] += 1
        complete = lanes[self._n_done[lanes] == self._n_tokens[lanes]]
        if complete.size:
            for lane in complete.tolist():
                self.close(lane)
            self._active = self._active[~np.isin(self._active, complete)]

    def note_progress(self) -> None:
        """Write into the slots how far their lanes have come."""
        for lane in self._active.tolist():
            slot = self._slots[lane]
            assert slot is not None
            slot.n_tokens_done = int(self._n_done[lane])

    def close(self, lane: int) -> None:
        """Finish the chunk of `lane`, all of whose tokens are decoded. Raises CorruptError."""
        slot = self._slots[lane]
        assert slot is not None
        self._coder.close(lane)
        data = slot.spelled(self._tokenizer.decode(self._ids[lane, : slot.chunk.n_tokens]))
        slot.chunk.verify(data)
        slot.data = data
        self.free(lane)

    def free(self, lane: int) -> None:
        """Give up the chunk of `lane`."""
        self._slots[lane] = None
