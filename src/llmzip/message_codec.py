"""Small messages between two sides that share a profile: nothing but what they have of surprise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from llmzip.buffers import as_bytes
from llmzip.errors import CorruptError, FingerprintError, UsageError
from llmzip.keeper import HowToRun, ModelKeeper, dictionary_bytes, numbered, require_positive
from llmzip.messages.profile import BEGINNING, MOST_CHECK_BYTES, Profile
from llmzip.models.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from llmzip.predict import OpenedPredictor

_TOGETHER = 32
"""Messages that are coded side by side."""


class MessageCodec(ModelKeeper):
    """Encodes and decodes messages with the model of a profile, which stays open.

    model: its name, folder or file, if it is not where the profile says; its fingerprint must fit.
    device: "cpu", "cuda" or "auto". threads: None chooses. These choose speed alone.
    allow_hub: fetch the model that the profile names from the hub, if it is not here.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        model: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        allow_hub: bool = False,
        quiet: bool = True,
    ) -> None:
        from llmzip.messages.exchange import Exchange  # and with it numpy

        super().__init__()
        require_positive(threads=threads)
        self.profile = profile
        self._model = model
        self._how = HowToRun(device, threads, None, quiet, allow_hub)
        self._exchange = Exchange(profile, self._open)

    def open(self) -> None:
        """Open the model now, rather than with the first message.

        Raises FingerprintError, ModelError, DeviceError, OSError.
        """
        self.in_turn(lambda: self._exchange.intervals([b" "]))

    def encode(self, message: str | ReadableBuffer) -> bytes:
        """Return the code of a message, at most a byte (and the check) longer than it is.

        A str is taken as UTF-8. Raises TypeError, ModelError, DeviceError, OSError.
        """
        return next(self.encode_many([message]))

    def decode(self, code: ReadableBuffer) -> bytes:
        """Return the message.

        Raises CorruptError for what is none, as far as that can be told, and as `encode` does.
        """
        return next(self.decode_many([code]))

    def encode_many(self, messages: Iterable[str | ReadableBuffer]) -> Iterator[bytes]:
        """Yield the codes of messages, in order; see `encode`. Many are coded side by side."""
        for texts in _batches(map(_text_bytes, messages)):
            yield from self.in_turn(partial(self._exchange.encoded, texts))

    def decode_many(self, codes: Iterable[ReadableBuffer]) -> Iterator[bytes]:
        """Yield the messages of codes, in order; see `decode`. Many are decoded side by side.

        Those before one that is wrong are yielded; a note on the error says which one that is.
        """
        return numbered(self._decoded(codes), "message")

    def _decoded(self, codes: Iterable[ReadableBuffer]) -> Iterator[bytes]:
        for some in _batches(bytes(as_bytes(code)) for code in codes):
            for found in self.in_turn(partial(self._exchange.decoded, some)):
                if isinstance(found, CorruptError):
                    raise found
                yield found

    def bits(self, message: str | ReadableBuffer) -> float:
        """Return how many bits a message has of surprise, which its code has to hold.

        Raises UsageError for one that is too long for a model, and as `encode` does.
        """
        from llmzip.messages.coding import MOST_TOKENS
        from llmzip.messages.surprise import bits_of

        text = _text_bytes(message)
        intervals = self.in_turn(lambda: self._exchange.intervals([text])[0])
        if text and intervals is None:
            raise UsageError(
                f"a message of {len(text):,} bytes has more than {MOST_TOKENS:,} tokens: "
                "llmzip.score says the bits of long texts"
            )
        return bits_of(intervals)

    def _open(self) -> OpenedPredictor:
        """Within a call: the model, opened if it is not. Raises FingerprintError."""
        from llmzip.container import ModelRef
        from llmzip.messages.options import MESSAGE_OPTIONS

        profile = self.profile
        ref = ModelRef(profile.model, profile.source, profile.fingerprint)
        dictionary = profile.dictionary or None

        def open_model() -> OpenedPredictor:
            return self._how.open(
                self._model or ref, MESSAGE_OPTIONS, exact=True, dictionary=dictionary
            )

        opened = self._kept.model(None, open_model)
        if opened.ref.fingerprint != ref.fingerprint:
            raise FingerprintError(
                f"the profile is of model {ref.name} with fingerprint {ref.fingerprint.hex()}, but "
                f"{opened.ref.name} here has {opened.ref.fingerprint.hex()}"
            )
        return opened


def make_profile(
    model: str = DEFAULT_MODEL,
    *,
    dictionary: bytes = BEGINNING,
    n_check_bytes: int = 0,
    quiet: bool = True,
) -> Profile:
    """Return a profile, for both sides; the model is fetched and prepared where it is not here.

    dictionary: a text like the messages to come, the likest last; by default a short one like any.
    Of none, b"", messages are seen as the beginnings of documents.
    Raises UsageError, ModelError, OSError.
    """
    from llmzip.container.limits import FINGERPRINT_BYTES
    from llmzip.models.files import locate
    from llmzip.models.prepared import fingerprint_of

    if dictionary:
        dictionary = dictionary_bytes(dictionary)
    if not 0 <= n_check_bytes <= MOST_CHECK_BYTES:
        raise UsageError(f"a check cannot have {n_check_bytes} bytes: 0 to {MOST_CHECK_BYTES}")
    files = locate(model, quiet=quiet)
    fingerprint = fingerprint_of(files, quiet=quiet)[:FINGERPRINT_BYTES]
    return Profile(files.name, files.source, fingerprint, dictionary, n_check_bytes)


def _batches(items: Iterable[bytes]) -> Iterator[list[bytes]]:
    left = iter(items)
    while some := list(islice(left, _TOGETHER)):
        yield some


def _text_bytes(message: str | ReadableBuffer) -> bytes:
    if isinstance(message, str):
        return message.encode("utf-8", "surrogatepass")
    return bytes(as_bytes(message))
