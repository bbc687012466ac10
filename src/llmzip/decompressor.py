"""Decompressing, the model that was needed last being kept."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from llmzip.arguments import require_sink, require_source
from llmzip.errors import (
    DictionaryError,
    FingerprintError,
    ModelNotFoundError,
    TrailingError,
    UsageError,
)
from llmzip.keeper import HowToRun, ModelKeeper, dictionary_bytes, numbered, require_positive
from llmzip.looking import decoded_size
from llmzip.models.catalog import DEFAULT_MODEL, OLDER_DEFAULTS
from llmzip.reference import Reference

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from llmzip.codec import OnTrailing, Progress, Recovery, Stats
    from llmzip.codec.access import CodedPart, GroupAccess, Parts
    from llmzip.codec.decode import Known
    from llmzip.codec.decode_many import AheadProgress
    from llmzip.codec.parts import EncodedPart
    from llmzip.codec.push import PushDecoder
    from llmzip.container import ModelRef, Options
    from llmzip.predict import OpenedPredictor


class Decompressor(ModelKeeper):
    """Decompresses streams, keeping the model that was needed last.

    model: where the model is, if not where the file says; its fingerprint must fit all the same.
    default_model: the model of files that name none, as small ones with a dictionary do.
    dictionary: what files need that were made with one; others do not mind it.
    patch_from: what files need that were made from it; others do not mind it. As for Compressor.
    device, threads, batch, quiet: as for Compressor.
    force_foreign: try files that the float predictor made on another machine.
    max_output: how many bytes a source may decode to. None allows what no text exceeds: a GiB and
        10,000 bytes for each of the file; a chunk may then not claim more tokens than an encoder
        gets into its bytes.
    memlimit: how many bytes of memory decoding may take beside the model. Fewer chunks are
        decoded side by side if need be; chunks that learn from each other need it all.
    allow_hub: fetch whatever repository of the Hugging Face hub a file names, with nobody's token.
        Without it only models of the catalog are fetched, and of others what is here is used.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        batch: int | None = None,
        dictionary: ReadableBuffer | None = None,
        patch_from: ReadableBuffer | str | os.PathLike[str] | None = None,
        default_model: str = DEFAULT_MODEL,
        force_foreign: bool = False,
        max_output: int | None = None,
        memlimit: int | None = None,
        allow_hub: bool = False,
        quiet: bool = True,
    ) -> None:
        super().__init__()
        require_positive(threads=threads, batch=batch, max_output=max_output, memlimit=memlimit)
        self._dictionary = None if dictionary is None else dictionary_bytes(dictionary)
        self._reference = None if patch_from is None else Reference(patch_from)
        self._name = model
        self._default_model = default_model
        self._batch = batch
        self._how = HowToRun(device, threads, batch, quiet, allow_hub)
        self._force_foreign = force_foreign
        self._max_output, self._memlimit = max_output, memlimit

    def decoded_size(self, source: BinaryIO, allow_trailing: bool = False) -> int | None:
        """Do what llmzip.looking.decoded_size does; LimitError if more than may come out."""
        from llmzip.container.layouts import check_size

        require_source(source)
        start = source.tell() if source.seekable() else 0
        n_bytes = decoded_size(source, allow_trailing)
        if n_bytes is not None:
            n_file_bytes = source.seek(0, io.SEEK_END) - start
            check_size(source, n_bytes, n_file_bytes, self._max_output)
            source.seek(start)
        return n_bytes

    def decompress(
        self,
        source: BinaryIO,
        sink: BinaryIO,
        progress: Progress | None = None,
        on_trailing: OnTrailing | None = None,
        known: Known | None = None,
    ) -> Stats:
        """Decompress all members of `source` onto `sink`, which is neither flushed nor closed.

        progress: called with the number of bytes written or nearly so.
        on_trailing: called with the TrailingError where other data follows the last member, once
            all is written; None raises it, but takes zeros for padding.
        known: what decode_ahead() has returned for this very file.
        Raises FormatError and LimitError (what was written by then is right, but not all),
        ModelError, DeviceError, OSError; UsageError where the object cannot be used: within a
        call of its own, or forked during one.
        """
        from llmzip.codec import decode_stream, unseen

        require_source(source)
        require_sink(sink)

        def work() -> Stats:
            return decode_stream(
                source,
                sink,
                self._open,
                self._batch,
                progress or unseen,
                on_trailing or _but_padding,
                max_output=self._max_output,
                memlimit=self._memlimit,
                known=known,
                reference=self._opened_reference(),
            )

        return self._kept.call(work)

    def resume(
        self,
        source: BinaryIO,
        unfinished: BinaryIO,
        progress: Progress | None = None,
        on_trailing: OnTrailing | None = None,
    ) -> Stats:
        """Complete what an earlier decompress() of the same file began; whole groups stay.

        unfinished: what it has written, open for reading and writing, with seek and truncate.
        Raises ResumeError if that is no beginning of this output; UsageError if `source` cannot
        seek; otherwise as decompress does.
        """
        from llmzip.codec import resume_decoding, unseen

        require_source(source)
        require_sink(unfinished)
        if not source.seekable():
            raise UsageError("decompressing can go on with a file only, not with a pipe")

        def work() -> Stats:
            return resume_decoding(
                source,
                unfinished,
                self._open,
                self._batch,
                progress or unseen,
                on_trailing or _but_padding,
                max_output=self._max_output,
                memlimit=self._memlimit,
                reference=self._opened_reference(),
            )

        return self._kept.call(work)

    def recover(
        self, source: BinaryIO, sink: BinaryIO, progress: Progress | None = None
    ) -> Recovery:
        """Decompress what is undamaged of `source` onto `sink`, with marks for what is lost.

        Every group without damage comes back; of damaged ones every chunk that needs no other
        (all of levels 1 and 2, and what the model did not code), each verified by its checksum.
        A mark is `[llmzip: 1,048,576 bytes lost: 4,194,304 to 5,242,879]`, both ends inclusive,
        on a line of its own. What the result names as lost is to the byte where the file still
        tells. A source that cannot seek is read to its end first. Where the record of the model
        is damaged, the Decompressor needs to be told the model.

        progress: called with the number of bytes written.
        Raises CorruptError if nothing of a .llmz file is found, LimitError, ModelError,
        DeviceError, OSError; UsageError as decompress does.
        """
        from llmzip.codec import recover_stream, unseen

        require_source(source)
        require_sink(sink)

        def work() -> Recovery:
            return recover_stream(
                source,
                sink,
                self._open_to_recover,
                self._batch,
                progress or unseen,
                max_output=self._max_output,
                memlimit=self._memlimit,
                reference=self._opened_reference(),
            )

        return self._kept.call(work)

    def decompress_many(self, files: Iterable[ReadableBuffer]) -> Iterator[bytes]:
        """Yield what each of `files`, bytes or whatever has the buffer protocol, decompresses to.

        What comes is what decompress() makes of each alone, in order; but the model works on
        many small files at once, which is many times as fast. Files are taken as texts are
        wanted, up to 256 of them or 64 KiB ahead, so `files` need have no end, nor be in memory.

        Raises as decompress does, and TypeError for a file that is no bytes, once the texts of
        all before it are out; a note says which one it was. What `files` raises comes then, too.
        """
        from llmzip.codec.many import batches

        def texts() -> Iterator[bytes]:
            for batch in batches(files):
                for file, own in zip(batch, self.decode_ahead(batch), strict=True):
                    yield self._kept.call(partial(self._whole, file, own))

        return numbered(texts(), "file")

    def decode_ahead(
        self, files: Sequence[bytes], progress: AheadProgress | None = None
    ) -> list[Known | None]:
        """Let the model do its part for many small files at once.

        Return for each of `files` what decompress() may be told as `known`. Nothing is raised for
        a file that is damaged: that is left to decompress().
        progress: called with how many bytes are decoded of how many.
        """
        from llmzip.codec.decode_many import decode_ahead

        def work() -> list[Known | None]:
            return decode_ahead(
                files,
                self._open,
                self._batch,
                progress,
                max_output=self._max_output,
                memlimit=self._memlimit,
            )

        return self._kept.call(work)

    def _whole(self, file: bytes, known: Known | None) -> bytes:
        source = io.BytesIO(file)
        if known is None:
            self.decoded_size(source, allow_trailing=True)  # before a model is asked
        return b"".join(self._pieces(source, known))

    def _open_to_recover(
        self, ref: ModelRef | None, options: Options, is_sure: bool
    ) -> OpenedPredictor:
        """Open the model of a damaged file: the chunks' checksums tell whether it is the one."""
        if is_sure and (ref is not None or options.dictionary is not None):
            return self._open(ref, options)
        name = self._name or ref
        if name is None and options.dictionary is None:
            raise ModelNotFoundError(
                "what names the file's model is damaged; say with -m which model it was made with"
            )
        dictionary = None if options.dictionary is None else self._dictionary
        is_exact = ref is None or ref.portable
        default = name or self._default_model
        opening = partial(self._how.open, default, options, is_exact, dictionary)
        return self._kept.model((ref, options, "unsure"), opening)

    def pieces(self, source: BinaryIO) -> Iterator[bytes]:
        """Yield what all members of `source` decompress to, chunk by chunk.

        Raises as decompress() does.
        """
        require_source(source)
        return self._pieces_in_turn(self._pieces(source))

    def _pieces(self, source: BinaryIO, known: Known | None = None) -> Iterator[bytes]:
        from llmzip.codec.decode import decoded_pieces

        return decoded_pieces(
            source,
            self._open,
            self._batch,
            on_trailing=_but_padding,
            max_output=self._max_output,
            memlimit=self._memlimit,
            known=known,
            reference=self._opened_reference(),
        )

    def pushed(self) -> PushDecoder:
        """Return what takes one member piece by piece and gives its text.

        To be used within `in_turn`.
        """
        from llmzip.codec.push import PushDecoder

        limits = self._max_output, self._memlimit
        return PushDecoder(self._open, self._batch, *limits, self._opened_reference())

    def access(self, source: BinaryIO) -> GroupAccess:
        """Return what decompresses any group of `source`, which must be able to seek.

        Raises FormatError, OSError.
        """
        from llmzip.codec.access import GroupAccess

        require_source(source)
        return GroupAccess(
            source,
            self._open,
            self._pieces_in_turn,
            self._batch,
            max_output=self._max_output,
            memlimit=self._memlimit,
            reference=self._opened_reference(),
        )

    def parts(self, source: BinaryIO) -> Parts | None:
        """Return the groups of `source` so that each can be decoded elsewhere, by decode_part.

        None where it has but one, or is anything else than one whole member. Raises LimitError,
        OSError.
        """
        from llmzip.codec.access import parts_of

        require_source(source)
        return parts_of(source, self._max_output)

    def decode_part(
        self, packed: bytes, part: CodedPart, progress: Progress | None = None
    ) -> tuple[bytes, Stats]:
        """Return what a single group of a file decodes to, and the figures.

        packed: the bytes part.start to part.stop of the file. Every chunk is verified; the
        checksum of the whole file is not. Raises as decompress does.
        """
        from llmzip.codec import unseen
        from llmzip.codec.parts import decode_part

        def work() -> tuple[bytes, Stats]:
            return decode_part(
                packed,
                part,
                self._open,
                self._batch,
                progress or unseen,
                max_output=self._max_output,
                memlimit=self._memlimit,
            )

        return self._kept.call(work)

    def decode_after(self, part: EncodedPart, start: int, text: BinaryIO) -> bytes:
        """Return what a group decodes to that was made by Compressor.encode_part.

        It may copy from what stands before byte `start` of `text`, which can seek, and from the
        reference. Raises as decompress does.
        """
        from llmzip.codec.parts import decode_after
        from llmzip.layout.earlier import Past

        def work() -> bytes:
            past = Past(text, self._opened_reference())
            return decode_after(
                *(part, start, past, self._open, self._batch),
                max_output=self._max_output,
                memlimit=self._memlimit,
            )

        return self._kept.call(work)

    def _opened_reference(self) -> BinaryIO | None:
        return None if self._reference is None else self._reference.open()

    def _open(self, ref: ModelRef | None, options: Options) -> OpenedPredictor:
        key = None if ref is None else ref.nameless  # with a name and without, it is the same
        return self._kept.model((key, options), partial(self._open_checked, ref, options))

    def _open_checked(self, ref: ModelRef | None, options: Options) -> OpenedPredictor:
        dictionary = None if options.dictionary is None else self._dictionary
        if options.dictionary is not None and dictionary is None:
            raise DictionaryError(
                "the file needs the dictionary that it was made with; give it with --dict"
            )
        exact = ref is None or ref.portable
        machine = None if ref is None or self._force_foreign else ref.machine
        for model in self._candidates(ref):
            opened = self._how.open(model, options, exact, dictionary, machine)
            if ref is not None:
                _check_same(opened.ref, ref)
            if opened.dictionary == options.dictionary:
                return opened
        raise DictionaryError(
            "the file needs the dictionary and the model that it was made with, and these are "
            f"not both the same here (the model is {opened.ref.name}); --dict and -m say which"
        )

    def _candidates(self, ref: ModelRef | None) -> Sequence[str | ModelRef]:
        """Return which models to try, there being at least one."""
        asked = self._name or ref
        if asked is not None:
            return [asked]
        is_ours = self._default_model == DEFAULT_MODEL
        return [self._default_model, *(OLDER_DEFAULTS if is_ours else ())]


def _but_padding(error: TrailingError) -> None:
    """Raise `error` unless zeros follow, as where files are padded to whole blocks."""
    if not error.is_padding:
        raise error


def _check_same(here: ModelRef, wanted: ModelRef) -> None:
    """Raise unless the model opened here is the one that the file was made with."""
    if here.fingerprint != wanted.fingerprint:
        raise FingerprintError(
            f"the file needs {wanted.name or 'a model'} of fingerprint {wanted.fingerprint.hex()}, "
            f"but {here.name} here has {here.fingerprint.hex()}; say with -m where the right one is"
        )
