"""`llmzip test`: decompress .llmz files to nowhere, to know that they are whole."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from llmzip.cli.delivery import delivering, expected_bytes
from llmzip.cli.files import STDIO
from llmzip.cli.jobs import Verb, run_jobs
from llmzip.cli.messages import Messages
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings

_NOWHERE = Path(os.devnull)


@verb("test")
def test(messages: Messages, settings: Settings) -> None:
    """Decompress each FILE.llmz and throw the text away; without FILE, standard input.

    Silent where all is well; -v says so. `llmzip list` checks the file only, in no time.
    """
    decompressor = settings.decompressor()
    check = partial(expected_bytes, decompressor, to_stdout=False)
    throw_away = delivering(decompressor.decompress, messages)
    work = Verb("OK:", True, lambda _: None, check, throw_away, throw_away)
    for source in settings.files or (STDIO,):
        run_jobs(work, replace(settings, files=(source,), output=_NOWHERE), messages)
