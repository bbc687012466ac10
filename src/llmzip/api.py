"""The library: compress and decompress bytes, or streams with a model that is kept open.

Importing this imports neither numpy nor torch; the first call does.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from llmzip.arguments import level_number, require_sink, require_source
from llmzip.buffers import as_bytes, as_stream
from llmzip.container.limits import MAX_DICTIONARY_BYTES
from llmzip.errors import (
    DictionaryError,
    FingerprintError,
    LlmzipError,
    ModelNotFoundError,
    TrailingError,
    UsageError,
)
from llmzip.kept import Kept
from llmzip.looking import decoded_size
from llmzip.models.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from typing import Self

    from _typeshed import ReadableBuffer

    from llmzip.codec import OnTrailing, Progress, Recovery, Stats
    from llmzip.codec.access import GroupAccess
    from llmzip.codec.decode import Known
    from llmzip.codec.decode_many import AheadProgress
    from llmzip.codec.levels import Level
    from llmzip.codec.many import Encoded
    from llmzip.codec.push import PushDecoder, PushEncoder
    from llmzip.container import ModelRef, Options
    from llmzip.predict import OpenedPredictor

T = TypeVar("T")

DEFAULT_LEVEL = 5


def compress(
    data: ReadableBuffer,
    level: int = DEFAULT_LEVEL,
    *,
    model: str = DEFAULT_MODEL,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk_tokens: int | None = None,
    dictionary: ReadableBuffer | None = None,
    exact: bool = True,
) -> bytes:
    """Return `data`, anything with the buffer protocol, as a .llmz file.

    The arguments are those of Compressor. For more than one text, keep one: it opens the model
    once.
    Raises ModelError, DeviceError, UsageError; TypeError if `data` is no bytes.
    """
    source = as_stream(data)
    compressor = Compressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        level=level,
        chunk_tokens=chunk_tokens,
        dictionary=dictionary,
        exact=exact,
    )
    sink = io.BytesIO()
    compressor.compress(source, sink)
    return sink.getvalue()


def decompress(
    data: ReadableBuffer,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    dictionary: ReadableBuffer | None = None,
    force_foreign: bool = False,
    max_output: int | None = None,
    memlimit: int | None = None,
    allow_hub: bool = False,
) -> bytes:
    """Return what the .llmz file `data`, anything with the buffer protocol, holds.

    The arguments are those of Decompressor. Zeros after its end are padding.
    Raises FormatError (TrailingError where other data follows), LimitError, ModelError,
    DeviceError; TypeError if `data` is no bytes.
    """
    source, sink = as_stream(data), io.BytesIO()
    decompressor = Decompressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        dictionary=dictionary,
        force_foreign=force_foreign,
        max_output=max_output,
        memlimit=memlimit,
        allow_hub=allow_hub,
    )
    decompressor.decoded_size(source)
    decompressor.decompress(source, sink)
    return sink.getvalue()


class _ModelKeeper:
    """What an object that keeps a model open promises.

    Threads may share it: their calls are made one after the other. In a child that was forked
    while none was running it opens its model anew, and so it does where it is unpickled. A call
    that was interrupted, with Ctrl-C for one, leaves it fit for use.
    """

    def __init__(self) -> None:
        self._kept = Kept()

    def close(self) -> None:
        """Free the model and its threads, once the call that runs is done; the next opens it anew.

        Raises UsageError from within such a call.
        """
        self._kept.close()

    def in_turn(self, work: Callable[[], T]) -> T:
        """Run `work` while no other thread uses this object; return what it returns.

        Raises UsageError from within a call.
        """
        return self._kept.call(work)

    def _pieces_in_turn(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        while (piece := self._kept.call(lambda: next(pieces, None))) is not None:
            yield piece

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Compressor(_ModelKeeper):
    """Compresses streams with one model, which it opens when it first meets text.

    model: a name, a folder, a .gguf file or a hub id.
    device: "cpu", "cuda" or "auto".
    threads, batch: speed and memory only; None chooses. The bytes never depend on them.
    level: 1 (fast) to 9 (small).
    chunk_tokens: tokens a chunk at most, 1 to 65,536 and no fewer than the model's vocabulary
        takes to spell any byte (smollm2-135m: 2); None leaves it to the level.
    dictionary: a text like those to come, best with the likest at its end; whoever decompresses
        needs it too. For levels from 3 on.
    exact: False runs the model in floating point: any architecture, but this machine only.
    quiet: do not tell on standard error when a model is fetched.

    Raises UsageError for numbers out of range, and for options that contradict each other;
    TypeError for a level that is no integer. Methods raise TypeError for a source or a sink that
    is no binary file object.
    """

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        device: str = "auto",
        threads: int | None = None,
        batch: int | None = None,
        level: int = DEFAULT_LEVEL,
        chunk_tokens: int | None = None,
        dictionary: ReadableBuffer | None = None,
        exact: bool = True,
        quiet: bool = True,
    ) -> None:
        super().__init__()
        _require_positive(threads=threads, batch=batch)
        self._level = _level(level, chunk_tokens, exact)
        self._dictionary = None if dictionary is None else _dictionary(dictionary)
        if dictionary is not None:
            if not self._level.options.adaptive:
                raise UsageError("a dictionary is for levels 3 to 9, without floating point")
            self._level = self._level.roomy()
        self._name = model
        self._how = _HowToRun(device, threads, batch, quiet)
        self._exact = exact

    def compress(self, source: BinaryIO, sink: BinaryIO, progress: Progress | None = None) -> Stats:
        """Compress all of `source` onto `sink`, which is neither flushed nor closed.

        A source that cannot seek is read ahead by a thread of its own.
        progress: called with the number of bytes dealt with so far.
        Raises ModelError, DeviceError, OSError; UsageError if chunk_tokens are too few, and where
        the object cannot be used: within a call of its own, or forked during one.
        """
        from llmzip.codec import encode_stream, unseen

        require_source(source)
        require_sink(sink)

        def work() -> Stats:
            level = self._marked_level()
            return encode_stream(source, sink, self._open, level, progress or unseen)

        return self._kept.call(work)

    def resume(
        self, source: BinaryIO, unfinished: BinaryIO, progress: Progress | None = None
    ) -> Stats:
        """Complete what an earlier compress(), of the same input with the same arguments, began.

        unfinished: what it has written, open for reading and writing, with seek and truncate. Its
            whole groups stay; the result is the same as if there had been no interruption.
        Raises ResumeError if that is no beginning of this output; otherwise as compress does.
        """
        from llmzip.codec import resume_encoding, unseen

        require_source(source)
        require_sink(unfinished)

        def work() -> Stats:
            level = self._marked_level()
            return resume_encoding(source, unfinished, self._open, level, progress or unseen)

        return self._kept.call(work)

    def compress_many(self, texts: Iterable[ReadableBuffer]) -> Iterator[bytes]:
        """Yield each of `texts`, bytes or whatever has the buffer protocol, as a .llmz file.

        Each file is what compress() makes of its text alone, and they come in order; but the
        model works on many small texts at once, which is many times as fast. Texts are taken as
        files are wanted, up to 256 of them or 64 KiB ahead, so `texts` need have no end, nor be
        in memory. In floating point (exact=False) the model still goes through one by one.

        Raises as compress does, and TypeError for a text that is none, once the files of all
        before it are out; a note says which one it was. What `texts` raises comes then, too.
        """
        from llmzip.codec.many import batches

        def files() -> Iterator[bytes]:
            for batch in batches(texts):
                try:
                    found = self.encode_batch(batch)
                except (LlmzipError, OSError, MemoryError):  # it comes up again, in its place
                    for text in batch:
                        yield self.encode_batch([text])[0].file
                else:
                    yield from (one.file for one in found)

        return _numbered(files(), "text")

    def encode_batch(
        self, texts: Sequence[bytes], progress: Progress | None = None
    ) -> list[Encoded]:
        """Return what compress_many() makes of small texts, with the figures, or raise for all.

        progress: called with the number of bytes of all of them dealt with so far.
        """
        from llmzip.codec import unseen
        from llmzip.codec.many import encode_batch

        def work() -> list[Encoded]:
            return encode_batch(texts, self._open, self._marked_level(), progress or unseen)

        return self._kept.call(work)

    def _marked_level(self) -> Level:
        if self._dictionary is None:
            return self._level
        # its mark, in the file's first bytes, is the model's too
        return self._level.with_dictionary(self._open().dictionary)

    def pushed(self, sink: BinaryIO) -> PushEncoder:
        """Return what takes the input piece by piece and writes one file onto `sink`.

        To be used within `in_turn`.
        """
        from llmzip.codec.push import PushEncoder

        return PushEncoder(sink, self._open, self._marked_level)

    def _open(self) -> OpenedPredictor:
        how = self._name, self._level.options, self._exact, self._dictionary
        return self._kept.model(None, partial(self._how.open, *how))


class Decompressor(_ModelKeeper):
    """Decompresses streams, keeping the model that was needed last.

    model: where the model is, if not where the file says; its fingerprint must fit all the same.
    default_model: the model of files that name none, as small ones with a dictionary do.
    dictionary: what files need that were made with one; others do not mind it.
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
        default_model: str = DEFAULT_MODEL,
        force_foreign: bool = False,
        max_output: int | None = None,
        memlimit: int | None = None,
        allow_hub: bool = False,
        quiet: bool = True,
    ) -> None:
        super().__init__()
        _require_positive(threads=threads, batch=batch, max_output=max_output, memlimit=memlimit)
        self._dictionary = None if dictionary is None else _dictionary(dictionary)
        self._name = model
        self._default_model = default_model
        self._batch = batch
        self._how = _HowToRun(device, threads, batch, quiet, allow_hub)
        self._force_foreign = force_foreign
        self._max_output, self._memlimit = max_output, memlimit

    def decoded_size(self, source: BinaryIO, allow_trailing: bool = False) -> int | None:
        """Do what llmzip.looking.decoded_size does; LimitError if more than may come out."""
        from llmzip.container import check_output

        require_source(source)
        start = source.tell() if source.seekable() else 0
        n_bytes = decoded_size(source, allow_trailing)
        if n_bytes is not None:
            n_file_bytes = source.seek(0, io.SEEK_END) - start
            source.seek(start)
            check_output(n_bytes, n_file_bytes, self._max_output)
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

        return _numbered(texts(), "file")

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
        )

    def pushed(self) -> PushDecoder:
        """Return what takes one member piece by piece and gives its text.

        To be used within `in_turn`.
        """
        from llmzip.codec.push import PushDecoder

        return PushDecoder(self._open, self._batch, self._max_output, self._memlimit)

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
        )

    def _open(self, ref: ModelRef | None, options: Options) -> OpenedPredictor:
        return self._kept.model((ref, options), partial(self._open_checked, ref, options))

    def _open_checked(self, ref: ModelRef | None, options: Options) -> OpenedPredictor:
        dictionary = None if options.dictionary is None else self._dictionary
        if options.dictionary is not None and dictionary is None:
            raise DictionaryError(
                "the file needs the dictionary that it was made with; give it with --dict"
            )
        model = self._name or ref or self._default_model
        exact = ref is None or ref.portable
        machine = None if ref is None or self._force_foreign else ref.machine
        opened = self._how.open(model, options, exact, dictionary, machine)
        if ref is not None:
            _check_same(opened.ref, ref)
        if opened.dictionary != options.dictionary:
            raise DictionaryError(
                "the file needs the dictionary and the model that it was made with, and these are "
                f"not both the same here (the model is {opened.ref.name}); --dict and -m say which"
            )
        return opened


