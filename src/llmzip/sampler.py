"""Text that a model writes from bits, and the bits of such a text, the model being kept open."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from llmzip.buffers import as_bytes
from llmzip.errors import UsageError
from llmzip.keeper import HowToRun, ModelKeeper, require_positive
from llmzip.models.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from llmzip.predict import OpenedPredictor
    from llmzip.sampling import Walk

DEFAULT_TOKENS = 256
DEFAULT_TOP_K = 64
MOST_TOP_K = 1 << 16
MOST_SEED = (1 << 64) - 1
TEMPERATURES = Decimal("0.1"), Decimal(10)


class Sampler(ModelKeeper):
    """Writes texts from bits and reads them, with one model, which is opened when it is first used.

    Only what was set likewise reads a text:
    prompt: what stands before the text, which does not repeat it.
    seed: 0 to 2^64 - 1.
    temperature: 0.1 to 10; below 1 what is likely is likelier still. A str or a Decimal is taken
        to the digit, a float as it prints.
    top_k: how many of the likeliest tokens each is chosen from, 2 to 65,536.
    model: a name, a folder, a .gguf file or a hub id, of a kind that the exact engine runs.

    These choose speed alone:
    device: "cpu", "cuda" or "auto". threads: None chooses.
    quiet: do not tell on standard error when a model is fetched.

    What is written keeps no secret: whoever has the model, and guesses the rest, reads it.

    Raises UsageError for what is out of range.
    """

    def __init__(
        self,
        *,
        prompt: str = "",
        seed: int = 0,
        temperature: float | str | Decimal = 1,
        top_k: int = DEFAULT_TOP_K,
        model: str = DEFAULT_MODEL,
        device: str = "auto",
        threads: int | None = None,
        quiet: bool = True,
    ) -> None:
        super().__init__()
        require_positive(threads=threads)
        if not 0 <= seed <= MOST_SEED:
            raise UsageError(f"a seed cannot be {seed}: choose 0 to {MOST_SEED:,}")
        if not 2 <= top_k <= MOST_TOP_K:
            raise UsageError(f"top_k cannot be {top_k}: choose 2 to {MOST_TOP_K:,}")
        self._prompt, self._seed, self._top_k = prompt, seed, top_k
        self._temperature = _temperature(temperature)
        self._name = model
        self._how = HowToRun(device, threads, 1, quiet)

    def sample(self, payload: ReadableBuffer | None = None, max_tokens: int | None = None) -> str:
        """Return a text from which `unsample` gets `payload` back; without one, the seed's text.

        max_tokens: how long the seed's text is, 256 tokens if not said (a few less where only that
            text is made into the same tokens again); of a payload's text, what it may not exceed.
        Raises LimitError where a payload's text would; SamplingError, ModelError, DeviceError,
        OSError; TypeError for a payload that is no bytes.
        """
        from llmzip.sampling import text_of_payload, text_of_seed

        require_positive(max_tokens=max_tokens)
        data = None if payload is None else bytes(as_bytes(payload))

        def work() -> str:
            opened = self._open()
            walk, tokenizer = self._walk(opened), opened.tokenizer
            if data is None:
                return text_of_seed(walk, tokenizer, self._seed, max_tokens or DEFAULT_TOKENS)
            return text_of_payload(walk, tokenizer, data, self._seed, max_tokens)

        return self.in_turn(work)

    def unsample(self, text: str | ReadableBuffer) -> bytes:
        """Return the payload that `text`, a str or UTF-8, was written from.

        What follows the payload's end is not looked at.
        Raises SamplingError for a text that was not written so; otherwise as sample().
        """
        from llmzip.sampling import payload_of

        return payload_of(*self._bits(text), self._seed)

    def bits(self, text: str | ReadableBuffer) -> bytes:
        """Return all whole bytes that `text` leaves no doubt of, in whatever way it came about.

        Of a seed's text they are the beginning of its stream. Raises as unsample() does.
        """
        from llmzip.errors import SamplingError

        bits, refusal = self._bits(text)
        if refusal:
            raise SamplingError(refusal)
        return bits

    def _bits(self, text: str | ReadableBuffer) -> tuple[bytes, str]:
        from llmzip.sampling import bits_of

        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else as_bytes(text)

        def work() -> tuple[bytes, str]:
            opened = self._open()
            return bits_of(self._walk(opened), opened.tokenizer, bytes(data))

        return self.in_turn(work)

    def _open(self) -> OpenedPredictor:
        """Within a call: the model, opened if it is not."""
        from llmzip.container import DEFAULT_OPTIONS

        return self._kept.model(
            None, lambda: self._how.open(self._name, DEFAULT_OPTIONS, exact=True, dictionary=None)
        )

    def _walk(self, opened: OpenedPredictor) -> Walk:
        from llmzip.predict.exact import ExactPredictor
        from llmzip.sampling import Rule, Walk

        assert isinstance(opened.predictor, ExactPredictor)
        prompt = self._prompt.encode("utf-8", "surrogateescape")
        rule = Rule(self._temperature, self._top_k)
        return Walk(opened.predictor.lanes(1), opened.tokenizer, prompt, rule)


def _temperature(given: float | str | Decimal) -> Decimal:
    try:
        found = Decimal(str(given))
    except InvalidOperation:
        found = Decimal("NaN")
    if found.is_nan() or not TEMPERATURES[0] <= found <= TEMPERATURES[1]:
        least, most = TEMPERATURES
        raise UsageError(f"a temperature cannot be {given}: choose {least} to {most}")
    return found
