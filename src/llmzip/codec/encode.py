"""Compresses a stream, group by group: memory stays bounded, whatever the length.

Nothing in the output depends on how the predictor batches: the same input, options and model
give the same bytes.
"""

from __future__ import annotations

import io
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import BinaryIO

from llmzip.codec.ahead import read_ahead
from llmzip.codec.coded import Coded, CodedGroup, coded_pieces
from llmzip.codec.groups import (
    FindCopies,
    Groups,
    Preparation,
    PreparedGroup,
    PreparedRun,
    no_copies,
)
from llmzip.codec.learning import Predicted, learn_group
from llmzip.codec.levels import Level, plain
from llmzip.codec.model import OpenedModel, OpenToEncode, Progress, Tokenizer, unseen
from llmzip.codec.shortlisting import by_shortlist
from llmzip.codec.stats import Stats, way_noted
from llmzip.codec.unaided import Unaided
from llmzip.codec.wanted import FrozenChunks, LearningWave, LearningWaves, ToCode, side_by_side
from llmzip.codec.witness import Witness
from llmzip.container import (
    DEFAULT_OPTIONS,
    Chunk,
    Options,
    Readable,
    Reference,
    Writer,
    are_plausible,
)
from llmzip.container.resume import Written
from llmzip.predict.protocol import Intervals

N_AHEAD_GROUPS = 2  # of an input that comes through a pipe


def encode_stream(
    source: BinaryIO,
    sink: BinaryIO,
    open_model: OpenToEncode,
    level: Level | Options = DEFAULT_OPTIONS,
    progress: Progress = unseen,
    written: Written | None = None,
    find_copies: FindCopies = no_copies,
    reference: Reference | None = None,
) -> Stats:
    """Compress all of `source` into one member of a .llmz file on `sink`.

    level: how; options alone stand for groups of a mebibyte.
    written: what is there already, and has been taken from `source`.
    find_copies: is given each group, in order, and says what of it is there already.
    reference: what stands before the first of them, if copies may come from there.
    The model is opened when the first text is met, so input without text needs none. A source
    that cannot seek is read by a thread of its own, which may still wait in a read when this
    has raised.

    Raises what `open_model` raises, UsageError if an escape does not fit into a chunk, and
    OSError from the streams.
    """
    begin_s = time.monotonic()
    level = plain(level) if isinstance(level, Options) else level
    written = written or Written(level.options)
    writer = Writer.after(written, sink)
    if reference is not None and not writer.n_written:
        writer.reference(reference)
    encoder = GroupEncoder(writer, open_model, level, progress, find_copies=find_copies)
    encoder.skip(written.checksum.n_bytes)
    encoder.encode(source)
    stats = encoder.finish()
    stats.seconds = time.monotonic() - begin_s
    return stats