def _numbered(results: Iterator[bytes], what: str) -> Iterator[bytes]:
    """Yield `results`; note on an error which of those that were given it is about."""
    number = 0
    try:
        for number, result in enumerate(results, 1):  # noqa: B007
            yield result
    except Exception as exc:
        exc.add_note(f"{what} {number}, the first being 0")
        raise


def _but_padding(error: TrailingError) -> None:
    """Raise `error` unless zeros follow, as where files are padded to whole blocks."""
    if not error.is_padding:
        raise error


def _check_same(here: ModelRef, wanted: ModelRef) -> None:
    """Raise unless the model opened here is the one that the file was made with."""
    if here.fingerprint != wanted.fingerprint:
        raise FingerprintError(
            f"the file needs model {wanted.name} with fingerprint {wanted.fingerprint.hex()}, "
            f"but {here.name} here has {here.fingerprint.hex()}; say with -m where the right one is"
        )


class _HowToRun:
    """The settings that choose speed, never bytes."""

    def __init__(
        self,
        device: str,
        threads: int | None,
        batch: int | None,
        quiet: bool,
        allow_hub: bool = False,
    ) -> None:
        if device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"no device {device!r}: choose auto, cpu or cuda")
        self._device = device
        self._threads = threads
        self._batch = batch
        self._quiet = quiet
        self._allow_hub = allow_hub

    def open(
        self,
        model: str | ModelRef,
        options: Options,
        exact: bool,
        dictionary: bytes | None,
        machine: bytes | None = None,
    ) -> OpenedPredictor:
        """Open the model that a person names or a file records; see open_predictor."""
        from llmzip.predict import open_predictor

        return open_predictor(
            model,
            device=self._device,
            threads=self._threads,
            batch=self._batch,
            exact=exact,
            options=options,
            quiet=self._quiet,
            dictionary=dictionary,
            allow_hub=self._allow_hub,
            machine=machine,
        )


def _level(number: int, chunk_tokens: int | None, exact: bool) -> Level:
    """Return what a level and its exceptions come to. Raises UsageError."""
    from llmzip.codec.levels import FROZEN_LEVEL, LEVELS

    number = level_number(number)
    if number not in LEVELS:
        raise UsageError(f"level cannot be {number}: choose 1 to 9")
    level = LEVELS[number if exact else min(number, FROZEN_LEVEL)]
    if chunk_tokens is None:
        return level
    try:
        return level.with_chunks(chunk_tokens)
    except ValueError as exc:
        raise UsageError(f"chunk_tokens cannot be {chunk_tokens}: choose 1 to 65536") from exc


def _dictionary(data: ReadableBuffer) -> bytes:
    """Return what is to be a dictionary. Raises TypeError, UsageError."""
    view = as_bytes(data)
    if not 1 <= view.nbytes <= MAX_DICTIONARY_BYTES:
        raise UsageError(
            f"a dictionary cannot have {view.nbytes:,} bytes: 1 to {MAX_DICTIONARY_BYTES:,}"
        )
    return bytes(view)


def _require_positive(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} cannot be {number}: choose 1 or more")
