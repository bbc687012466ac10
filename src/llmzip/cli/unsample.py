"""`llmzip unsample`: the file that a text was written from, on standard output."""

from __future__ import annotations

from llmzip.cli.files import STDIO, stdout_stream
from llmzip.cli.inputs import opened
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, reported, shown
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.errors import UsageError


@verb("unsample")
def unsample(messages: Messages, settings: Settings) -> None:
    """Get the bits of such a text back; they go to standard output.

    Takes a text that `llmzip sample` has written, from FILE or from standard input, with the model
    and options that it was written with, and writes the file that it was made of. The text must be
    what it was, byte for byte, up to its end; what follows does not matter.

    For example `llmzip unsample prose.txt > secret.bin`.
    """
    require_least()
    if len(settings.files) > 1:
        raise UsageError("unsample takes one text at a time")
    sampler = settings.sampler()
    (source,) = settings.files or (STDIO,)
    with reported(source, messages):
        with opened(source) as reading:
            text = reading.stream.read()
        found = sampler.bits(text) if settings.wants_raw else sampler.unsample(text)
        with stdout_stream() as sink:
            sink.write(found)
        messages.info(f"{shown(source)}: {len(found):,} bytes")
