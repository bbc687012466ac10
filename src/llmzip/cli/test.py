"""`llmzip test`: decompress .llmz files to nowhere, to know that they are whole."""

from __future__ import annotations

from functools import partial

from llmzip.cli.delivery import delivering, delivering_ahead, expected_bytes
from llmzip.cli.jobs import run_jobs
from llmzip.cli.messages import Messages
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.cli.work import Verb


@verb("test")
def test(messages: Messages, settings: Settings) -> None:
    """Decompress each FILE.llmz and throw the text away; without FILE, standard input.

    Silent where all is well; -v says so. `llmzip list` checks the file only, in no time.

    For example `llmzip test -v *.llmz`.
    """
    decompressor = settings.decompressor()
    check = partial(expected_bytes, decompressor, to_stdout=False)
    throw_away = delivering(decompressor.decompress, messages)
    ahead = delivering_ahead(decompressor, messages)
    work = Verb(
        "OK:", True, lambda _: None, check, throw_away, throw_away, work_ahead=ahead, keeps=False
    )
    run_jobs(work, settings, messages)
