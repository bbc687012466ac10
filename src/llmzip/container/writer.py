"""Records to bytes, in a stream: nothing is sought, and one wave is held at most."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from llmzip.container import bodies, limits
from llmzip.container.catalog import LOCAL_SOURCE
from llmzip.container.checksum import FileChecksum, chunk_checksum
from llmzip.container.compact import Compact, fits_compact, pack_compact
from llmzip.container.head import pack_header
from llmzip.container.kinds import Kind
from llmzip.container.limits import CHUNK_CHECKSUM_BYTES, END_MARK
from llmzip.container.records import (
    DEFAULT_OPTIONS,
    Chunk,
    End,
    Group,
    GroupEntry,
    ModelRef,
    Options,
    Reference,
    Wave,
)
from llmzip.container.wire import crc32, frame

if TYPE_CHECKING:
    from llmzip.container.resume import Written


class Writer:
    """Writes one member to `sink`, which it neither flushes nor closes.

    Call model() once before the first wave with an LM chunk, group() before the first wave of
    each group, wave() with the chunks and the bytes they decode to, and finish() at the end.
    A model that no chunk needs, and a group without waves, leave no trace in the file. A file
    of one wave takes the compact form if it is small enough, so the first such wave is held
    back until a second one or finish() comes. With a reference(), said before all else, there
    is no compact form.

    Raises ValueError where the records would make a file that the reader refuses.
    """

    def __init__(self, sink: BinaryIO, options: Options = DEFAULT_OPTIONS) -> None:
        self._sink = sink
        self._options = options
        self._model: ModelRef | None = None
        self._model_offset = 0
        self._group: Group | None = None  # declared, its record not yet written
        self._group_is_open = False
        self._groups: list[GroupEntry] = []
        self._text: bytes | None = None  # of a group with a layout
        self._n_missing = 0  # of that, what its chunks are yet to come to
        self._has_layout = False  # whether that is written
        self._held: Wave | None = None  # the first wave, while it may still be the only one
        self._checksum = FileChecksum()
        self._finished = False
        self.n_written = 0

    @classmethod
    def after(cls, written: Written, sink: BinaryIO) -> Writer:
        """Return a Writer that goes on after whole groups, at whose end `sink` stands."""
        writer = cls(sink, written.options)
        writer.n_written = written.n_written
        writer._groups = list(written.groups)
        writer._checksum = written.checksum
        writer._model, writer._model_offset = written.model, written.model_offset
        return writer

    def model(self, ref: ModelRef) -> None:
        """Say which model the LM chunks need."""
        if self._model is not None and self._model != ref:
            raise ValueError("a file has one model")
        self._model = ref

    def reference(self, reference: Reference) -> None:
        """Say what stands before the text for copies."""
        if self.n_written or self._group_is_open:
            raise ValueError("a reference comes before all groups")
        self._write_header_once()
        self._write(frame(bodies.TAG_REFERENCE, bodies.pack_reference(reference)))

    def group(self, adaptation: int = 0, text: bytes | None = None) -> None:
        """Start a new group. text: all of it, where its first chunk is a layout."""
        self._close_group()
        self._flush_held()
        self._group = Group(adaptation)
        self._group_is_open = True
        self._text = text
        self._n_missing = 0 if text is None else len(text)
        self._has_layout = False

    def wave(self, chunks: Sequence[Chunk], data: bytes | None) -> None:
        """Write a wave; `data` is what its chunks decode to, one after the other.

        A layout decodes to nothing here. Where a group has one `data` may be None: then it is not
        compared with its chunks.
        """
        wave = Wave(tuple(chunks))
        self._check_wave(wave)
        if data is not None:
            _check_data(wave, memoryview(data))
        self._note_text(wave, data)
        is_first = self.n_written == 0 and self._held is None
        if is_first and fits_compact(wave):
            self._held = wave
            return
        self._flush_held()
        self._write_wave(wave)

    def finish(self, in_view: int = 0) -> End:
        """Write the end of the member; return it. Only n_written may be used afterwards.

        in_view: how many tokens the model sees at once. A compact member whose chunks are no
        longer says nothing of windows.
        """
        self._require_unfinished()
        self._close_group()
        self._finished = True
        digest = self._checksum.digest()
        if self._held is not None:
            wave, checksum = self._held, digest[:CHUNK_CHECKSUM_BYTES]
            longest = max(chunk.n_tokens for chunk in wave.chunks)
            options = self._options.briefest(longest, in_view)
            model = self._model_of(wave)
            self._write(pack_compact(Compact(options, model, wave, checksum)))
            return End(wave.n_bytes, checksum, (GroupEntry(0, wave.n_bytes),))
        self._write_header_once()
        end = End(self._checksum.n_bytes, digest, tuple(self._groups), self._model_offset)
        record = frame(bodies.TAG_END, bodies.pack_end(end, self.n_written))
        self._write(record + len(record).to_bytes(4, "little") + END_MARK)
        return end

    def _model_of(self, wave: Wave) -> ModelRef | None:
        """Return the model to be named, of somebody's own without its name where that counts."""
        model = self._model
        is_own = model is not None and model.source == LOCAL_SOURCE and model.portable
        if model is not None and is_own and wave.n_payload < limits.NAMELESS_BYTES:
            return model.nameless
        return model

    def _note_text(self, wave: Wave, data: bytes | None) -> None:
        """Add to the file's checksum what comes with `wave`."""
        if self._text is None:
            if wave.layout is not None or data is None:
                raise ValueError("a layout needs the text of its group")
            self._checksum.update(data)
            return
        if (wave.layout is None) != self._has_layout:
            raise ValueError("a group with a layout does not begin with it")
        if wave.layout is not None:
            if chunk_checksum(self._text) != wave.layout.checksum:
                raise ValueError("a layout's checksum is not that of its group")
            self._checksum.update(self._text)
            self._has_layout = True
        self._n_missing -= wave.n_bytes

    def _close_group(self) -> None:
        if self._n_missing:
            raise ValueError("the chunks of a group do not come to its text")

    def _check_wave(self, wave: Wave) -> None:
        self._require_unfinished()
        if not self._group_is_open:
            raise ValueError("a wave needs a group")
        if wave.needs_model and self._model is None:
            raise ValueError("an LM chunk needs a model")
        if max(chunk.n_tokens for chunk in wave.chunks) > self._options.chunk_tokens:
            raise ValueError("a chunk has more tokens than the options allow")
        n_models = sum(chunk.kind.needs_model for chunk in wave.chunks)
        if self._options.adaptive and n_models > limits.MAX_ADAPTIVE_CHUNKS:
            raise ValueError("a wave has more chunks than may learn from each other")

    def _require_unfinished(self) -> None:
        if self._finished:
            raise ValueError("the file is finished")

    def _flush_held(self) -> None:
        wave, self._held = self._held, None
        if wave is not None:
            self._write_wave(wave)

    def _write_wave(self, wave: Wave) -> None:
        self._write_header_once()
        if wave.needs_model and not self._model_offset:
            assert self._model is not None
            self._model_offset = self.n_written
            self._write(frame(bodies.TAG_MODEL, bodies.pack_model(self._model)))
        if self._group is not None:
            self._groups.append(GroupEntry(self.n_written, 0))
            self._write(frame(bodies.TAG_GROUP, bodies.pack_group(self._group)))
            self._group = None
        last = self._groups[-1]
        self._groups[-1] = GroupEntry(last.offset, last.n_bytes + wave.n_bytes)
        payload = b"".join(chunk.payload for chunk in wave.chunks)
        is_content = self._text is not None and wave.layout is None
        tag = bodies.TAG_CONTENT if is_content else bodies.TAG_WAVE
        self._write(frame(tag, bodies.pack_wave(wave.chunks)))
        self._write(payload)
        self._write(crc32(payload))

    def _write_header_once(self) -> None:
        if self.n_written == 0:
            self._write(pack_header(self._options))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            # A raw file may take less than it is given.
            n_taken = self._sink.write(view)
            if n_taken is None and not isinstance(self._sink, io.RawIOBase):
                n_taken = len(view)  # a file-like object that does not count
            if not n_taken:
                raise BlockingIOError("the output is set not to block and takes nothing now")
            self.n_written += n_taken
            view = view[n_taken:]


def _check_data(wave: Wave, data: memoryview) -> None:
    """Raise ValueError unless `data` is what the chunks of `wave` but a layout decode to."""
    if len(data) != wave.n_content:
        raise ValueError(f"a wave of {wave.n_content} bytes with {len(data)} bytes of data")
    start = 0
    for chunk in wave.chunks:
        if chunk.kind is Kind.LAYOUT:
            continue
        if chunk_checksum(data[start : start + chunk.n_bytes]) != chunk.checksum:
            raise ValueError("a chunk's checksum is not that of its data")
        start += chunk.n_bytes
