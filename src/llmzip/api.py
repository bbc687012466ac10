"""The library: compress and decompress bytes, or streams with a model that is kept open.

Importing this imports neither numpy nor torch; the first call does.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from llmzip.container.limits import MAX_DICTIONARY_BYTES
from llmzip.errors import DeviceError, DictionaryError, FingerprintError, UsageError
from llmzip.models.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmzip.codec import Progress, Stats
    from llmzip.codec.access import GroupAccess
    from llmzip.codec.levels import Level
    from llmzip.codec.push import PushDecoder, PushEncoder
    from llmzip.container import ModelRef, Options, Summary
    from llmzip.predict import OpenedPredictor

DEFAULT_LEVEL = 5


def compress(
    data: bytes,
    *,
    model: str = DEFAULT_MODEL,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    level: int = DEFAULT_LEVEL,
    chunk_tokens: int | None = None,
    dictionary: bytes | None = None,
    exact: bool = True,
) -> bytes:
    """Return `data` as a .llmz file. The arguments are those of Compressor.

    For more than one text, keep a Compressor: it opens the model once.
    Raises ModelError, DeviceError, UsageError; TypeError if `data` is no bytes.
    """
    _require_bytes(data)
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
    compressor.compress(io.BytesIO(data), sink)
    return sink.getvalue()


def decompress(
    data: bytes,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    dictionary: bytes | None = None,
    force_foreign: bool = False,
) -> bytes:
    """Return what the .llmz file `data` holds. The arguments are those of Decompressor.

    Raises FormatError, ModelError, DeviceError; TypeError if `data` is no bytes.
    """
    _require_bytes(data)
    source, sink = io.BytesIO(data), io.BytesIO()
    decoded_size(source)
    decompressor = Decompressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        dictionary=dictionary,
        force_foreign=force_foreign,
    )
    decompressor.decompress(source, sink)
    return sink.getvalue()


def inspect(source: BinaryIO) -> Iterator[Summary]:
    """Yield what each member of a .llmz file holds; every byte is checked. Raises FormatError."""
    from llmzip import container

    return container.inspect(source)


def decoded_size(source: BinaryIO) -> int | None:
    """Check every byte of a .llmz file without decoding it; return its decoded size in bytes.

    Leaves `source` where it was. Of a source that cannot seek nothing is read: None.
    Raises FormatError.
    """
    if not source.seekable():
        return None
    start = source.tell()
    n_bytes = sum(member.n_bytes for member in inspect(source))
    source.seek(start)
    return n_bytes


class Compressor:
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

    Raises UsageError for numbers out of range, and for options that contradict each other.
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
        dictionary: bytes | None = None,
        exact: bool = True,
        quiet: bool = True,
    ) -> None:
        _require_positive(threads=threads, batch=batch)
        self._level = _level(level, chunk_tokens, exact)
        if dictionary is not None:
            _check_dictionary(dictionary)
            if not self._level.options.adaptive:
                raise UsageError("a dictionary is for levels 3 to 9, without floating point")
            self._level = self._level.roomy()
        self._dictionary = dictionary
        self._name = model
        self._how = _HowToRun(device, threads, batch, quiet)
        self._exact = exact
        self._opened: OpenedPredictor | None = None

    def compress(self, source: BinaryIO, sink: BinaryIO, progress: Progress | None = None) -> Stats:
        """Compress all of `source` onto `sink`, which is neither flushed nor closed.

        A source that cannot seek is read ahead by a thread of its own.
        progress: called with the number of bytes dealt with so far.
        Raises ModelError, DeviceError, OSError; UsageError if chunk_tokens are too few.
        """
        from llmzip.codec import encode_stream, unseen

        return encode_stream(source, sink, self._open, self._level_to_write(), progress or unseen)

    def _level_to_write(self) -> Level:
        if self._dictionary is None:
            return self._level
        # its mark, in the file's first bytes, is the model's too
        return self._level.with_dictionary(self._open().dictionary)

    def pushed(self, sink: BinaryIO) -> PushEncoder:
        """Return what takes the input piece by piece and writes one file onto `sink`."""
        from llmzip.codec.push import PushEncoder

        return PushEncoder(sink, self._open, self._level_to_write())

    def _open(self) -> OpenedPredictor:
        if self._opened is None:
            self._opened = self._how.open(
                self._name, self._level.options, self._exact, self._dictionary
            )
        return self._opened


class Decompressor:
    """Decompresses streams, keeping the model that was needed last.

    model: where the model is, if not where the file says; its fingerprint must fit all the same.
    default_model: the model of files that name none, as small ones with a dictionary do.
    dictionary: what files need that were made with one; others do not mind it.
    device, threads, batch, quiet: as for Compressor.
    force_foreign: try files that the float predictor made on another machine.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        batch: int | None = None,
        dictionary: bytes | None = None,
        default_model: str = DEFAULT_MODEL,
        force_foreign: bool = False,
        quiet: bool = True,
    ) -> None:
        _require_positive(threads=threads, batch=batch)
        if dictionary is not None:
            _check_dictionary(dictionary)
        self._dictionary = dictionary
        self._name = model
        self._default_model = default_model
        self._batch = batch
        self._how = _HowToRun(device, threads, batch, quiet)
        self._force_foreign = force_foreign
        self._opened: OpenedPredictor | None = None
        self._opened_for: tuple[ModelRef | None, Options] | None = None

    def decompress(
        self, source: BinaryIO, sink: BinaryIO, progress: Progress | None = None
    ) -> Stats:
        """Decompress all members of `source` onto `sink`, which is neither flushed nor closed.

        progress: called with the number of bytes written or nearly so.
        Raises FormatError (what was written by then is right, but not all), ModelError,
        DeviceError, OSError.
        """
        from llmzip.codec import decode_stream, unseen

        return decode_stream(source, sink, self._open, self._batch, progress or unseen)

    def pieces(self, source: BinaryIO) -> Iterator[bytes]:
        """Yield what all members of `source` decompress to, chunk by chunk.

        Raises as decompress() does.
        """
        from llmzip.codec.decode import decoded_pieces

        return decoded_pieces(source, self._open, self._batch)

    def pushed(self) -> PushDecoder:
        """Return what takes one member piece by piece and gives its text."""
        from llmzip.codec.push import PushDecoder

        return PushDecoder(self._open, self._batch)

    def access(self, source: BinaryIO) -> GroupAccess:
        """Return what decompresses any group of `source`, which must be able to seek.

        Raises FormatError, OSError.
        """
        from llmzip.codec.access import GroupAccess

        return GroupAccess(source, self._open, self._batch)

    def _open(self, ref: ModelRef | None, options: Options) -> OpenedPredictor:
        if self._opened is None or self._opened_for != (ref, options):
            self._opened = None  # its memory is wanted for the next
            self._opened = self._open_checked(ref, options)
            self._opened_for = ref, options
        return self._opened

    def _open_checked(self, ref: ModelRef | None, options: Options) -> OpenedPredictor:
        dictionary = None if options.dictionary is None else self._dictionary
        if options.dictionary is not None and dictionary is None:
            raise DictionaryError(
                "the file needs the dictionary that it was made with; give it with --dict"
            )
        model = self._name or ref or self._default_model
        opened = self._how.open(model, options, ref is None or ref.portable, dictionary)
        if ref is not None:
            _check_same(opened.ref, ref, self._force_foreign)
        if opened.dictionary != options.dictionary:
            raise DictionaryError(
                "the file needs the dictionary and the model that it was made with, and these are "
                f"not both the same here (the model is {opened.ref.name}); --dict and -m say which"
            )
        return opened


