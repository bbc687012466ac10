"""`llmzip compress`: FILE to FILE.llmz."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from llmzip.cli.jobs import run_jobs
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, Progress
from llmzip.cli.options import verb
from llmzip.cli.plan import Verb
from llmzip.cli.settings import Settings
from llmzip.cli.suffixes import suffix_of


@verb("compress")
def compress(messages: Messages, settings: Settings) -> None:
    """Compress each FILE to FILE.llmz; without FILE, standard input to standard output."""
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
        "compressed", False, target_of, _size, compressor.compress, compressor.resume, decode
    )
    run_jobs(work, settings, messages)


def _size(source: BinaryIO) -> int | None:
    """Return how many bytes a regular file has; of anything else nobody knows."""
    status = os.fstat(source.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
