"""`llmzip decompress`: FILE.llmz back to FILE."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from llmzip.cli.delivery import delivering, delivering_ahead, expected_bytes, recovering
from llmzip.cli.jobs import run_jobs
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.cli.suffixes import original_name
from llmzip.cli.work import Spreadable, Verb
from llmzip.errors import UsageError


@verb("decompress")
def decompress(messages: Messages, settings: Settings) -> None:
    """Decompress each FILE.llmz to FILE; without FILE, standard input to standard output.

    For example `llmzip decompress -o notes.txt notes.txt.llmz`.
    """
    require_least()
    decompressor = settings.decompressor()

    def target_of(source: Path) -> Path:
        target = original_name(source, settings.suffix)
        if target is None:
            raise UsageError(
                f"{source}: no {settings.suffix} to take off its name; say where to with -o FILE"
            )
        return target

    if settings.recover:
        if settings.is_spread:
            raise UsageError("--recover goes neither with --processes nor with --ray")
        if settings.removes or settings.resume:
            raise UsageError("--recover goes neither with --rm nor with --resume: leave that out")
        bring_back = recovering(decompressor, messages)
        work = Verb("recovered", True, target_of, lambda _: None, bring_back, bring_back)
    else:
        work = Verb(
            "decompressed",
            True,
            target_of,
            partial(expected_bytes, decompressor, to_stdout=settings.wants_stdout),
            delivering(decompressor.decompress, messages),
            delivering(decompressor.resume, messages),
            work_ahead=delivering_ahead(decompressor, messages),
            spread=partial(_spread, settings) if settings.is_spread else None,
        )
    run_jobs(work, settings, messages)


def _spread(settings: Settings) -> Spreadable:
    """Return how others decompress."""
    from llmzip.spread.cutting import PackedCutter
    from llmzip.spread.worker import Tools

    settings.require_reference_everywhere()
    decompressor = settings.for_worker().decompressor()
    return Spreadable(Tools(decompressor=decompressor), PackedCutter(decompressor), "decompress")