class GroupEncoder:
    """Turns groups of bytes into waves of one member, and counts."""

    def __init__(
        self,
        writer: Writer,
        open_model: OpenToEncode,
        level: Level,
        progress: Progress = unseen,
        threads: Preparation | None = None,
        find_copies: FindCopies = no_copies,
        witness: Witness | None = None,
        any_text: bool = False,
    ) -> None:
        """`threads`: to prepare groups with, if not some of its own. any_text: see Groups."""
        self._threads = threads
        self._find_copies = find_copies
        self._witness = witness or Witness()
        self._any_text = any_text
        self._writer = writer
        self._open_model = open_model
        self._level = level
        self._options = level.options
        self._progress = progress
        self._model: OpenedModel | None = None
        self._stats = Stats()
        self._under_way: dict[PreparedGroup, int] = {}  # how many bytes of groups are done

    def skip(self, n_bytes: int) -> None:
        """Count what an earlier run has written."""
        self._stats.n_bytes = n_bytes

    def encode(self, source: BinaryIO) -> None:
        """Write all of `source` as groups."""
        for wanted in self.steps(source):
            wanted.code()

    def steps(self, source: BinaryIO) -> Iterator[ToCode]:
        """Do what `encode` does, but leave to others when and how the model works.

        Yields what it is wanted for; that must be done before the next is asked for.
        """
        n_bytes = self._level.group_bytes
        with (
            way_noted(self._stats),
            read_ahead(source, N_AHEAD_GROUPS * n_bytes) as ahead,
            closing(self._groups(ahead)) as groups,
        ):
            if self._options.adaptive:
                yield from self._encode_learning(groups)
            else:
                yield from self._encode_frozen(groups)

    def _groups(self, source: Readable) -> Groups:
        n_bytes = self._level.group_bytes
        how = self._threads, self._find_copies
        return Groups(
            source, self._tokenizer, n_bytes, *how, self._by_shortlist, any_text=self._any_text
        )

    def finish(self) -> Stats:
        """End the member; return what was counted, but for the time."""
        self._writer.finish(self._in_view())
        self._stats.n_file_bytes = self._writer.n_written
        return self._stats

    def _encode_frozen(self, groups: Groups) -> Iterator[FrozenChunks]:
        """Chunks share nothing: the predictor is kept busy from group to group."""
        intervals: Iterator[Intervals] = iter(())
        n_tokens = self._level.target_tokens
        while (group := groups.first()) is not None:
            if group.for_model and not groups.is_streamed:
                predictor = self._opened().listed(group.shortlist).predictor
                wanted = FrozenChunks(predictor, groups.stream(n_tokens))
                yield wanted
                intervals = wanted.found
            chunks: list[Chunk] = []
            n_done, bits = self._stats.n_bytes, 0.0
            for run in group.runs:
                best = self._best_of_run(group, run, n_done, intervals)
                chunks += best.chunks
                bits += best.bits
                n_done += len(run.data)
                self._progress(n_done)
            self._write(group, chunks, bits)
            groups.drop()

    def _encode_learning(self, groups: Groups) -> Iterator[LearningWaves]:
        """All chunks of a group learn from each other; groups share the model's time alone."""
        while (group := groups.first()) is not None:
            n_together = self._opened().predictor.groups_together if group.for_model else 1
            together = groups.at_hand(n_together)
            coded = yield from side_by_side([self._learn_group(group) for group in together])
            for group, own in zip(together, coded, strict=True):
                self._write_learnt(group, own)
                groups.drop()

    def _write_learnt(self, group: PreparedGroup, coded: dict[PreparedRun, Coded]) -> None:
        chunks = [
            chunk
            for run in group.runs
            for chunk in (coded[run].chunks if run in coded else [run.unaided.result()])
        ]
        self._write(group, chunks, sum(one.bits for one in coded.values()))

    def _learn_group(
        self, group: PreparedGroup
    ) -> Generator[LearningWave, None, dict[PreparedRun, Coded]]:
        """Return the runs that the model codes best; without the others it is run again."""
        runs = [run for run in group.runs if run.tokens is not None]
        while runs:
            coded = yield from self._through_learning_model(group, runs)
            best = [run for run in runs if self._is_model_best(run, coded[run].chunks)]
            if len(best) == len(runs):
                return coded
            runs = best
        return {}

    def _is_model_best(self, run: PreparedRun, chunks: list[Chunk]) -> bool:
        if not are_plausible(chunks):
            return False  # a model may be all too sure; a reader would ask whether that is meant
        n_bytes = self._file_size(chunks, run.data)
        if run.unaided.is_beaten_by(n_bytes):
            return True
        return n_bytes <= self._file_size([run.unaided.result()], run.data)

    def _through_learning_model(
        self, group: PreparedGroup, runs: Sequence[PreparedRun]
    ) -> Generator[LearningWave, None, dict[PreparedRun, Coded]]:
        """Return the runs as chunks of one group, in waves."""
        predictor = self._opened().listed(group.shortlist).predictor
        report = partial(self._report, group)
        predicted = yield from learn_group(runs, predictor, self._level, report, group.shortlist)
        self._witness.predicted(group, predicted)
        return {run: coded_pieces(one.pieces, one.intervals) for run, one in predicted.items()}

    def _report(self, group: PreparedGroup, n_bytes: int) -> None:
        """Tell how far a group is that is not written yet, and others beside it."""
        self._under_way[group] = n_bytes
        self._progress(self._stats.n_bytes + sum(self._under_way.values()))

    def _write(self, group: PreparedGroup, chunks: list[Chunk], bits: float) -> None:
        """Write a group as these chunks, or as a single one if that is smaller.

        bits: the cross-entropy over those of the model.
        """
        layout = [] if group.layout is None else [group.layout.result()]
        coded = CodedGroup(group.data, group.content, [*layout, *chunks])
        if group.unaided is not None:
            coded = self._smaller(coded, group.data, group.unaided)
        coded.write(self._writer, self._level)
        self._witness.written(group, coded)
        self._count(group, coded, bits)
        self._stats.n_bytes += len(group.data)
        self._under_way.pop(group, None)
        self._progress(self._stats.n_bytes + sum(self._under_way.values()))

    def _smaller(self, coded: CodedGroup, text: bytes, unaided: Unaided) -> CodedGroup:
        """Return a group as it was coded, or without the model if that is smaller."""
        n_bytes = self._size_of(coded)
        if unaided.is_beaten_by(n_bytes):
            return coded
        whole = CodedGroup(text, text, [unaided.result()])
        return whole if self._size_of(whole) < n_bytes else coded

    def _count(self, group: PreparedGroup, coded: CodedGroup, bits: float) -> None:
        """Count a group as it was written."""
        for chunk in coded.chunks:
            self._stats.count(chunk)
        if any(chunk.kind.needs_model for chunk in coded.chunks):
            self._stats.model_name = self._opened().ref.name
            self._stats.model_bits += bits
        if coded.has_layout:
            self._stats.count_layout(group.supplied)

    def _best_of_run(
        self, group: PreparedGroup, run: PreparedRun, n_done: int, intervals: Iterator[Intervals]
    ) -> Coded:
        """Return the chunks of `run` by the model, or one classical chunk if that is smaller."""
        if run.tokens is None:
            return Coded([run.unaided.result()], 0.0)
        pieces = run.pieces(self._level.target_tokens)
        found: list[Intervals] = []
        for piece, one in zip(pieces, islice(intervals, len(pieces)), strict=True):
            found.append(one)
            n_done += len(piece.data)
            self._progress(n_done)
        self._witness.predicted(group, {run: Predicted(pieces, found)})
        coded = coded_pieces(pieces, found)
        if not self._is_model_best(run, coded.chunks):
            return Coded([run.unaided.result()], 0.0)
        return coded

    def _file_size(self, chunks: list[Chunk], text: bytes) -> int:
        """Return how large a file of these chunks alone would be, everything included."""
        return self._size_of(CodedGroup(text, text, chunks))

    def _size_of(self, group: CodedGroup) -> int:
        writer = Writer(io.BytesIO(), self._options)
        if any(chunk.kind.needs_model for chunk in group.chunks):
            writer.model(self._opened().ref)
        group.write(writer, self._level)
        writer.finish(self._in_view())
        return writer.n_written

    def _opened(self) -> OpenedModel:
        if self._model is None:
            begin_s = time.monotonic()
            self._model = self._open_model()
            self._stats.way = self._model.predictor.way
            self._stats.opening_seconds = time.monotonic() - begin_s
            self._writer.model(self._model.ref)
            self._progress(self._stats.n_bytes)  # from here on its speed counts
        return self._model

    def _in_view(self) -> int:
        return 0 if self._model is None else self._model.predictor.in_view

    def _by_shortlist(self, group: PreparedGroup) -> PreparedGroup:
        return by_shortlist(group, self._opened, self._level) if group.for_model else group

    def _tokenizer(self) -> Tokenizer:
        return self._opened().tokenizer
