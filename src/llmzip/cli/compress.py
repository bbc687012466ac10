"""`llmzip compress`: FILE to FILE.llmz."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmzip.cli.jobs import run_jobs
from llmzip.cli.memory import require_least
from llmzip.cli.messages import AheadProgress, Messages, Progress
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.cli.suffixes import suffix_of
from llmzip.cli.work import Spreadable, Verb, Work
from llmzip.compressor import Compressor

if TYPE_CHECKING:
    from llmzip.codec import Stats
    from llmzip.codec.many import Encoded


@verb("compress")
def compress(messages: Messages, settings: Settings) -> None:
    """Compress each FILE to FILE.llmz; without FILE, standard input to standard output.

    For example `llmzip compress -9 --rm *.txt`.
    """
    require_least()
    compressor = settings.compressor()

    def target_of(source: Path) -> Path | None:
        if (found := suffix_of(source, settings.suffix)) is not None:
            messages.warning(f"{source}: has the suffix {found} already; skipped (-o FILE insists)")
            return None
        return source.with_name(source.name + settings.suffix)

    def decode(written: BinaryIO, sink: BinaryIO, progress: Progress) -> None:
        # Not from anything that compressing has left in memory: as whoever gets the file will.
        settings.decompressor().decompress(written, sink, progress)

    work = Verb(
        "compressed",
        False,
        target_of,
        _size,
        compressor.compress,
        compressor.resume,
        decode,
        work_ahead=partial(_compress_ahead, compressor),
        spread=partial(_spread, settings) if settings.is_spread else None,
    )
    run_jobs(work, settings, messages)


def _compress_ahead(
    compressor: Compressor, texts: Sequence[bytes], progress: AheadProgress
) -> list[Work]:
    """Compress small texts together; return what writes the file of each."""
    n_bytes = sum(map(len, texts))
    encoded = compressor.encode_batch(texts, lambda n_done: progress(n_done, n_bytes))
    return [partial(_write, one) for one in encoded]


def _spread(settings: Settings) -> Spreadable:
    """Return how others compress."""
    from llmzip.spread.cutting import TextCutter
    from llmzip.spread.worker import Tools

    settings.require_reference_everywhere()
    own = settings.for_worker()
    compressor = own.compressor()
    tools = Tools(compressor, verifier=own.decompressor() if settings.verify else None)
    return Spreadable(tools, TextCutter(compressor), f"compress {compressor.settings}")


def _write(encoded: Encoded, _source: BinaryIO, sink: BinaryIO, _progress: Progress) -> Stats:
    from llmzip.codec.streams import write_full

    write_full(sink, encoded.file)
    return encoded.stats


def _size(source: BinaryIO) -> int | None:
    """Return how many bytes a regular file has; of anything else nobody knows."""
    status = os.fstat(source.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