def _check_same(here: ModelRef, wanted: ModelRef, force_foreign: bool) -> None:
    """Raise unless the model opened here computes what the file was made with."""
    if here.fingerprint != wanted.fingerprint:
        raise FingerprintError(
            f"the file needs model {wanted.name} with fingerprint {wanted.fingerprint.hex()}, "
            f"but {here.name} here has {here.fingerprint.hex()}; say with -m where the right one is"
        )
    if here.machine != wanted.machine and not force_foreign:
        raise DeviceError(
            "the file was made in floating point and can be decoded only on the machine, device "
            "and library versions that made it; --force-foreign tries all the same"
        )


class _HowToRun:
    """The settings that choose speed, never bytes."""

    def __init__(self, device: str, threads: int | None, batch: int | None, quiet: bool) -> None:
        if device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"no device {device!r}: choose auto, cpu or cuda")
        self._device = device
        self._threads = threads
        self._batch = batch
        self._quiet = quiet

    def open(
        self, model: str | ModelRef, options: Options, exact: bool, dictionary: bytes | None
    ) -> OpenedPredictor:
        """Open the model that a person names or a file records."""
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
        )


def _level(number: int, chunk_tokens: int | None, exact: bool) -> Level:
    """Return what a level and its exceptions come to. Raises UsageError."""
    from llmzip.codec.levels import FROZEN_LEVEL, LEVELS

    if number not in LEVELS:
        raise UsageError(f"level cannot be {number}: choose 1 to 9")
    level = LEVELS[number if exact else min(number, FROZEN_LEVEL)]
    if chunk_tokens is None:
        return level
    try:
        return level.with_chunks(chunk_tokens)
    except ValueError as exc:
        raise UsageError(f"chunk_tokens cannot be {chunk_tokens}: choose 1 to 65536") from exc


def _check_dictionary(dictionary: bytes) -> None:
    """Raise unless it can be one."""
    _require_bytes(dictionary)
    if not 1 <= len(dictionary) <= MAX_DICTIONARY_BYTES:
        raise UsageError(
            f"a dictionary cannot have {len(dictionary):,} bytes: 1 to {MAX_DICTIONARY_BYTES:,}"
        )


def _require_positive(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} cannot be {number}: choose 1 or more")


def _require_bytes(data: object) -> None:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__}")
