"""`llmzip sample`: text that a model writes from bits, on standard output."""

from __future__ import annotations

from llmzip.cli.files import stdout_stream
from llmzip.cli.inputs import opened
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, shown
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.errors import UsageError


@verb("sample")
def sample(messages: Messages, settings: Settings) -> None:
    """Write text that a seed's bits decode to; or, with --from, those of any file.

    `llmzip unsample` gets the file back from the text, given the same model and options. This hides
    nothing from anybody who has the model: encrypt first what is to be kept secret.

    For example `llmzip sample --from secret.bin > prose.txt`.
    """
    require_least()
    if settings.files:
        raise UsageError(
            f"sample takes no words, {shown(settings.files[0])} for one: --from FILE makes a text "
            "of a file, --prompt TEXT begins it"
        )
    sampler = settings.sampler()
    payload = None
    if settings.payload is not None:
        with opened(settings.payload) as reading:
            payload = reading.stream.read()
    text = sampler.sample(payload, settings.max_tokens)
    with stdout_stream() as sink:
        sink.write(text.encode())
        if sink.isatty():
            sink.write(b"\n")
    messages.info(f"{len(text.encode()):,} bytes of text")
