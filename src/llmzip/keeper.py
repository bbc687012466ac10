"""What compressors and decompressors share: a model that stays open, and how it is to be run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from llmzip.buffers import as_bytes
from llmzip.container.limits import MAX_DICTIONARY_BYTES
from llmzip.errors import UsageError
from llmzip.kept import Kept

if TYPE_CHECKING:
    from typing import Self

    from _typeshed import ReadableBuffer

    from llmzip.container import ModelRef, Options
    from llmzip.predict import OpenedPredictor

T = TypeVar("T")


class ModelKeeper:
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


class HowToRun:
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


def numbered(results: Iterator[bytes], what: str) -> Iterator[bytes]:
    """Yield `results`; note on an error which of those that were given it is about."""
    number = 0
    try:
        for number, result in enumerate(results, 1):  # noqa: B007
            yield result
    except Exception as exc:
        exc.add_note(f"{what} {number}, the first being 0")
        raise


def dictionary_bytes(data: ReadableBuffer) -> bytes:
    """Return what is to be a dictionary. Raises TypeError, UsageError."""
    view = as_bytes(data)
    if not 1 <= view.nbytes <= MAX_DICTIONARY_BYTES:
        raise UsageError(
            f"a dictionary cannot have {view.nbytes:,} bytes: 1 to {MAX_DICTIONARY_BYTES:,}"
        )
    return bytes(view)


def require_positive(**numbers: int | None) -> None:
    """Raise UsageError for a number below 1."""
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} cannot be {number}: choose 1 or more")
